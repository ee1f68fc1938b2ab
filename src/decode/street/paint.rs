//! Anti-aliased shapes on a floating-point tile, and the way from a tile into I420.
//!
//! A shape is a signed distance in pixels, negative inside; a pixel is covered by how far its middle lies inside. Only
//! additions, multiplications, divisions and square roots are used, which every machine rounds alike, so that a picture
//! has the same bytes everywhere.

/// Red, green and blue, 0..255.
pub type Rgb = [f32; 3];
/// A place in pixels, `y` down.
pub type Px = (f32, f32);

/// A rectangle in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Left.
    pub x1: f32,
    /// Top.
    pub y1: f32,
    /// Right.
    pub x2: f32,
    /// Bottom.
    pub y2: f32,
}

impl Bounds {
    /// The rectangle with these edges.
    pub const fn new(x1: f32, y1: f32, x2: f32, y2: f32) -> Self {
        Self { x1, y1, x2, y2 }
    }

    /// The smallest rectangle around `points` and `margin` more.
    pub fn around(points: &[Px], margin: f32) -> Self {
        let start = Self::new(f32::MAX, f32::MAX, f32::MIN, f32::MIN);
        points.iter().fold(start, |b, &(x, y)| {
            Self::new(b.x1.min(x - margin), b.y1.min(y - margin), b.x2.max(x + margin), b.y2.max(y + margin))
        })
    }
}

/// A part of a picture: premultiplied colour and opacity of each pixel.
#[derive(Debug, Clone)]
pub struct Tile {
    left: i32,
    top: i32,
    width: usize,
    height: usize,
    pixels: Vec<[f32; 4]>,
}

impl Tile {
    /// A clear tile that covers `bounds` as far as they lie in a picture of `width` by `height`.
    pub fn new(bounds: Bounds, width: u32, height: u32) -> Self {
        let inside = |at: f32, end: u32| (at.clamp(0.0, end as f32)) as i32;
        // Even edges, so that a 2 by 2 block of luma, and with it each sample of chroma, belongs to one tile.
        let (left, top) = (inside(bounds.x1.floor(), width) & !1, inside(bounds.y1.floor(), height) & !1);
        let (right, bottom) = (inside(bounds.x2.ceil(), width), inside(bounds.y2.ceil(), height));
        let (width, height) = ((right - left).max(0) as usize, (bottom - top).max(0) as usize);
        Self { left, top, width, height, pixels: vec![[0.0; 4]; width * height] }
    }

    /// Paints the inside of `shape`, a signed distance, over what is there. `soft` is how many pixels its edge is wide.
    pub fn fill(
        &mut self,
        bounds: Bounds,
        soft: f32,
        opacity: f32,
        shape: impl Fn(f32, f32) -> f32,
        paint: impl Fn(f32, f32) -> Rgb,
    ) {
        let within = |at: f32, from: i32, size: usize| (at as i32 - from).clamp(0, size as i32) as usize;
        let columns = within(bounds.x1.floor() - soft, self.left, self.width)
            ..within(bounds.x2.ceil() + soft + 1.0, self.left, self.width);
        let rows = within(bounds.y1.floor() - soft, self.top, self.height)
            ..within(bounds.y2.ceil() + soft + 1.0, self.top, self.height);
        let per_pixel = 1.0 / soft;
        for row in rows {
            let y = self.top as f32 + row as f32 + 0.5;
            let line = &mut self.pixels[row * self.width..][columns.clone()];
            for (column, pixel) in line.iter_mut().enumerate() {
                let x = (self.left as f32) + (columns.start + column) as f32 + 0.5;
                let alpha = (0.5 - shape(x, y) * per_pixel).clamp(0.0, 1.0) * opacity;
                if alpha > 0.0 {
                    let [r, g, b] = paint(x, y);
                    let rest = 1.0 - alpha;
                    let [pr, pg, pb, pa] = *pixel;
                    *pixel = [r * alpha + pr * rest, g * alpha + pg * rest, b * alpha + pb * rest, alpha + pa * rest];
                }
            }
        }
    }

