//! All that stands still: sky, houses, trees, pavements and road. Painted once, at twice the size.

use super::paint::{Bounds, Rgb, Tile, mix, shade};
use super::view::{FAR_KERB, HOUSES, NEAR_KERB, View};

/// The sample of a lattice of random values at `(x, y)`, smoothly between its points; 0..1.
fn cloud(x: f32, y: f32, seed: u32) -> f32 {
    let (cx, cy) = (x.floor(), y.floor());
    let (fx, fy) = (x - cx, y - cy);
    let (sx, sy) = (fx * fx * (3.0 - 2.0 * fx), fy * fy * (3.0 - 2.0 * fy));
    let (cx, cy) = (cx as i32, cy as i32);
    let row = |y: i32| chance(cx, y, seed) + (chance(cx + 1, y, seed) - chance(cx, y, seed)) * sx;
    row(cy) + (row(cy + 1) - row(cy)) * sy
}

/// A random value of the place `(x, y)`; 0..1.
fn chance(x: i32, y: i32, seed: u32) -> f32 {
    let mut h = (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77) ^ seed;
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    ((h ^ (h >> 15)) >> 8) as f32 / 16_777_216.0
}

struct House {
    from: f32,
    to: f32,
    tall: f32,
    wall: Rgb,
    brick: bool,
    awning: Rgb,
}

const HOUSES_ALONG: [House; 5] = [
    House { from: -18.0, to: -8.6, tall: 11.0, wall: [148.0, 92.0, 74.0], brick: true, awning: [58.0, 84.0, 66.0] },
    House { from: -8.6, to: -2.4, tall: 6.3, wall: [206.0, 196.0, 172.0], brick: false, awning: [150.0, 52.0, 44.0] },
    House { from: 2.9, to: 8.4, tall: 6.9, wall: [156.0, 166.0, 170.0], brick: false, awning: [46.0, 66.0, 96.0] },
    House { from: 8.4, to: 13.2, tall: 11.0, wall: [128.0, 80.0, 64.0], brick: true, awning: [176.0, 148.0, 84.0] },
    House { from: 13.2, to: 20.0, tall: 5.6, wall: [188.0, 180.0, 168.0], brick: false, awning: [70.0, 70.0, 74.0] },
];

/// Paints everything on a tile of the view's size.
pub fn paint(view: View, seed: u32) -> Tile {
    let whole = Bounds::new(0.0, 0.0, view.width, view.height);
    let mut tile = Tile::new(whole, view.width as u32, view.height as u32);
    paint_sky(&mut tile, view, seed);
    paint_skyline(&mut tile, view, seed);
    for house in &HOUSES_ALONG {
        paint_house(&mut tile, view, house, seed);
    }
    paint_ground(&mut tile, view, seed);
    paint_markings(&mut tile, view, seed);
    paint_furniture(&mut tile, view);
    paint_tree(&mut tile, view, -1.1, seed ^ 0x51);
    paint_tree(&mut tile, view, 10.4, seed ^ 0x77);
    tile
}

fn rectangle(view: View, x: (f32, f32), line: f32, up: (f32, f32)) -> Bounds {
    let (left, bottom) = view.at(x.0, line, up.0);
    let (right, top) = view.at(x.1, line, up.1);
    Bounds::new(left, top, right, bottom)
}

fn paint_sky(tile: &mut Tile, view: View, seed: u32) {
    let sky = Bounds::new(0.0, 0.0, view.width, view.height * HOUSES);
    let unit = 1.0 / view.height;
    tile.fill(
        sky,
        1.0,
        1.0,
        |_, _| -1.0,
        |x, y| {
            let (x, y) = (x * unit, y * unit);
            let veil = cloud(x * 4.0, y * 11.0, seed) * 0.6 + cloud(x * 11.0, y * 27.0, seed ^ 9) * 0.4;
            let blue = mix([138.0, 172.0, 208.0], [206.0, 216.0, 224.0], (y * 3.2).min(1.0));
            mix(blue, [238.0, 240.0, 242.0], ((veil - 0.42) * 2.2).clamp(0.0, 0.8))
        },
    );
}

