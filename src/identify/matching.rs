//! Who in a gallery a face is, if anybody: the closest person, if he is close enough and nobody else nearly as close. Pure.
//!
//! The set is open: most faces that a camera sees are in no gallery. A person is as close as his closest template, by the
//! cosine. Somebody is that person only where the cosine reaches the threshold and exceeds the next person's by the margin;
//! else he is unknown. Templates of people whose time has run out count for nothing.

use crate::vocab::{Identity, KnownPerson, WallTime};

use super::embedding::{Embedding, OtherSpace, dot};
use super::gallery::{Gallery, Person};

/// When somebody is taken for a person of the gallery.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// The least cosine; 0.45 by default. See the head of [`identify`](super) for what that was measured to be worth.
    pub threshold: f32,
    /// By how much it must exceed that of any other person; 0.05 by default.
    pub margin: f32,
}

impl Default for Policy {
    fn default() -> Self {
        Self { threshold: 0.45, margin: 0.05 }
    }
}

/// How close one person of a gallery is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compared<'g> {
    /// The person.
    pub person: &'g Person,
    /// The cosine of the closest template, -1..1.
    pub score: f32,
}

/// Compares a face with everybody in `gallery` whose time has not run out at `now`.
///
/// # Errors
/// When the gallery holds vectors of another model.
pub fn identify(gallery: &Gallery, face: &Embedding, policy: &Policy, now: WallTime) -> Result<Identity, OtherSpace> {
    face.of_space(&gallery.space)?;
    let (mut best, mut next) = (None::<Compared<'_>>, -1.0f32);
    for person in gallery.people.iter().filter(|person| !person.has_expired(now)) {
        let Some(score) = closest(person, face) else { continue };
        match best {
            Some(leader) if score <= leader.score => next = next.max(score),
            _ => {
                next = best.map_or(next, |leader| leader.score);
                best = Some(Compared { person, score });
            }
        }
    }
    let score = best.map_or(-1.0, |best| best.score);
    let margin = score - next;
    let is_known = score >= policy.threshold && margin >= policy.margin;
    let known = |best: Compared<'_>| KnownPerson {
        id: best.person.id.clone(),
        name: best.person.name.clone(),
        lists: best.person.lists.clone(),
    };
    Ok(Identity {
        person: best.filter(|_| is_known).map(known),
        score,
        threshold: policy.threshold,
        margin,
        least_margin: policy.margin,
        space: gallery.space.clone(),
        gallery: gallery.revision,
    })
}

/// How close a person's closest template is; none without templates.
pub(super) fn closest(person: &Person, face: &Embedding) -> Option<f32> {
    let scores = person.templates.iter().map(|template| dot(&template.vector, face.unit()));
    scores.fold(None, |best: Option<f32>, score| Some(best.map_or(score, |best| best.max(score))))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::identify::gallery::Template;
    use crate::vocab::Id;
    use proptest::prelude::*;

    fn person(id: &str, vectors: &[[f32; 3]]) -> Person {
        let template = |vector: &[f32; 3]| {
            let space: Arc<str> = "s".into();
            let vector = Embedding::new(&space, vector).unwrap().unit().to_vec();
            Template { vector, worth: 1.0, source: "photograph".to_owned() }
        };
        Person {
            id: Id::new(id).unwrap(),
            name: id.to_uppercase(),
            lists: Vec::new(),
            created: 0,
            expires: None,
            templates: vectors.iter().map(template).collect(),
        }
    }

    fn gallery(people: Vec<Person>) -> Gallery {
        Gallery { space: "s".to_owned(), revision: 7, people, ..Gallery::default() }
    }

    fn face(vector: [f32; 3]) -> Embedding {
        Embedding::new(&"s".into(), &vector).unwrap()
    }

    const POLICY: Policy = Policy { threshold: 0.5, margin: 0.1 };

    fn found(gallery: &Gallery, vector: [f32; 3]) -> Option<String> {
        let identity = identify(gallery, &face(vector), &POLICY, WallTime::from_unix_nanos(0)).unwrap();
        identity.person.map(|person| person.id.to_string())
    }

    #[test]
    fn the_closest_template_of_the_closest_person_counts() {
        let people = vec![person("ann", &[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), person("bob", &[[0.0, 0.0, 1.0]])];
        let gallery = gallery(people);
        assert_eq!(found(&gallery, [0.1, 0.9, 0.0]).as_deref(), Some("ann"));
        assert_eq!(found(&gallery, [0.0, 0.1, 0.9]).as_deref(), Some("bob"));
        let identity = identify(&gallery, &face([1.0, 0.0, 0.0]), &POLICY, WallTime::from_unix_nanos(0)).unwrap();
        assert_eq!((identity.score, identity.margin, identity.gallery), (1.0, 1.0, 7));
    }

    #[test]
    fn who_is_far_from_all_or_between_two_is_unknown() {
        let gallery = gallery(vec![person("ann", &[[1.0, 0.0, 0.0]]), person("bob", &[[0.0, 0.0, 1.0]])]);
        assert_eq!(found(&gallery, [0.1, 1.0, 0.1]), None, "far from both");
        assert_eq!(found(&gallery, [1.0, 0.0, 0.95]), None, "between them");
        assert_eq!(found(&Gallery { people: Vec::new(), ..gallery }, [1.0, 0.0, 0.0]), None, "nobody is in it");
    }

    #[test]
    fn whose_time_has_run_out_is_unknown() {
        let mut ann = person("ann", &[[1.0, 0.0, 0.0]]);
        ann.expires = Some(100);
        let gallery = gallery(vec![ann]);
        let at = |seconds: i64| {
            let now = WallTime::from_unix_nanos(seconds * 1_000_000_000);
            identify(&gallery, &face([1.0, 0.0, 0.0]), &POLICY, now).unwrap().person.is_some()
        };
        assert_eq!((at(99), at(100)), (true, false));
    }

    #[test]
    fn a_gallery_of_another_model_is_never_compared() {
        let gallery = Gallery { space: "other".to_owned(), ..gallery(vec![person("ann", &[[1.0, 0.0, 0.0]])]) };
        assert!(identify(&gallery, &face([1.0, 0.0, 0.0]), &POLICY, WallTime::from_unix_nanos(0)).is_err());
    }

    proptest! {
        #[test]
        fn the_order_of_people_does_not_matter_and_no_limit_is_passed(
            vectors in proptest::collection::vec(proptest::array::uniform3(-1.0f32..1.0), 1..9),
            probe in proptest::array::uniform3(0.1f32..1.0), threshold in -0.5f32..0.9, margin in 0.0f32..0.3,
        ) {
            let people: Vec<Person> = vectors.iter().enumerate()
                .filter(|(_, v)| v.iter().any(|x| x.abs() > 0.01))
                .map(|(i, v)| person(&format!("p{i}"), &[*v])).collect();
            let turned = people.iter().rev().cloned().collect();
            let policy = Policy { threshold, margin };
            let now = WallTime::from_unix_nanos(0);
            let one = identify(&gallery(people.clone()), &face(probe), &policy, now).unwrap();
            let other = identify(&gallery(turned), &face(probe), &policy, now).unwrap();
            prop_assert_eq!((one.score, one.margin), (other.score, other.margin));
            let mut scores: Vec<f32> = people.iter().filter_map(|p| closest(p, &face(probe))).collect();
            scores.sort_by(f32::total_cmp);
            let best = scores.pop().unwrap_or(-1.0);
            let next = scores.pop().unwrap_or(-1.0);
            prop_assert_eq!(one.person.is_some(), best >= threshold && best - next >= margin && !people.is_empty());
        }
    }
}