    /// A limb: a line from `a` to `b`, `ra` and `rb` thick at its ends, lit from the left.
    pub fn limb(&mut self, a: Px, ra: f32, b: Px, rb: f32, colour: Rgb) {
        let bounds = Bounds::around(&[a, b], ra.max(rb));
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let squared = (dx * dx + dy * dy).max(1e-6);
        let along = move |x: f32, y: f32| (((x - a.0) * dx + (y - a.1) * dy) / squared).clamp(0.0, 1.0);
        let shape = move |x: f32, y: f32| {
            let t = along(x, y);
            let (px, py) = (x - a.0 - dx * t, y - a.1 - dy * t);
            (px * px + py * py).sqrt() - (ra + (rb - ra) * t)
        };
        let paint = move |x: f32, y: f32| {
            let t = along(x, y);
            let across = ((x - a.0 - dx * t) * 0.9 + (y - a.1 - dy * t) * 0.45) / (ra + (rb - ra) * t).max(0.5);
            shade(colour, 1.02 - 0.30 * across.clamp(-1.0, 1.0))
        };
        self.fill(bounds, 1.0, 1.0, shape, paint);
    }

    /// An ellipse, lit from the upper left.
    pub fn ball(&mut self, middle: Px, rx: f32, ry: f32, colour: Rgb) {
        let paint = move |x: f32, y: f32| {
            let across = (x - middle.0) / rx.max(0.5) * 0.7 + (y - middle.1) / ry.max(0.5) * 0.6;
            shade(colour, 1.02 - 0.25 * across.clamp(-1.0, 1.0))
        };
        self.fill(ellipse_bounds(middle, rx, ry), 1.0, 1.0, ellipse(middle, rx, ry), paint);
    }

    /// An ellipse of one colour; `soft` as in [`fill`](Self::fill).
    pub fn spot(&mut self, middle: Px, rx: f32, ry: f32, colour: Rgb, soft: f32, opacity: f32) {
        // The soft edge of a flat ellipse is wider where the ellipse is long.
        let fade = 1.0 + soft / rx.min(ry).max(0.5);
        self.fill(ellipse_bounds(middle, rx * fade, ry * fade), soft, opacity, ellipse(middle, rx, ry), |_, _| colour);
    }

    /// A polygon of one colour at its top and another at its bottom, its corners rounded by `round` pixels.
    pub fn shape(&mut self, corners: &[Px], round: f32, top: Rgb, bottom: Rgb) {
        let bounds = Bounds::around(corners, round);
        let tall = (bounds.y2 - bounds.y1).max(1.0);
        let paint = |_: f32, y: f32| mix(top, bottom, ((y - bounds.y1) / tall).clamp(0.0, 1.0));
        self.fill(bounds, 1.0, 1.0, |x, y| polygon_distance(corners, x, y) - round, paint);
    }

    /// An upright rectangle of one colour.
    pub fn block(&mut self, b: Bounds, colour: Rgb) {
        self.panel(b, colour, 1.0);
    }

    /// An upright rectangle of one colour that lets through what is behind it.
    pub fn panel(&mut self, b: Bounds, colour: Rgb, opacity: f32) {
        self.fill(b, 1.0, opacity, |x, y| (b.x1 - x).max(x - b.x2).max(b.y1 - y).max(y - b.y2), |_, _| colour);
    }

    /// The smallest rectangle around all that is more than half covered.
    pub fn painted(&self) -> Option<Bounds> {
        let mut found: Option<Bounds> = None;
        for (i, pixel) in self.pixels.iter().enumerate().filter(|(_, pixel)| pixel[3] > 0.5) {
            debug_assert!(pixel[3] <= 1.001);
            let (x, y) = ((i % self.width) as f32 + self.left as f32, (i / self.width) as f32 + self.top as f32);
            let b = found.unwrap_or(Bounds::new(x, y, x, y));
            found = Some(Bounds::new(b.x1.min(x), b.y1.min(y), b.x2.max(x + 1.0), b.y2.max(y + 1.0)));
        }
        found
    }

