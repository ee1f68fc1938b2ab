//! Vehicles, seen from the side: cars and vans.

use super::paint::{Bounds, Px, Rgb, Tile, cosine, mix, shade, sine};

/// The two kinds of bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// A hatchback of 4.3 m.
    Car,
    /// A delivery van of 5.2 m.
    Van,
}

impl Body {
    /// Metres from bumper to bumper.
    pub fn length(self) -> f32 {
        match self {
            Self::Car => 4.3,
            Self::Van => 5.2,
        }
    }

    /// Metres from the ground to the roof.
    pub fn height(self) -> f32 {
        match self {
            Self::Car => 1.48,
            Self::Van => 2.15,
        }
    }

    /// From the rear bumper along the lower edge, then back over the roof: metres forward and up.
    fn outline(self) -> &'static [(f32, f32)] {
        match self {
            Self::Car => &[
                (0.14, 0.30),
                (4.12, 0.28),
                (4.24, 0.42),
                (4.22, 0.66),
                (4.06, 0.82),
                (3.25, 0.95),
                (2.62, 1.36),
                (2.30, 1.42),
                (1.30, 1.42),
                (0.86, 1.36),
                (0.40, 0.98),
                (0.12, 0.90),
                (0.06, 0.55),
            ],
            Self::Van => &[
                (0.10, 0.34),
                (5.00, 0.32),
                (5.12, 0.50),
                (5.10, 0.88),
                (4.92, 1.08),
                (4.42, 1.22),
                (3.92, 1.90),
                (3.62, 2.05),
                (0.26, 2.08),
                (0.10, 1.98),
                (0.06, 0.60),
            ],
        }
    }

    /// The panes, each as metres forward and up.
    fn panes(self) -> &'static [&'static [(f32, f32)]] {
        match self {
            Self::Car => &[
                &[(0.70, 0.98), (0.98, 1.32), (1.30, 1.35), (1.42, 1.35), (1.42, 0.98)],
                &[(1.50, 0.98), (1.50, 1.35), (2.24, 1.35), (2.50, 1.30), (2.94, 0.98)],
            ],
            Self::Van => &[&[(3.34, 1.24), (3.34, 1.86), (3.78, 1.86), (4.20, 1.24)]],
        }
    }

    fn wheels(self) -> [f32; 2] {
        match self {
            Self::Car => [0.84, 3.42],
            Self::Van => [0.98, 4.22],
        }
    }

    fn doors(self) -> &'static [f32] {
        match self {
            Self::Car => &[1.46, 2.62],
            Self::Van => &[1.65, 3.26],
        }
    }
}

/// A vehicle in one picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vehicle {
    /// Its kind.
    pub body: Body,
    /// Its paint.
    pub colour: Rgb,
    /// The middle of its wheels' contact with the road, in pixels.
    pub foot: Px,
    /// Pixels to the metre there.
    pub scale: f32,
    /// 1 to the right, -1 to the left.
    pub facing: f32,
    /// Metres driven, which turns the wheels.
    pub driven: f32,
    /// Whether its lights are on.
    pub lights: bool,
}

const GLASS_TOP: Rgb = [96.0, 112.0, 126.0];
const GLASS_BOTTOM: Rgb = [36.0, 44.0, 52.0];

impl Vehicle {
    /// Everything that [`draw`](Self::draw) may touch, shadow included.
    pub fn bounds(&self) -> Bounds {
        let (half, s) = (self.body.length() * 0.5 * self.scale, self.scale);
        let (x, y) = self.foot;
        Bounds::new(x - half * 1.3, y - (self.body.height() + 0.1) * s, x + half * 1.3 + 0.3 * s, y + 0.3 * s)
    }

    /// The soft shadow under and beside it.
    pub fn shadow(&self, tile: &mut Tile) {
        let (half, s) = (self.body.length() * 0.5 * self.scale, self.scale);
        let (x, y) = self.foot;
        tile.spot((x + 0.16 * s, y - 0.02 * s), half * 1.02, 0.16 * s, [12.0, 13.0, 17.0], 0.07 * s + 1.0, 0.62);
    }

    /// Draws the vehicle.
    pub fn draw(&self, tile: &mut Tile) {
        let s = self.scale;
        let sill: Vec<Px> =
            [(0.3, 0.22), (self.body.length() - 0.35, 0.22), (self.body.length() - 0.4, 0.5), (0.4, 0.5)]
                .iter()
                .map(|&p| self.at(p))
                .collect();
        tile.shape(&sill, 0.0, [22.0; 3], [16.0; 3]);
        let outline: Vec<Px> = self.body.outline().iter().map(|&p| self.at(p)).collect();
        tile.shape(&outline, 0.055 * s, mix(self.colour, [255.0; 3], 0.22), shade(self.colour, 0.62));
        self.draw_sides(tile);
        for pane in self.body.panes() {
            let corners: Vec<Px> = pane.iter().map(|&p| self.at(p)).collect();
            tile.shape(&corners, 0.02 * s, GLASS_TOP, GLASS_BOTTOM);
        }
        self.draw_driver(tile);
        for wheel in self.body.wheels() {
            self.draw_wheel(tile, wheel);
        }
        self.draw_lights(tile);
    }

