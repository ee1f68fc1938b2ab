//! A person: an articulated figure that walks or stands.

use super::paint::{Bounds, Px, Rgb, Tile, cosine, shade, sine};

/// What does not change about a person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Looks {
    /// Metres.
    pub height: f32,
    /// Jacket and sleeves.
    pub jacket: Rgb,
    /// Trousers.
    pub trousers: Rgb,
    /// Shoes.
    pub shoes: Rgb,
    /// Face and hands.
    pub skin: Rgb,
    /// Hair.
    pub hair: Rgb,
    /// Whether it falls to the shoulders.
    pub long_hair: bool,
}

/// What does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    /// Where the feet are, in pixels.
    pub foot: Px,
    /// Pixels to the metre there.
    pub scale: f32,
    /// Where the person looks: -1 left, 1 right, 0 towards the camera.
    pub facing: f32,
    /// Strides done since the start, of two steps each.
    pub stride: f32,
    /// 0 standing to 1 walking.
    pub walking: f32,
    /// 0 upright to 1 bent down to the ground.
    pub bent: f32,
    /// Whether a bag hangs from the near hand.
    pub carries: bool,
}

/// The colour of the bag, carried or left.
pub const BAG: Rgb = [176.0, 44.0, 52.0];

/// Everything that [`draw`] may touch, shadow included.
pub fn bounds(looks: &Looks, pose: &Pose) -> Bounds {
    let tall = looks.height * pose.scale;
    let (x, y) = pose.foot;
    Bounds::new(x - 0.45 * tall, y - 1.06 * tall, x + 0.72 * tall, y + 0.08 * tall)
}

/// The soft shadow on the ground.
pub fn shadow(tile: &mut Tile, looks: &Looks, pose: &Pose) {
    let tall = looks.height * pose.scale;
    let (x, y) = pose.foot;
    tile.spot((x + 0.20 * tall, y), 0.28 * tall, 0.034 * tall, [14.0, 15.0, 20.0], 0.04 * tall + 1.0, 0.42);
    tile.spot((x, y), 0.12 * tall, 0.028 * tall, [10.0, 10.0, 14.0], 0.03 * tall + 1.0, 0.5);
}

/// One leg or arm, from its joint: two angles, in turns forward from straight down.
struct Bend {
    upper: f32,
    lower: f32,
}

struct Figure<'a> {
    tile: &'a mut Tile,
    looks: &'a Looks,
    pose: &'a Pose,
    tall: f32,
    /// Forward on the screen: -1 or 1, towards 0 for somebody who faces the camera.
    forward: f32,
}

/// Draws the figure.
pub fn draw(tile: &mut Tile, looks: &Looks, pose: &Pose) {
    let tall = looks.height * pose.scale;
    Figure { tile, looks, pose, tall, forward: pose.facing }.draw()
}