/// What is seen through the gap between the houses: roofs far away and a hedge.
fn paint_skyline(tile: &mut Tile, view: View, seed: u32) {
    for i in 0..9 {
        let x = -3.6 + i as f32 * 0.85;
        let tall = 2.6 + chance(i, 3, seed) * 1.6;
        let grey = 150.0 + chance(i, 5, seed) * 34.0;
        let roof = rectangle(view, (x, x + 0.9), HOUSES, (0.0, tall));
        tile.block(roof, [grey, grey + 4.0, grey + 10.0]);
    }
    let hedge = rectangle(view, (-2.4, 2.9), HOUSES, (0.0, 1.5));
    tile.fill(
        hedge,
        1.0,
        1.0,
        |_, y| hedge.y1 - y,
        |x, y| {
            let leaf = cloud(x * 0.16, y * 0.2, seed ^ 31) * 0.6 + cloud(x * 0.5, y * 0.5, seed ^ 33) * 0.4;
            shade(
                mix([44.0, 64.0, 36.0], [96.0, 118.0, 62.0], leaf),
                1.1 - 0.4 * (y - hedge.y1) / (hedge.y2 - hedge.y1),
            )
        },
    );
    let wall = rectangle(view, (-2.4, 2.9), HOUSES, (0.0, 0.55));
    tile.block(wall, [132.0, 126.0, 118.0]);
}

fn paint_house(tile: &mut Tile, view: View, house: &House, seed: u32) {
    let front = rectangle(view, (house.from, house.to), HOUSES, (0.0, house.tall));
    let s = view.scale(HOUSES);
    let inside = |x: f32, y: f32| (front.x1 - x).max(x - front.x2).max(front.y1 - y).max(y - front.y2);
    tile.fill(front, 1.0, 1.0, inside, |x, y| {
        let (mx, my) = ((x - front.x1) / s, (front.y2 - y) / s);
        let stain = cloud(mx * 0.7, my * 0.5, seed ^ 41) * 0.16 + cloud(mx * 6.0, my * 6.0, seed ^ 43) * 0.05;
        let course = (my / 0.14).floor();
        let joint = my / 0.14 - course < 0.14;
        let tone = if house.brick {
            let stone = chance((mx / 0.3 + course * 0.5).floor() as i32, course as i32, seed) * 0.12;
            if joint { 0.98 } else { 0.88 + stone }
        } else {
            0.96
        };
        shade(house.wall, tone + 0.1 - stain)
    });
    let cornice = rectangle(view, (house.from - 0.1, house.to + 0.1), HOUSES, (house.tall - 0.35, house.tall));
    tile.block(cornice, shade(house.wall, 0.82));
    let floors = ((house.tall - 3.4) / 2.9).floor().max(1.0) as i32;
    let across = ((house.to - house.from) / 1.9).floor().max(1.0);
    let pitch = (house.to - house.from) / across;
    for floor in 0..floors {
        for i in 0..across as i32 {
            let middle = house.from + (i as f32 + 0.5) * pitch;
            paint_window(
                tile,
                view,
                (middle, 3.55 + floor as f32 * 2.9),
                chance(i, floor, seed ^ house.from.to_bits()),
            );
        }
    }
    paint_shop(tile, view, house);
}

