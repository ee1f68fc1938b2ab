//! How much processor time the letterbox takes: the aim is at most 1 ms from 1080p to a 416 tensor.

mod support;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use support::CpuTime;
use vedette::detect::letterbox::{Fit, Layout, Letterbox, Order, Preprocess};
use vedette::vocab::{Frame, FrameBytes, PixelFormat, Plane};

/// A frame as decoders give it: rows padded to 64 bytes.
struct Padded {
    planes: Vec<(Vec<u8>, usize)>,
}

impl FrameBytes for Padded {
    fn plane(&self, index: usize) -> Plane<'_> {
        Plane { data: &self.planes[index].0, stride: self.planes[index].1 }
    }
}

fn frame(width: u32, height: u32, format: PixelFormat) -> Frame {
    let plane = |row: u32, rows: u32| {
        let stride = row.next_multiple_of(64) as usize;
        let bytes = (0..stride * rows as usize).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        (bytes, stride)
    };
    let (cw, ch) = (width.div_ceil(2), height.div_ceil(2));
    let planes = match format {
        PixelFormat::Nv12 => vec![plane(width, height), plane(2 * cw, ch)],
        PixelFormat::I420 => vec![plane(width, height), plane(cw, ch), plane(cw, ch)],
    };
    Frame::new(width, height, format, Arc::new(Padded { planes }))
}

fn letterbox(c: &mut Criterion<CpuTime>) {
    let yolox = Preprocess { fit: Fit::TopLeft(114.0), order: Order::Bgr, mean: [0.0; 3], std: [1.0; 3] };
    for (width, height) in [(1920, 1080), (768, 432)] {
        for format in [PixelFormat::I420, PixelFormat::Nv12] {
            let frame = frame(width, height, format);
            let mut letterbox = Letterbox::new(416, 416, Layout::Nchw, yolox);
            let mut tensor = vec![0f32; letterbox.len()];
            c.bench_function(&format!("{width}x{height} {format:?} to 416 f32 NCHW"), |b| {
                b.iter(|| letterbox.draw_frame(black_box(&frame), &mut tensor).expect("the frame is sound"));
            });
        }
    }
    let frame = frame(1920, 1080, PixelFormat::Nv12);
    let mut letterbox = Letterbox::new(416, 416, Layout::Nhwc, yolox);
    let mut tensor = vec![0u8; letterbox.len()];
    c.bench_function("1920x1080 Nv12 to 416 u8 NHWC", |b| {
        b.iter(|| letterbox.draw_frame(black_box(&frame), &mut tensor).expect("the frame is sound"));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = letterbox
}
criterion_main!(benches);