impl Figure<'_> {
    fn draw(&mut self) {
        let (near, far) = (self.leg(self.pose.stride), self.leg(self.pose.stride + 0.5));
        let reach = |leg: &Bend| 0.245 * cosine(leg.upper) + 0.235 * cosine(leg.lower) + 0.035;
        // The longer leg stands on the ground and carries the hip.
        let hip = reach(&near).max(reach(&far)) - 0.17 * self.pose.bent;
        let frontal = 1.0 - self.forward.abs();
        let (lean, apart) = ((0.012 * self.pose.walking + 0.30 * self.pose.bent) * self.forward, 0.048 * frontal);
        let neck = self.at(lean + 0.0, hip + 0.315 - 0.16 * self.pose.bent);
        let waist = self.at(0.0, hip);
        let (left, right) = (self.at(-apart, hip - 0.005), self.at(apart, hip - 0.005));
        self.draw_arm(neck, self.pose.stride, -1.0, false);
        self.draw_leg(left, &far, 0.80);
        self.draw_leg(right, &near, 1.0);
        self.draw_torso(neck, waist, frontal);
        self.draw_head(neck);
        self.draw_arm(neck, self.pose.stride + 0.5, 1.0, self.pose.carries);
    }

    /// A place in parts of the person's height: forward and up from the feet.
    fn at(&self, ahead: f32, up: f32) -> Px {
        (self.pose.foot.0 + ahead * self.tall, self.pose.foot.1 - up * self.tall)
    }

    fn leg(&self, phase: f32) -> Bend {
        let swing = sine(phase) * 0.072 * self.pose.walking;
        // The knee bends while the leg swings forward, and when bending down.
        let knee = (0.012 + 0.13 * cosine(phase).max(0.0)) * self.pose.walking + 0.16 * self.pose.bent;
        let upper = swing + 0.008 + 0.10 * self.pose.bent;
        Bend { upper, lower: upper - knee }
    }

    /// The end of a bone of `length` that starts at `from` and is turned by `angle`.
    fn end(&self, from: Px, length: f32, angle: f32) -> Px {
        let along = self.forward * sine(angle) * length * self.tall;
        (from.0 + along, from.1 + cosine(angle) * length * self.tall)
    }

    fn draw_leg(&mut self, hip: Px, leg: &Bend, light: f32) {
        let (t, cloth) = (self.tall, shade(self.looks.trousers, light));
        let knee = self.end(hip, 0.245, leg.upper);
        let ankle = self.end(knee, 0.235, leg.lower);
        let toe = (ankle.0 + self.forward * 0.075 * t, ankle.1 + 0.018 * t);
        let heel = (ankle.0 - self.forward * 0.018 * t, ankle.1 + 0.014 * t);
        self.tile.limb(heel, 0.024 * t, toe, 0.018 * t, shade(self.looks.shoes, light));
        self.tile.limb(knee, 0.041 * t, ankle, 0.028 * t, cloth);
        self.tile.limb(hip, 0.060 * t, knee, 0.043 * t, cloth);
    }

    fn draw_torso(&mut self, neck: Px, waist: Px, frontal: f32) {
        let (t, jacket) = (self.tall, self.looks.jacket);
        let chest = 0.078 + 0.018 * frontal;
        let wide = 0.016 * t + 0.034 * t * frontal;
        let (top, low) = (neck.1 + 0.075 * t, waist.1 + 0.02 * t);
        let hem = 0.064 * t + 0.012 * t * frontal;
        for side in [-1.0, 1.0] {
            let shoulder = (neck.0 + side * wide, top);
            self.tile.limb(shoulder, chest * t * 0.86, (waist.0 + side * wide * 0.5, low - 0.03 * t), hem, jacket);
        }
        self.tile.limb((neck.0, top), chest * t, (waist.0, low - 0.03 * t), hem, jacket);
        self.tile.limb((waist.0 - 0.03 * t, low), 0.038 * t, (waist.0 + 0.03 * t, low), 0.038 * t, shade(jacket, 0.9));
        // The zip, seen from the front.
        if frontal > 0.5 {
            self.tile.limb((neck.0, top), 0.005 * t, (waist.0, low), 0.005 * t, shade(jacket, 0.6));
        }
    }

    fn draw_head(&mut self, neck: Px) {
        let (t, Looks { skin, hair, .. }) = (self.tall, *self.looks);
        let head = (neck.0 + 0.020 * t * self.forward, neck.1 - 0.078 * t + 0.05 * t * self.pose.bent);
        self.tile.limb(
            (neck.0, neck.1 + 0.02 * t),
            0.032 * t,
            (head.0, head.1 + 0.03 * t),
            0.028 * t,
            shade(skin, 0.82),
        );
        let back = -self.forward * 0.014 * t;
        if self.looks.long_hair {
            let falls = (head.0 + back * 1.6, head.1 + 0.085 * t);
            self.tile.limb((head.0 + back, head.1), 0.054 * t, falls, 0.040 * t, hair);
        }
        self.tile.ball((head.0 + back, head.1 - 0.010 * t), 0.054 * t, 0.066 * t, hair);
        let face = (head.0 + self.forward * 0.012 * t, head.1 + 0.012 * t);
        self.tile.ball(face, 0.042 * t, 0.056 * t, skin);
        let brow = (face.0 + self.forward * 0.012 * t, face.1 - 0.010 * t);
        self.tile.spot(brow, 0.028 * t, 0.007 * t, shade(skin, 0.5), 1.2, 0.5);
        let mouth = (face.0 + self.forward * 0.016 * t, face.1 + 0.028 * t);
        self.tile.spot(mouth, 0.014 * t, 0.004 * t, shade(skin, 0.55), 1.2, 0.6);
        // The fringe, over the brow.
        let fringe = (face.0 - self.forward * 0.008 * t, face.1 - 0.044 * t);
        self.tile.spot(fringe, 0.040 * t, 0.022 * t, hair, 1.2, 1.0);
    }

    /// An arm that swings against the leg of the same side.
    fn draw_arm(&mut self, neck: Px, phase: f32, side: f32, carries: bool) {
        let (t, sleeve) = (self.tall, shade(self.looks.jacket, if side < 0.0 { 0.72 } else { 0.93 }));
        let frontal = 1.0 - self.forward.abs();
        let shoulder = (neck.0 + side * (0.012 + 0.088 * frontal) * t, neck.1 + 0.055 * t);
        let swing = if carries { 0.01 } else { sine(phase) * 0.070 * self.pose.walking } + 0.16 * self.pose.bent;
        let elbow = self.end(shoulder, 0.165, swing - 0.012);
        let elbow = (elbow.0 + side * frontal * 0.022 * t, elbow.1);
        let straight = if carries { 0.0 } else { 0.045 * self.pose.walking + 0.02 };
        let hand = self.end(elbow, 0.150, swing + straight);
        if carries {
            // It rolls behind whoever pulls it.
            let behind = hand.0 - self.forward * 0.12 * self.pose.scale;
            draw_bag(self.tile, (behind, self.pose.foot.1 - 0.01 * t), self.pose.scale);
        }
        self.tile.limb(shoulder, 0.034 * t, elbow, 0.028 * t, sleeve);
        self.tile.limb(elbow, 0.027 * t, hand, 0.021 * t, sleeve);
        self.tile.ball((hand.0, hand.1 + 0.012 * t), 0.020 * t, 0.026 * t, self.looks.skin);
    }
}