    /// A place on the vehicle, in metres forward of the rear bumper and up from the road.
    fn at(&self, (ahead, up): (f32, f32)) -> Px {
        let from_middle = (ahead - self.body.length() * 0.5) * self.facing;
        (self.foot.0 + from_middle * self.scale, self.foot.1 - up * self.scale)
    }

    /// The shoulder line, the gaps of the doors and their handles, and the rubbing strip.
    fn draw_sides(&self, tile: &mut Tile) {
        let (s, length) = (self.scale, self.body.length());
        let thin = (0.012 * s).max(0.35);
        let line = if self.body == Body::Car { 0.90 } else { 1.14 };
        tile.limb(
            self.at((0.2, line)),
            thin,
            self.at((length - 0.6, line - 0.06)),
            thin,
            mix(self.colour, [255.0; 3], 0.35),
        );
        tile.limb(self.at((0.2, 0.42)), thin * 2.0, self.at((length - 0.2, 0.42)), thin * 2.0, [40.0, 40.0, 44.0]);
        for &door in self.body.doors() {
            tile.limb(self.at((door, 0.42)), thin, self.at((door, line)), thin, shade(self.colour, 0.45));
            tile.limb(
                self.at((door - 0.26, line - 0.08)),
                thin * 1.4,
                self.at((door - 0.12, line - 0.08)),
                thin * 1.4,
                [30.0; 3],
            );
        }
        if self.body == Body::Van {
            let (a, b) = (self.at((0.5, 1.62)), self.at((2.9, 1.38)));
            let strip = Bounds::new(a.0.min(b.0), a.1, a.0.max(b.0), b.1);
            tile.panel(strip, shade(self.colour, 0.55), 0.5);
        }
    }

    fn draw_driver(&self, tile: &mut Tile) {
        let (s, seat) = (self.scale, if self.body == Body::Car { (2.05, 1.12) } else { (3.62, 1.46) });
        let head = self.at(seat);
        tile.spot((head.0, head.1 + 0.17 * s), 0.17 * s, 0.10 * s, [24.0, 26.0, 30.0], 1.5, 0.8);
        tile.spot(head, 0.085 * s, 0.11 * s, [70.0, 56.0, 48.0], 1.5, 0.85);
    }

    fn draw_wheel(&self, tile: &mut Tile, ahead: f32) {
        let s = self.scale;
        let hub = self.at((ahead, 0.315));
        tile.spot((hub.0, hub.1 - 0.02 * s), 0.39 * s, 0.39 * s, [18.0; 3], 1.0, 1.0);
        tile.spot(hub, 0.315 * s, 0.315 * s, [32.0, 32.0, 34.0], 1.0, 1.0);
        tile.spot(hub, 0.205 * s, 0.205 * s, [158.0, 160.0, 165.0], 1.0, 1.0);
        for spoke in 0..5 {
            let turn = self.driven * self.facing / 1.98 + spoke as f32 / 5.0;
            let hole = (hub.0 + cosine(turn) * 0.125 * s, hub.1 + sine(turn) * 0.125 * s);
            tile.spot(hole, 0.052 * s, 0.052 * s, [48.0, 48.0, 52.0], 1.0, 0.9);
        }
        tile.spot(hub, 0.04 * s, 0.04 * s, [90.0, 92.0, 96.0], 1.0, 1.0);
    }

    fn draw_lights(&self, tile: &mut Tile) {
        let (s, length) = (self.scale, self.body.length());
        let up = if self.body == Body::Car { 0.70 } else { 0.80 };
        let (front, rear) = (self.at((length - 0.16, up)), self.at((0.10, up + 0.10)));
        let lamp = if self.lights { [255.0, 250.0, 225.0] } else { [205.0, 210.0, 215.0] };
        tile.spot(front, 0.13 * s, 0.075 * s, lamp, 1.0, 0.95);
        tile.spot(rear, 0.055 * s, 0.12 * s, [188.0, 26.0, 24.0], 1.0, 0.95);
        if self.lights {
            tile.spot(front, 0.26 * s, 0.18 * s, [255.0, 246.0, 214.0], 0.3 * s, 0.35);
        }
    }
}
