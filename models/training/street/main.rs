//! Writes pictures of the rendered street as PPM files, and what is on them as lines of `file class x1 y1 x2 y2`.
//!
//! `street-pictures FOLDER FIRST_SEED SEEDS PICTURES_PER_SEED`

#![allow(dead_code)]

#[path = "../../../src/decode/street/mod.rs"]
mod street;

/// What the street needs of the product's vocabulary.
mod vocab {
    #[derive(Debug, Clone, Copy, PartialEq)]
    pub struct Rect {
        pub x1: f32,
        pub y1: f32,
        pub x2: f32,
        pub y2: f32,
    }

    impl Rect {
        pub fn new(x1: f32, y1: f32, x2: f32, y2: f32) -> Self {
            Self { x1, y1, x2, y2 }
        }
    }
}

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use street::{Kind, Street};

const SIZES: [(u32, u32); 3] = [(640, 360), (768, 432), (640, 480)];

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let folder = PathBuf::from(&arguments[1]);
    let number = |index: usize| arguments[index].parse::<u64>().expect("a number");
    let (first, seeds, pictures) = (number(2), number(3), number(4));
    fs::create_dir_all(&folder)?;
    let mut truth = fs::File::create(folder.join("truth.txt"))?;
    let mut bytes = Vec::new();
    for seed in first..first + seeds {
        let (width, height) = SIZES[(seed % SIZES.len() as u64) as usize];
        let street = Street::new(seed, width, height, 10.0);
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..pictures {
            let index = random.u64(0..600);
            street.draw(index, &mut bytes);
            let name = format!("{seed:04}-{index:03}.ppm");
            let mut file = fs::File::create(folder.join(&name))?;
            write!(file, "P6\n{width} {height}\n255\n")?;
            file.write_all(&rgb(&bytes, width as usize, height as usize))?;
            writeln!(truth, "{name}")?;
            for actor in street.truth(index) {
                let class = match actor.kind {
                    Kind::Person => 0,
                    Kind::Vehicle => 1,
                    Kind::Bag => continue,
                };
                let b = actor.bbox;
                writeln!(truth, "{name} {class} {} {} {} {}", b.x1, b.y1, b.x2, b.y2)?;
            }
        }
    }
    Ok(())
}

/// Packed I420 in limited range BT.601 as RGB.
fn rgb(i420: &[u8], width: usize, height: usize) -> Vec<u8> {
    let half = width.div_ceil(2);
    let (luma, chroma) = i420.split_at(width * height);
    let (blue, red) = chroma.split_at(half * height.div_ceil(2));
    let mut out = Vec::with_capacity(width * height * 3);
    for row in 0..height {
        for column in 0..width {
            let at = (row / 2) * half + column / 2;
            let y = 1.164 * (f32::from(luma[row * width + column]) - 16.0);
            let (u, v) = (f32::from(blue[at]) - 128.0, f32::from(red[at]) - 128.0);
            for value in [y + 1.596 * v, y - 0.392 * u - 0.813 * v, y + 2.017 * u] {
                out.push(value.round().clamp(0.0, 255.0) as u8);
            }
        }
    }
    out
}