fn paint_window(tile: &mut Tile, view: View, (x, up): (f32, f32), luck: f32) {
    let frame = rectangle(view, (x - 0.52, x + 0.52), HOUSES, (up, up + 1.55));
    let sill = rectangle(view, (x - 0.62, x + 0.62), HOUSES, (up - 0.12, up));
    tile.block(frame, [226.0, 224.0, 216.0]);
    let glass = rectangle(view, (x - 0.44, x + 0.44), HOUSES, (up + 0.08, up + 1.47));
    let tall = glass.y2 - glass.y1;
    tile.fill(
        glass,
        1.0,
        1.0,
        |x, y| (glass.x1 - x).max(x - glass.x2).max(glass.y1 - y).max(y - glass.y2),
        |px, y| {
            let t = (y - glass.y1) / tall + (px - glass.x1) / tall * 0.4;
            mix([128.0, 148.0, 166.0], [42.0, 50.0, 60.0], (t * 0.9).clamp(0.0, 1.0))
        },
    );
    if luck > 0.55 {
        let curtain = rectangle(view, (x - 0.44, x - 0.18), HOUSES, (up + 0.08, up + 1.47));
        tile.panel(curtain, [216.0, 208.0, 190.0], 0.6);
    }
    let bar = rectangle(view, (x - 0.03, x + 0.03), HOUSES, (up + 0.08, up + 1.47));
    tile.block(bar, [226.0, 224.0, 216.0]);
    let across = rectangle(view, (x - 0.44, x + 0.44), HOUSES, (up + 0.95, up + 1.0));
    tile.block(across, [226.0, 224.0, 216.0]);
    tile.block(sill, [176.0, 170.0, 160.0]);
}

/// The ground floor: a shop window beside a door, under an awning.
fn paint_shop(tile: &mut Tile, view: View, house: &House) {
    let (from, to) = (house.from + 0.5, house.to - 0.5);
    let door = from + (to - from) * 0.68;
    for (x1, x2) in [(from, door - 0.25), (door + 1.15, to)].into_iter().filter(|(a, b)| b - a > 0.8) {
        tile.block(rectangle(view, (x1, x2), HOUSES, (0.42, 2.45)), shade(house.awning, 0.7));
        let glass = rectangle(view, (x1 + 0.08, x2 - 0.08), HOUSES, (0.5, 2.37));
        let wide = (glass.x2 - glass.x1).max(1.0);
        tile.fill(
            glass,
            1.0,
            1.0,
            |x, y| (glass.x1 - x).max(x - glass.x2).max(glass.y1 - y).max(y - glass.y2),
            |x, y| {
                let slant = (x - glass.x1) / wide + (y - glass.y1) / wide * 0.6;
                let gleam = if (slant * 3.0 - (slant * 3.0).floor()) < 0.22 { 26.0 } else { 0.0 };
                let dark = mix(
                    [104.0, 112.0, 116.0],
                    [46.0, 46.0, 48.0],
                    ((y - glass.y1) / (glass.y2 - glass.y1)).clamp(0.0, 1.0),
                );
                dark.map(|c| c + gleam)
            },
        );
    }
    tile.block(rectangle(view, (door, door + 0.95), HOUSES, (0.0, 2.3)), [66.0, 54.0, 46.0]);
    tile.block(rectangle(view, (door + 0.14, door + 0.81), HOUSES, (0.95, 2.1)), [84.0, 98.0, 106.0]);
    let sign = rectangle(view, (from - 0.1, to + 0.1), HOUSES, (2.55, 3.05));
    tile.block(sign, shade(house.awning, 0.85));
    let stripes = (to - from) / 0.42;
    let cloth = rectangle(view, (from - 0.15, to + 0.15), HOUSES, (2.28, 2.62));
    let wide = cloth.x2 - cloth.x1;
    tile.fill(
        cloth,
        1.0,
        1.0,
        |x, y| (cloth.x1 - x).max(x - cloth.x2).max(cloth.y1 - y).max(y - cloth.y2),
        |x, y| {
            let stripe = ((x - cloth.x1) / wide * stripes).floor() as i32 % 2 == 0;
            let colour = if stripe { house.awning } else { [222.0, 216.0, 202.0] };
            shade(colour, 1.05 - 0.35 * (y - cloth.y1) / (cloth.y2 - cloth.y1))
        },
    );
}

