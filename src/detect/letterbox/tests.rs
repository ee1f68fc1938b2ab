//! The letterbox against a naive reference that computes each pixel by itself in double precision.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::vocab::{FrameBytes, Plane};

struct Planes {
    planes: Vec<(Vec<u8>, usize)>,
}

impl FrameBytes for Planes {
    fn plane(&self, index: usize) -> Plane<'_> {
        Plane { data: &self.planes[index].0, stride: self.planes[index].1 }
    }
}

/// Bytes that look random and depend on nothing but their place.
fn noise(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

/// A frame of noise with `gap` bytes behind each row.
fn frame(width: u32, height: u32, format: PixelFormat, gap: usize, seed: u32) -> Frame {
    let (w, h) = (width as usize, height as usize);
    let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
    let sizes = match format {
        PixelFormat::Nv12 => vec![(w, h), (2 * cw, ch)],
        PixelFormat::I420 => vec![(w, h), (cw, ch), (cw, ch)],
    };
    let planes = sizes
        .iter()
        .zip(seed..)
        .map(|(&(row, rows), seed)| {
            let stride = row + gap;
            (noise(stride * (rows - 1) + row, seed), stride)
        })
        .collect();
    Frame::new(width, height, format, Arc::new(Planes { planes }))
}

/// The value at a fractional place of a plane, whose samples are `read(column, row)`.
fn bilinear(x: f64, y: f64, columns: u32, rows: u32, read: impl Fn(usize, usize) -> f64) -> f64 {
    let x = x.clamp(0.0, f64::from(columns - 1));
    let y = y.clamp(0.0, f64::from(rows - 1));
    let (x0, y0) = (x.floor() as usize, y.floor() as usize);
    let (x1, y1) = ((x0 + 1).min(columns as usize - 1), (y0 + 1).min(rows as usize - 1));
    let (fx, fy) = (x.fract(), y.fract());
    let top = read(x0, y0) * (1.0 - fx) + read(x1, y0) * fx;
    let bottom = read(x0, y1) * (1.0 - fx) + read(x1, y1) * fx;
    top * (1.0 - fy) + bottom * fy
}

/// R, G and B of the picture at output place (column, row) of the drawn area.
fn reference_pixel(picture: &Picture, g: &Geometry, column: u32, row: u32) -> [f64; 3] {
    let x = (f64::from(column) + 0.5) * f64::from(picture.width()) / f64::from(g.width) - 0.5;
    let y = (f64::from(row) + 0.5) * f64::from(picture.height()) / f64::from(g.height) - 0.5;
    match picture {
        Picture::Rgb(rgb) => std::array::from_fn(|c| {
            let read = |cx: usize, cy: usize| f64::from(rgb.data()[(cy * rgb.width() as usize + cx) * 3 + c]);
            bilinear(x, y, rgb.width(), rgb.height(), read)
        }),
        Picture::Frame(frame) => {
            let read = |index: usize, step: usize, offset: usize| {
                move |cx: usize, cy: usize| {
                    let plane = frame.plane(index);
                    f64::from(plane.data[cy * plane.stride + cx * step + offset])
                }
            };
            let (cw, ch) = (frame.width.div_ceil(2), frame.height.div_ceil(2));
            // The luma place is clamped before it is halved only through the clamp of the chroma place itself.
            let (cx, cy) = (x / 2.0, y / 2.0 - 0.25);
            let luma = bilinear(x, y, frame.width, frame.height, read(0, 1, 0));
            let (u, v) = match frame.format {
                PixelFormat::Nv12 => (bilinear(cx, cy, cw, ch, read(1, 2, 0)), bilinear(cx, cy, cw, ch, read(1, 2, 1))),
                PixelFormat::I420 => (bilinear(cx, cy, cw, ch, read(1, 1, 0)), bilinear(cx, cy, cw, ch, read(2, 1, 0))),
            };
            to_rgb(frame, luma, u - 128.0, v - 128.0)
        }
    }
}

/// The textbook matrices, written out.
fn to_rgb(frame: &Frame, y: f64, u: f64, v: f64) -> [f64; 3] {
    let y = if frame.full_range { y } else { (y - 16.0) * 1.164_383_56 };
    let (u, v) = if frame.full_range { (u, v) } else { (u * 1.138_392_86, v * 1.138_392_86) };
    let rgb = if frame.bt709 {
        [y + 1.5748 * v, y - 0.187_324 * u - 0.468_124 * v, y + 1.8556 * u]
    } else {
        [y + 1.402 * v, y - 0.344_136 * u - 0.714_136 * v, y + 1.772 * u]
    };
    rgb.map(|value| value.clamp(0.0, 255.0))
}

fn at(tensor_width: u32, tensor_height: u32, layout: Layout, channel: usize, x: u32, y: u32) -> usize {
    let pixel = (y * tensor_width + x) as usize;
    match layout {
        Layout::Nchw => channel * (tensor_width * tensor_height) as usize + pixel,
        Layout::Nhwc => 3 * pixel + channel,
    }
}

fn assert_like_reference(picture: &Picture, size: (u32, u32), layout: Layout, preprocess: Preprocess) {
    let mut letterbox = Letterbox::new(size.0, size.1, layout, preprocess);
    let mut tensor = vec![f32::NAN; letterbox.len()];
    let g = letterbox.draw(picture, &mut tensor).unwrap();
    for y in 0..size.1 {
        for x in 0..size.0 {
            let inside = (g.left..g.left + g.width).contains(&x) && (g.top..g.top + g.height).contains(&y);
            let mut expected = [f64::from(preprocess.fit.padding()); 3];
            if inside {
                expected = reference_pixel(picture, &g, x - g.left, y - g.top);
                if preprocess.order == Order::Bgr {
                    expected.reverse();
                }
            }
            for c in 0..3 {
                let (mean, std) = (f64::from(preprocess.mean[c]), f64::from(preprocess.std[c]));
                let found = f64::from(tensor[at(size.0, size.1, layout, c, x, y)]) * std + mean;
                // Row weights have 8 bits: half a step times the largest contrast, amplified by the colour matrix.
                assert!((found - expected[c]).abs() < 2.5, "({x},{y}) channel {c}: {found}, expected {}", expected[c]);
            }
        }
    }
}

fn plain(fit: Fit, order: Order) -> Preprocess {
    Preprocess { fit, order, mean: [0.0; 3], std: [1.0; 3] }
}

fn any_preprocess() -> impl Strategy<Value = Preprocess> {
    let fit = prop_oneof![Just(Fit::TopLeft(114.0)), Just(Fit::Centre(0.0)), Just(Fit::Stretch)];
    let order = prop_oneof![Just(Order::Rgb), Just(Order::Bgr)];
    let normal = prop_oneof![Just(([0.0; 3], [1.0; 3])), Just(([103.5, 116.3, 123.7], [57.4, 57.1, 58.4]))];
    (fit, order, normal).prop_map(|(fit, order, (mean, std))| Preprocess { fit, order, mean, std })
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let format = prop_oneof![Just(PixelFormat::Nv12), Just(PixelFormat::I420)];
    (1u32..70, 1u32..50, format, 0usize..9, any::<u32>(), any::<bool>(), any::<bool>()).prop_map(
        |(width, height, format, gap, seed, full_range, bt709)| {
            let mut frame = frame(width, height, format, gap, seed % 1000);
            frame.full_range = full_range;
            frame.bt709 = bt709;
            frame
        },
    )
}

fn any_layout() -> impl Strategy<Value = Layout> {
    prop_oneof![Just(Layout::Nchw), Just(Layout::Nhwc)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_frame_comes_out_as_the_reference_draws_it(
        frame in any_frame(), width in 1u32..48, height in 1u32..48, layout in any_layout(), how in any_preprocess(),
    ) {
        assert_like_reference(&Picture::Frame(frame), (width, height), layout, how);
    }

    #[test]
    fn every_photograph_comes_out_as_the_reference_draws_it(
        size in (1u32..60, 1u32..60), seed in 0u32..1000,
        width in 1u32..48, height in 1u32..48, layout in any_layout(), how in any_preprocess(),
    ) {
        let data = noise((size.0 * size.1 * 3) as usize, seed);
        let picture = Picture::Rgb(RgbPicture::new(size.0, size.1, data).unwrap());
        assert_like_reference(&picture, (width, height), layout, how);
    }
}

#[test]
fn a_photograph_of_the_tensors_own_size_is_copied_exactly() {
    let data = noise(6 * 4 * 3, 5);
    let picture = Picture::Rgb(RgbPicture::new(6, 4, data.clone()).unwrap());
    let mut letterbox = Letterbox::new(6, 4, Layout::Nhwc, plain(Fit::Stretch, Order::Rgb));
    let mut tensor = vec![0u8; letterbox.len()];
    letterbox.draw(&picture, &mut tensor).unwrap();
    assert_eq!(tensor, data);
}

#[test]
fn cameras_of_different_shape_take_turns_without_leaving_traces() {
    let wide = Picture::Frame(frame(64, 20, PixelFormat::Nv12, 0, 1));
    let tall = Picture::Frame(frame(20, 64, PixelFormat::I420, 3, 2));
    let how = plain(Fit::TopLeft(114.0), Order::Bgr);
    let alone = |picture: &Picture| {
        let mut letterbox = Letterbox::new(32, 32, Layout::Nchw, how);
        let mut tensor = vec![0f32; letterbox.len()];
        letterbox.draw(picture, &mut tensor).unwrap();
        tensor
    };
    let mut shared = Letterbox::new(32, 32, Layout::Nchw, how);
    let mut tensor = vec![0f32; shared.len()];
    for picture in [&wide, &tall, &wide, &wide, &tall] {
        shared.draw(picture, &mut tensor).unwrap();
        assert_eq!(tensor, alone(picture));
    }
}

#[test]
fn more_camera_sizes_than_plans_are_kept_still_come_out_right() {
    let mut letterbox = Letterbox::new(16, 16, Layout::Nchw, plain(Fit::Stretch, Order::Rgb));
    let mut tensor = vec![0f32; letterbox.len()];
    for width in (8..60).chain(8..60) {
        letterbox.draw_frame(&frame(width, 9, PixelFormat::I420, 0, width), &mut tensor).unwrap();
        assert!(letterbox.plans.len() <= MAX_PLANS);
    }
}

#[test]
fn an_impossible_frame_is_an_error() {
    let planes = vec![(vec![0; 10], 8), (vec![0; 10], 8)];
    let frame = Frame::new(8, 8, PixelFormat::Nv12, Arc::new(Planes { planes }));
    let mut letterbox = Letterbox::new(16, 16, Layout::Nchw, plain(Fit::Stretch, Order::Rgb));
    let mut tensor = vec![0f32; letterbox.len()];
    assert!(matches!(letterbox.draw_frame(&frame, &mut tensor), Err(PictureError::Plane { plane: 0, .. })));
}
