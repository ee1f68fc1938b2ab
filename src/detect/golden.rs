//! The golden picture that every model is shown once before it is trusted: drawn by this code, always the same.

use crate::vocab::Frame;

use super::picture::Picture;

const WIDTH: usize = 320;
const HEIGHT: usize = 240;

/// A street-like scene: sky, road, a dark box with wheels, an upright figure, and noise over everything, so that no
/// layer of a network sees only a constant.
pub fn picture() -> Picture {
    let (cw, ch) = (WIDTH / 2, HEIGHT / 2);
    let mut bytes = vec![128u8; WIDTH * HEIGHT + 2 * cw * ch];
    let (luma, chroma) = bytes.split_at_mut(WIDTH * HEIGHT);
    for (i, value) in luma.iter_mut().enumerate() {
        let (x, y) = (i % WIDTH, i / WIDTH);
        *value = shade(x, y).saturating_add(noise(i));
    }
    let (u, v) = chroma.split_at_mut(cw * ch);
    for (i, (u, v)) in u.iter_mut().zip(v).enumerate() {
        (*u, *v) = tint(2 * (i % cw), 2 * (i / cw));
    }
    let frame = Frame::from_i420(WIDTH as u32, HEIGHT as u32, bytes);
    Picture::Frame(frame.expect("the bytes were made for this size"))
}

fn is_figure(x: usize, y: usize) -> bool {
    let (dx, dy) = (x.abs_diff(90), y.abs_diff(82));
    let head = dx * dx + dy * dy < 14 * 14;
    head || ((74..106).contains(&x) && (96..150).contains(&y)) || ((78..102).contains(&x) && (150..205).contains(&y))
}

fn is_vehicle(x: usize, y: usize) -> bool {
    ((180..300).contains(&x) && (140..180).contains(&y)) || ((205..275).contains(&x) && (110..140).contains(&y))
}

fn shade(x: usize, y: usize) -> u8 {
    let wheel = [205, 275].iter().any(|cx| x.abs_diff(*cx).pow(2) + y.abs_diff(182).pow(2) < 16 * 16);
    match () {
        () if wheel => 30,
        () if is_figure(x, y) => 60,
        () if is_vehicle(x, y) => 90,
        () if y < 100 => 190,
        () => 120,
    }
}

fn tint(x: usize, y: usize) -> (u8, u8) {
    match () {
        () if is_figure(x, y) => (115, 145),
        () if is_vehicle(x, y) => (105, 175),
        () if y < 100 => (150, 115),
        () => (126, 129),
    }
}

/// 0..16, from a hash of the place (Knuth's multiplicative hashing).
fn noise(i: usize) -> u8 {
    ((i as u32).wrapping_mul(2_654_435_761) >> 28) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sha256_hex;

    #[test]
    fn it_is_the_same_picture_on_every_machine() {
        let Picture::Frame(frame) = picture() else { panic!("the golden picture is a frame") };
        assert_eq!(&sha256_hex(frame.luma().data)[..16], "a5501c3ca5af79f5");
    }
}
