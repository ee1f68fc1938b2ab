//! A vector that describes a face or a person, of length one, in the space of the model that made it.

use std::sync::Arc;

/// A vector of length one. What made it is part of it: vectors of two models have nothing to do with each other, even
/// where they are of one length.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    space: Arc<str>,
    unit: Vec<f32>,
}

/// Two vectors that must not be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a vector of the space {found} cannot be compared with those of {expected}: another model made it")]
pub struct OtherSpace {
    /// The space of the vector.
    pub found: String,
    /// The space of those it was to be compared with.
    pub expected: String,
}

impl Embedding {
    /// What a model made, brought to length one. `None` where it is zero or not finite.
    pub fn new(space: &Arc<str>, raw: &[f32]) -> Option<Self> {
        let length = raw.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        if !(length.is_finite() && length > 1e-12) {
            return None;
        }
        Some(Self { space: space.clone(), unit: raw.iter().map(|v| (f64::from(*v) / length) as f32).collect() })
    }

    /// What names the vectors it can be compared with.
    pub fn space(&self) -> &Arc<str> {
        &self.space
    }

    /// Its numbers.
    pub fn unit(&self) -> &[f32] {
        &self.unit
    }

    /// How alike two are: the cosine of the angle between them, -1..1.
    ///
    /// # Errors
    /// When another model made the other one.
    pub fn similarity(&self, other: &Self) -> Result<f32, OtherSpace> {
        self.of_space(&other.space)?;
        Ok(dot(&self.unit, &other.unit))
    }

    /// Whether it is of `space`.
    ///
    /// # Errors
    /// When it is of another.
    pub fn of_space(&self, space: &str) -> Result<(), OtherSpace> {
        if *self.space == *space {
            return Ok(());
        }
        Err(OtherSpace { found: self.space.to_string(), expected: space.to_owned() })
    }
}

/// The product of two vectors of length one.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>().clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_direction_counts_and_only_within_one_space() {
        let (space, other): (Arc<str>, Arc<str>) = ("a-1-2".into(), "b-1-2".into());
        let vector = Embedding::new(&space, &[3.0, 4.0]).unwrap();
        assert_eq!(vector.unit(), [0.6, 0.8]);
        assert_eq!(vector.similarity(&Embedding::new(&space, &[30.0, 40.0]).unwrap()), Ok(1.0));
        assert_eq!(vector.similarity(&Embedding::new(&space, &[-4.0, 3.0]).unwrap()), Ok(0.0));
        let refused = vector.similarity(&Embedding::new(&other, &[3.0, 4.0]).unwrap()).unwrap_err();
        assert!(refused.to_string().contains("b-1-2"), "{refused}");
    }

    #[test]
    fn what_has_no_direction_is_no_vector() {
        let space: Arc<str> = "a".into();
        assert_eq!(Embedding::new(&space, &[0.0, 0.0]), None);
        assert_eq!(Embedding::new(&space, &[f32::NAN, 1.0]), None);
        assert_eq!(Embedding::new(&space, &[f32::INFINITY, 1.0]), None);
    }
}
