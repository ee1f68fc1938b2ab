//! What must not be told.

use super::studio::{Look, Studio, began, quick};
use crate::scene::ConditionSettings;
use crate::vocab::{Condition, PictureChange, Relief};

/// A truck whose side fills the picture but for its edges, with a few things painted on it.
fn truck(at: f32) -> Look {
    let side = ([at - 1.0, 0.05, at, 0.98], 190.0);
    let sign = |x: f32, y: f32, luma| ([at - x, y, at - x + 0.1, y + 0.15], luma);
    let before = vec![side, sign(0.3, 0.2, 60.0), sign(0.6, 0.5, 90.0), sign(0.8, 0.3, 30.0), sign(0.45, 0.75, 20.0)];
    Look { before, ..Look::default() }
}

#[test]
fn a_truck_that_fills_the_picture_and_halts_there_is_no_move_and_no_blur() {
    let mut studio = Studio::new(quick());
    studio.see(60.0, &Look::default());
    let passes = |second: f64| match second {
        ..5.0 => truck(second as f32 / 5.0),
        5.0..25.0 => truck(1.0),
        25.0..30.0 => truck(1.0 + (second - 25.0) as f32 / 5.0),
        _ => Look::default(),
    };
    for _ in 0..3 {
        assert_eq!(studio.film(60.0, passes), []);
    }
}

#[test]
fn headlights_at_night_are_no_fault() {
    let mut studio = Studio::new(quick());
    let night = Look { colour: false, light: 0.35, ..Look::default() };
    studio.see(60.0, &night);
    let lamps = |second: f64| {
        let x = (second % 10.0) as f32 / 8.0;
        Look { before: vec![([x, 0.5, x + 0.12, 0.62], 600.0), ([x + 0.1, 0.3, x + 0.4, 0.9], 300.0)], ..night.clone() }
    };
    assert_eq!(studio.film(120.0, lamps), []);
}

#[test]
fn a_lamp_that_is_switched_on_and_off_is_no_fault() {
    let mut studio = Studio::new(quick());
    let dark = Look { light: 0.4, ..Look::default() };
    studio.see(60.0, &dark);
    let told = studio.film(240.0, |second| if second % 60.0 < 30.0 { Look::default() } else { dark.clone() });
    assert_eq!(told, []);
}

#[test]
fn a_plain_wall_says_nothing_in_focus_or_out() {
    let mut studio = Studio::new(quick());
    let wall = Look { scene: 0, before: vec![([0.0, 0.0, 1.0, 0.4], 90.0)], ..Look::default() };
    studio.see(60.0, &wall);
    assert_eq!(studio.see(120.0, &Look { blur: 0.02, ..wall.clone() }), []);
    assert_eq!(studio.see(120.0, &Look { scene: 0, ..Look::default() }), []);
}

#[test]
fn people_who_walk_about_are_no_fault() {
    let mut studio = Studio::new(quick());
    let walkers = |second: f64| {
        let at = |pace: f64, y: f32| {
            let x = ((second * pace) % 1.3) as f32 - 0.15;
            ([x, y, x + 0.08, y + 0.4], 30.0)
        };
        Look { before: vec![at(0.1, 0.3), at(0.07, 0.5), at(0.05, 0.2)], ..Look::default() }
    };
    assert_eq!(studio.film(240.0, walkers), []);
}

#[test]
fn a_camera_that_tours_is_not_moved_once_that_is_seen_and_never_where_it_is_told() {
    let tour = |second: f64| {
        let turned = [(0.0, 0.0), (0.25, 0.0), (0.5, 0.1)][(second / 30.0) as usize % 3];
        Look { turned, ..Look::default() }
    };
    let mut told_so = Studio::new(ConditionSettings { ptz: true, ..quick() });
    assert_eq!(told_so.film(600.0, tour), []);
    let mut studio = Studio::new(quick());
    let early = studio.film(240.0, tour);
    assert!(began(&early).len() <= 2, "{early:?}");
    assert_eq!(began(&early).len(), early.len() / 2, "what began has ended: {early:?}");
    assert_eq!(studio.film(900.0, tour), []);
}

#[test]
fn a_tour_that_ends_somewhere_else_is_a_move_in_the_end() {
    let mut studio = Studio::new(quick());
    let tour = |second: f64| {
        let turned = [(0.0, 0.0), (0.25, 0.0), (0.5, 0.1)][(second / 20.0) as usize % 3];
        Look { turned, ..Look::default() }
    };
    studio.film(240.0, tour);
    let told = studio.see(2000.0, &Look { turned: (0.25, 0.0), ..Look::default() });
    // Nobody is told of a view that has stood for `relearn` while the tour was believed: it is the camera's own by then.
    assert!(
        told.iter().all(|change| !matches!(change, PictureChange::Ended { relief: Relief::Passed, .. })),
        "{told:?}"
    );
    assert_eq!(began(&studio.see(60.0, &Look { scene: 5, ..Look::default() })), [Condition::Moved]);
}

#[test]
fn a_black_picture_is_neither_night_nor_moved_nor_defocused() {
    let mut studio = Studio::new(quick());
    studio.see(60.0, &Look::default());
    let black = Look { light: 0.0, colour: false, ..Look::default() };
    assert_eq!(studio.see(120.0, &black), []);
    assert_eq!(studio.see(60.0, &Look::default()), []);
}