    /// A tile of half the size, each pixel the mean of four.
    pub fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let at = |x: usize, y: usize| self.pixels[y * self.width + x];
        let mean = |x: usize, y: usize| {
            let (a, b, c, d) = (at(2 * x, 2 * y), at(2 * x + 1, 2 * y), at(2 * x, 2 * y + 1), at(2 * x + 1, 2 * y + 1));
            std::array::from_fn(|i| (a[i] + b[i] + c[i] + d[i]) * 0.25)
        };
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| mean(x, y)).collect();
        Self { left: self.left / 2, top: self.top / 2, width, height, pixels }
    }

    /// Lays the tile over a packed I420 picture of `width` by `height`, in limited range BT.601.
    pub fn lay_over(&self, picture: &mut [u8], width: u32, height: u32) {
        let (w, h) = (width as usize, height as usize);
        let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
        let (luma, chroma) = picture.split_at_mut(w * h);
        let (u, v) = chroma.split_at_mut(cw * ch);
        for row in 0..self.height {
            let line = &self.pixels[row * self.width..][..self.width];
            let start = (self.top as usize + row) * w + self.left as usize;
            for (pixel, under) in line.iter().zip(&mut luma[start..]).filter(|(pixel, _)| pixel[3] > 0.0) {
                let [r, g, b, a] = *pixel;
                let y = 16.0 * a + 0.25679 * r + 0.50413 * g + 0.09791 * b;
                *under = (f32::from(*under) * (1.0 - a) + y + 0.5) as u8;
            }
        }
        for row in 0..self.height.div_ceil(2) {
            let start = (self.top as usize / 2 + row) * cw + self.left as usize / 2;
            for column in 0..self.width.div_ceil(2) {
                let [r, g, b, a] = self.quad(column, row);
                if a > 0.0 {
                    let (du, dv) = (-0.14822 * r - 0.29099 * g + 0.43922 * b, 0.43922 * r - 0.36779 * g - 0.07143 * b);
                    let lay = |under: u8, d: f32| (f32::from(under) * (1.0 - a) + 128.0 * a + d + 0.5) as u8;
                    u[start + column] = lay(u[start + column], du);
                    v[start + column] = lay(v[start + column], dv);
                }
            }
        }
    }

    /// The mean of the 2 by 2 pixels that share a sample of chroma, less at an odd edge.
    fn quad(&self, column: usize, row: usize) -> [f32; 4] {
        let (x, y) = (column * 2, row * 2);
        let (right, below) = ((x + 1).min(self.width - 1), (y + 1).min(self.height - 1));
        let at = |x: usize, y: usize| self.pixels[y * self.width + x];
        let (a, b, c, d) = (at(x, y), at(right, y), at(x, below), at(right, below));
        std::array::from_fn(|i| (a[i] + b[i] + c[i] + d[i]) * 0.25)
    }
}

fn ellipse_bounds(middle: Px, rx: f32, ry: f32) -> Bounds {
    Bounds::new(middle.0 - rx, middle.1 - ry, middle.0 + rx, middle.1 + ry)
}

fn ellipse(middle: Px, rx: f32, ry: f32) -> impl Fn(f32, f32) -> f32 {
    let smaller = rx.min(ry);
    move |x, y| {
        let (dx, dy) = ((x - middle.0) / rx.max(0.01), (y - middle.1) / ry.max(0.01));
        ((dx * dx + dy * dy).sqrt() - 1.0) * smaller
    }
}

/// The signed distance from a simple polygon.
fn polygon_distance(corners: &[Px], x: f32, y: f32) -> f32 {
    let (mut nearest, mut inside) = (f32::MAX, false);
    let mut b = corners[corners.len() - 1];
    for &a in corners {
        let (ex, ey, px, py) = (b.0 - a.0, b.1 - a.1, x - a.0, y - a.1);
        let t = ((px * ex + py * ey) / (ex * ex + ey * ey).max(1e-6)).clamp(0.0, 1.0);
        let (dx, dy) = (px - ex * t, py - ey * t);
        nearest = nearest.min(dx * dx + dy * dy);
        if (a.1 > y) != (b.1 > y) && px < ex * py / ey {
            inside = !inside;
        }
        b = a;
    }
    if inside { -nearest.sqrt() } else { nearest.sqrt() }
}

/// `colour` made brighter or darker.
pub fn shade(colour: Rgb, by: f32) -> Rgb {
    colour.map(|c| (c * by).clamp(0.0, 255.0))
}

/// `a` where `t` is 0, `b` where it is 1.
pub fn mix(a: Rgb, b: Rgb, t: f32) -> Rgb {
    std::array::from_fn(|i| a[i] + (b[i] - a[i]) * t)
}

/// The sine of `turns` full turns, to within 0.002. The machine's own may differ in its last bit from one to the next.
pub fn sine(turns: f32) -> f32 {
    let t = turns - turns.floor();
    // Bhaskara's approximation, on a half turn of 180 parts.
    let half = |part: f32| 4.0 * part * (180.0 - part) / (40_500.0 - part * (180.0 - part));
    if t < 0.5 { half(t * 360.0) } else { -half((t - 0.5) * 360.0) }
}

/// The cosine of `turns` full turns.
pub fn cosine(turns: f32) -> f32 {
    sine(turns + 0.25)
}