fn paint_ground(tile: &mut Tile, view: View, seed: u32) {
    let (h, middle) = (view.height, view.width * 0.5);
    let band = |from: f32, to: f32| Bounds::new(0.0, from * h, view.width, to * h);
    let slabs = |base: Rgb| {
        move |x: f32, y: f32| {
            let s = view.scale(y / h);
            let (mx, depth) = ((x - middle) / s, view.depth(y) * 9.0);
            let row = depth.floor();
            let column = mx / 0.9 + row * 0.5;
            let (edge_x, edge_y) = (column - column.floor(), depth - row);
            let joint = (edge_x < 0.025) | (edge_y < 0.05);
            let stone = chance(column.floor() as i32, row as i32, seed) * 0.09;
            let grain = cloud(mx * 9.0, depth * 12.0, seed ^ 7) * 0.07 + cloud(mx * 1.1, depth * 0.8, seed ^ 8) * 0.10;
            shade(base, if joint { 0.80 } else { 0.92 + stone + grain - 0.08 })
        }
    };
    let level = |b: Bounds| move |_: f32, y: f32| (b.y1 - y).max(y - b.y2);
    let far = band(HOUSES, FAR_KERB);
    tile.fill(far, 1.0, 1.0, level(far), slabs([158.0, 152.0, 144.0]));
    let foot = band(HOUSES, HOUSES + 0.022);
    tile.panel(foot, [40.0, 38.0, 38.0], 0.30);
    let road = band(FAR_KERB, NEAR_KERB);
    tile.fill(road, 1.0, 1.0, level(road), |x, y| {
        let (mx, depth) = ((x - middle) / view.scale(y / h), view.depth(y) * 9.0);
        let grain = cloud(mx * 26.0, depth * 30.0, seed ^ 17) * 0.16 + cloud(mx * 0.5, depth * 1.3, seed ^ 19) * 0.14;
        let worn = cloud(mx * 0.16, depth * 2.6, seed ^ 23) * 0.08;
        shade([92.0, 93.0, 97.0], 0.82 + grain + worn)
    });
    let near = band(NEAR_KERB, 1.0);
    tile.fill(near, 1.0, 1.0, level(near), slabs([166.0, 159.0, 150.0]));
    for (kerb, lip, tone) in [(FAR_KERB, 0.010, 0.62), (NEAR_KERB, -0.016, 1.12)] {
        let stone = band(kerb.min(kerb + lip), kerb.max(kerb + lip));
        tile.fill(stone, 1.0, 1.0, level(stone), |x, y| {
            let mx = (x - middle) / view.scale(y / h) / 1.1;
            shade([158.0, 156.0, 152.0], if mx - mx.floor() < 0.02 { tone * 0.75 } else { tone })
        });
    }
    let gutter = band(NEAR_KERB - 0.030, NEAR_KERB - 0.016);
    tile.panel(gutter, [36.0, 36.0, 38.0], 0.45);
}

fn paint_markings(tile: &mut Tile, view: View, seed: u32) {
    let h = view.height;
    let worn = |x: f32, y: f32| 0.86 + 0.14 * cloud(x * 0.2, y * 0.3, seed ^ 71);
    let mut stripe = |x: (f32, f32), lines: (f32, f32)| {
        let corners = [
            view.at(x.0, lines.0, 0.0),
            view.at(x.1, lines.0, 0.0),
            view.at(x.1, lines.1, 0.0),
            view.at(x.0, lines.1, 0.0),
        ];
        let bounds = Bounds::around(&corners, 0.0);
        let (top, bottom) = (lines.0 * h, lines.1 * h);
        let shape = move |px: f32, py: f32| {
            let s = view.scale(py / h).max(1.0);
            let mx = (px - view.width * 0.5) / s;
            (top - py).max(py - bottom).max((x.0 - mx) * s).max((mx - x.1) * s)
        };
        tile.fill(bounds, 1.0, 0.88, shape, |px, py| shade([214.0, 214.0, 208.0], worn(px, py)));
    };
    // Not across the zebra crossing.
    for i in [-6, -5, -4, -3, 0, 1, 2, 3, 4, 5] {
        let x = i as f32 * 2.4 - 0.9;
        stripe((x, x + 1.3), (0.647, 0.655));
    }
    // The zebra crossing, towards the left.
    for i in 0..5 {
        let x = -4.3 + i as f32 * 0.62;
        stripe((x, x + 0.34), (FAR_KERB + 0.018, NEAR_KERB - 0.034));
    }
}