/// A trolley case, standing with its wheels at `foot`.
pub fn draw_bag(tile: &mut Tile, foot: Px, scale: f32) {
    let s = scale;
    let at = |x: f32, up: f32| (foot.0 + x * s, foot.1 - up * s);
    for side in [-0.10, 0.10] {
        tile.limb(at(side, 0.62), 0.011 * s, at(side, 0.86), 0.011 * s, [120.0, 122.0, 128.0]);
    }
    tile.limb(at(-0.11, 0.87), 0.022 * s, at(0.11, 0.87), 0.022 * s, [30.0, 30.0, 32.0]);
    for wheel in [-0.17, 0.17] {
        tile.spot(at(wheel, 0.035), 0.035 * s, 0.035 * s, [20.0, 20.0, 22.0], 1.0, 1.0);
    }
    let body = [at(-0.18, 0.10), at(-0.18, 0.61), at(0.18, 0.61), at(0.18, 0.10)];
    tile.shape(&body, 0.045 * s, shade(BAG, 1.25), shade(BAG, 0.75));
    for rib in [-0.12, -0.04, 0.04, 0.12] {
        tile.limb(at(rib, 0.12), 0.008 * s, at(rib, 0.59), 0.008 * s, shade(BAG, 0.62));
    }
    tile.limb(at(-0.06, 0.665), 0.014 * s, at(0.06, 0.665), 0.014 * s, [28.0, 28.0, 30.0]);
}

/// Everything that [`draw_bag`] may touch, its shadow included.
pub fn bag_bounds(foot: Px, scale: f32) -> Bounds {
    Bounds::new(foot.0 - 0.4 * scale, foot.1 - 1.0 * scale, foot.0 + 0.6 * scale, foot.1 + 0.15 * scale)
}
