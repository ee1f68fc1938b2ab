//! Times are of media time: neither the rate nor the size of the pictures changes what is told or when.

use proptest::prelude::*;

use super::studio::{Look, Studio, began, quick};
use crate::vocab::Condition;

/// When each of the three is told, in seconds after the fault.
fn delays(width: usize, height: usize, fps: f64) -> [f64; 3] {
    let delay = |look: Look, expected: Condition| {
        let mut studio = Studio::of(quick(), width, height, fps);
        studio.see(60.0, &Look::default());
        let told = studio.see(90.0, &look);
        assert_eq!(began(&told), [expected], "{width}x{height} at {fps}: {told:?}");
        studio.told_at() - 60.0
    };
    [
        delay(Look { blur: 0.012, ..Look::default() }, Condition::Defocused),
        delay(Look { turned: (0.2, 0.0), ..Look::default() }, Condition::Moved),
        delay(Look { contrast: (0.15, 1.0), ..Look::default() }, Condition::Degraded),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]
    #[test]
    fn rate_and_size_change_nothing(fps in 0.5f64..8.0, width in 240usize..400) {
        let usual = delays(256, 144, 3.0);
        let these = delays(width / 2 * 2, width * 9 / 32 * 2, fps);
        for (usual, these) in usual.iter().zip(these) {
            // To within a few judgements, which are a second apart, or a picture where these come more slowly.
            prop_assert!((usual - these).abs() <= 4.0 + 3.0 / fps, "{} and {}", usual, these);
        }
    }

    #[test]
    fn nothing_is_told_of_what_does_not_change(scene in 0u64..1000, fps in 0.5f64..8.0, light in 0.2f32..1.0) {
        let mut studio = Studio::of(quick(), 192, 108, fps);
        let told = studio.see(200.0, &Look { scene, light, ..Look::default() });
        prop_assert!(told.is_empty(), "{:?}", told);
    }
}
