//! What must be told, when, and when it is over.

use super::studio::{Look, Studio, began, ended, quick};
use crate::scene::ConditionSettings;
use crate::vocab::{Condition, DayNight, PictureChange, Relief};

fn blurred() -> Look {
    Look { blur: 0.01, ..Look::default() }
}

fn turned(x: f32, y: f32) -> Look {
    Look { turned: (x, y), ..Look::default() }
}

#[test]
fn a_camera_out_of_focus_is_told_once_it_lasts_and_told_sharp_again() {
    let mut studio = Studio::new(quick());
    assert_eq!(studio.see(60.0, &Look::default()), []);
    let told = studio.see(30.0, &blurred());
    assert_eq!(began(&told), [Condition::Defocused], "{told:?}");
    let PictureChange::Began { since, finding, .. } = told[0] else { unreachable!() };
    assert!((60.0..66.0).contains(&since.as_secs_f64()), "{since:?}");
    assert!(finding.value < finding.limit && finding.limit == 0.5, "{finding:?}");
    assert_eq!(studio.see(600.0, &blurred()), [], "it stays so, however long");
    let told = studio.see(30.0, &Look::default());
    assert_eq!(ended(&told), [Condition::Defocused], "{told:?}");
}

#[test]
fn a_little_softness_is_told_where_little_is_asked_for_only() {
    let soft = Look { blur: 0.003, ..Look::default() };
    let see = |ratio| {
        let mut studio = Studio::new(ConditionSettings { defocused_ratio: ratio, ..quick() });
        studio.see(60.0, &Look::default());
        began(&studio.see(60.0, &soft))
    };
    assert_eq!(see(0.1), []);
    assert_eq!(see(0.8), [Condition::Defocused]);
}

#[test]
fn a_camera_pushed_aside_is_told_with_how_far() {
    let mut studio = Studio::new(quick());
    assert_eq!(studio.see(60.0, &Look::default()), []);
    let told = studio.see(40.0, &turned(0.15, -0.1));
    assert_eq!(began(&told), [Condition::Moved], "{told:?}");
    let PictureChange::Began { finding, .. } = told[0] else { unreachable!() };
    let (right, down) = finding.shift.expect("the old view is still in the picture");
    assert!((right - 0.15).abs() < 0.03 && (down + 0.1).abs() < 0.05, "{finding:?}");
    assert!(studio.told_at() < 85.0, "{}", studio.told_at());
    let told = studio.see(20.0, &Look::default());
    assert!(matches!(told[..], [PictureChange::Ended { relief: Relief::Passed, .. }]), "{told:?}");
}

#[test]
fn a_camera_that_looks_at_something_else_is_told_after_three_times_as_long() {
    let mut studio = Studio::new(quick());
    studio.see(60.0, &Look::default());
    let told = studio.see(60.0, &Look { scene: 9, ..Look::default() });
    assert_eq!(began(&told), [Condition::Moved], "{told:?}");
    assert!(studio.told_at() >= 90.0, "{}", studio.told_at());
    let PictureChange::Began { finding, .. } = told[0] else { unreachable!() };
    assert_eq!(finding.shift, None);
}

#[test]
fn after_relearning_the_new_view_is_the_cameras_own() {
    let mut studio = Studio::new(quick());
    studio.see(60.0, &Look::default());
    assert_eq!(began(&studio.see(60.0, &turned(0.2, 0.0))), [Condition::Moved]);
    let told = studio.see(320.0, &turned(0.2, 0.0));
    assert!(matches!(told[..], [PictureChange::Ended { relief: Relief::Learnt, .. }]), "{told:?}");
    assert_eq!(studio.see(60.0, &turned(0.2, 0.0)), []);
    assert_eq!(began(&studio.see(60.0, &Look::default())), [Condition::Moved], "the old view is a move now");
}

#[test]
fn part_of_the_picture_without_contrast_for_long_is_told() {
    let mut studio = Studio::new(quick());
    studio.see(60.0, &Look::default());
    let web = Look { contrast: (0.15, 1.0), ..Look::default() };
    assert_eq!(studio.see(50.0, &web), [], "not yet for long");
    let told = studio.see(30.0, &web);
    assert_eq!(began(&told), [Condition::Degraded], "{told:?}");
    let told = studio.see(90.0, &Look::default());
    assert_eq!(ended(&told), [Condition::Degraded], "{told:?}");
}

#[test]
fn fog_that_comes_slowly_and_stays_is_degraded_and_neither_defocused_nor_moved() {
    let mut studio = Studio::new(quick());
    studio.see(60.0, &Look::default());
    let thick = [1.0, 0.8, 0.6, 0.4, 0.2].map(|left| (left, left));
    let fog = |second: f64| Look { contrast: thick[((second / 30.0) as usize).min(4)], ..Look::default() };
    let told = studio.film(300.0, fog);
    assert_eq!(began(&told), [Condition::Degraded], "{told:?}");
}

#[test]
fn day_and_night_are_told_and_are_no_fault() {
    let mut studio = Studio::new(quick());
    assert_eq!(studio.see(60.0, &Look::default()), []);
    assert_eq!(studio.scene().mode(), Some(DayNight::Day));
    // Infrared: another light, softer, and without colour.
    let night = Look { colour: false, light: 0.5, blur: 0.004, ..Look::default() };
    let told = studio.see(120.0, &night);
    assert!(matches!(told[..], [PictureChange::Switched { to: DayNight::Night, .. }]), "{told:?}");
    assert_eq!(studio.scene().mode(), Some(DayNight::Night));
    let told = studio.see(120.0, &Look::default());
    assert!(matches!(told[..], [PictureChange::Switched { to: DayNight::Day, .. }]), "{told:?}");
}

#[test]
fn a_camera_out_of_focus_by_night_alone_is_told_by_night_alone() {
    let mut studio = Studio::new(quick());
    let night = Look { colour: false, light: 0.5, ..Look::default() };
    studio.see(60.0, &Look::default());
    studio.see(60.0, &night);
    let told = studio.see(60.0, &Look { blur: 0.012, ..night });
    assert_eq!(began(&told), [Condition::Defocused], "{told:?}");
}

#[test]
fn each_check_can_be_switched_off() {
    let off = |change: fn(&mut ConditionSettings), look: Look| {
        let mut settings = quick();
        change(&mut settings);
        let mut studio = Studio::new(settings);
        studio.see(60.0, &Look::default());
        studio.see(150.0, &look)
    };
    let web = Look { contrast: (0.15, 1.0), ..Look::default() };
    assert_eq!(off(|s| s.defocused = false, blurred()), []);
    assert_eq!(off(|s| s.moved = false, turned(0.2, 0.0)), []);
    assert_eq!(off(|s| s.degraded = false, web), []);
    assert_eq!(off(|s| s.day_night = false, Look { colour: false, ..Look::default() }), []);
}

#[test]
fn another_picture_size_ends_what_was_told() {
    let mut studio = Studio::new(quick());
    studio.see(60.0, &Look::default());
    studio.see(30.0, &blurred());
    studio.resize(320, 180);
    let told = studio.see(60.0, &blurred());
    assert!(matches!(told[..], [PictureChange::Ended { relief: Relief::Resized, .. }]), "{told:?}");
}