/// A lamp post, bollards and a litter bin on the far pavement.
fn paint_furniture(tile: &mut Tile, view: View) {
    let line = 0.475;
    let (foot, top) = (view.at(7.2, line, 0.0), view.at(7.2, line, 5.4));
    let s = view.scale(line);
    tile.limb(foot, 0.075 * s, top, 0.045 * s, [70.0, 74.0, 78.0]);
    tile.limb(top, 0.045 * s, (top.0 - 0.9 * s, top.1 - 0.1 * s), 0.035 * s, [70.0, 74.0, 78.0]);
    tile.ball((top.0 - 1.0 * s, top.1 - 0.06 * s), 0.22 * s, 0.08 * s, [196.0, 198.0, 200.0]);
    let bin =
        [view.at(-7.6, line, 0.0), view.at(-7.2, line, 0.0), view.at(-7.15, line, 0.85), view.at(-7.65, line, 0.85)];
    tile.shape(&bin, 0.02 * s, [74.0, 88.0, 76.0], [44.0, 54.0, 46.0]);
    for i in 0..4 {
        let x = 1.2 + i as f32 * 1.5;
        let (a, b) = (view.at(x, FAR_KERB - 0.006, 0.0), view.at(x, FAR_KERB - 0.006, 0.85));
        let s = view.scale(FAR_KERB);
        tile.limb(a, 0.06 * s, b, 0.055 * s, [58.0, 60.0, 64.0]);
        tile.limb((b.0, b.1 + 0.16 * s), 0.062 * s, (b.0, b.1 + 0.20 * s), 0.062 * s, [210.0, 208.0, 200.0]);
    }
}

fn paint_tree(tile: &mut Tile, view: View, x: f32, seed: u32) {
    let line = 0.468;
    let s = view.scale(line);
    let (foot, fork) = (view.at(x, line, 0.0), view.at(x + 0.1, line, 2.6));
    tile.spot((foot.0 + 0.5 * s, foot.1), 1.1 * s, 0.10 * s, [20.0, 20.0, 22.0], 0.3 * s, 0.4);
    tile.limb(foot, 0.17 * s, fork, 0.11 * s, [92.0, 78.0, 64.0]);
    tile.limb(fork, 0.09 * s, (fork.0 - 0.7 * s, fork.1 - 0.8 * s), 0.05 * s, [86.0, 72.0, 60.0]);
    tile.limb(fork, 0.09 * s, (fork.0 + 0.7 * s, fork.1 - 0.9 * s), 0.05 * s, [80.0, 68.0, 56.0]);
    for i in 0..420 {
        let (a, b, c) = (chance(i, 1, seed) - 0.5, chance(i, 2, seed) - 0.5, chance(i, 3, seed));
        if a * a + b * b > 0.25 {
            continue;
        }
        let at = (fork.0 + a * 4.0 * s, fork.1 - 1.15 * s + b * 2.9 * s);
        // Leaves to the upper left are in the sun.
        let light = (0.62 - 0.45 * (a * 0.6 + b) + 0.22 * c).clamp(0.35, 1.25);
        tile.spot(at, (0.14 + 0.16 * c) * s, (0.10 + 0.11 * c) * s, shade([98.0, 128.0, 58.0], light), 1.0, 0.9);
    }
}
