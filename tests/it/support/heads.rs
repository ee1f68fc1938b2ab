//! The outputs of every family of detectors for objects that are known: what a network would have written for them.
//!
//! Each function is the inverse of a family's decoding, written from the formulas of the family's own code. Cells without
//! an object hold a plausible nothing: a box of the size of the cell and scores near 0.

use super::onnx::{Element, Model};

/// An object that the network is to see.
#[derive(Debug, Clone, Copy)]
pub struct Object {
    /// Index of its class.
    pub class: usize,
    /// Its score.
    pub score: f32,
    /// Left, top, right and bottom in pixels of the input.
    pub edges: [f32; 4],
}

/// What the network is to see and how large its input is.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// How many classes it tells apart.
    pub classes: usize,
    /// What is there.
    pub objects: &'a [Object],
}

type Output = (&'static str, Vec<u64>, Vec<f32>);

const NOTHING: f32 = 0.01;

impl Object {
    fn centre(&self) -> [f32; 2] {
        let [x1, y1, x2, y2] = self.edges;
        [(x1 + x2) / 2.0, (y1 + y2) / 2.0]
    }

    fn size(&self) -> [f32; 2] {
        let [x1, y1, x2, y2] = self.edges;
        [x2 - x1, y2 - y1]
    }
}

/// One grid of cells.
#[derive(Debug, Clone, Copy)]
struct Level {
    stride: f32,
    columns: usize,
    rows: usize,
    /// Cells of the levels before it.
    before: usize,
}

impl Level {
    fn cells(&self) -> usize {
        self.columns * self.rows
    }

    /// Column, row and index of the cell that holds a point.
    fn cell(&self, [x, y]: [f32; 2]) -> ([f32; 2], usize) {
        let (column, row) = ((x / self.stride) as usize, (y / self.stride) as usize);
        ([column as f32, row as f32], row * self.columns + column)
    }

    fn places(&self) -> impl Iterator<Item = [f32; 2]> + use<> {
        let columns = self.columns;
        (0..self.cells()).map(move |cell| [(cell % columns) as f32, (cell / columns) as f32])
    }
}

impl Scene<'_> {
    fn levels(&self, strides: &[usize]) -> Vec<Level> {
        let mut before = 0;
        let level = |&stride: &usize| {
            let (columns, rows) = (self.width.div_ceil(stride), self.height.div_ceil(stride));
            let level = Level { stride: stride as f32, columns, rows, before };
            before += level.cells();
            level
        };
        strides.iter().map(level).collect()
    }

    /// The finest level on which an object reaches at most so many cells to each side.
    fn level(&self, object: &Object, strides: &[usize], reach: f32) -> Level {
        let [w, h] = object.size();
        let levels = self.levels(strides);
        *levels.iter().find(|level| w.max(h) / 2.0 < reach * level.stride).unwrap_or(levels.last().unwrap())
    }

    /// The finest level and anchor of which an object is at most three times as large.
    fn anchor(&self, object: &Object, strides: &[usize], anchors: &[[[f32; 2]; 3]]) -> (usize, usize) {
        let [w, h] = object.size();
        let fits = |[aw, ah]: [f32; 2]| w < 3.0 * aw && h < 3.0 * ah;
        let all = (0..strides.len()).flat_map(|level| (0..3).map(move |anchor| (level, anchor)));
        all.clone().find(|&(level, anchor)| fits(anchors[level][anchor])).unwrap_or(all.last().unwrap())
    }

    /// Objectness 0..1 and scores of the classes for an object, such that the product is its score.
    fn product(&self, object: &Object) -> (f32, Vec<f32>) {
        let mut classes = vec![NOTHING; self.classes];
        classes[object.class] = object.score.sqrt();
        (object.score.sqrt(), classes)
    }

    fn scores(&self, object: &Object) -> Vec<f32> {
        let mut scores = vec![NOTHING; self.classes];
        scores[object.class] = object.score;
        scores
    }

    /// The object's edges in 0..1.
    fn shares(&self, object: &Object) -> [f32; 4] {
        let (w, h) = (self.width as f32, self.height as f32);
        let [x1, y1, x2, y2] = object.edges;
        [x1 / w, y1 / h, x2 / w, y2 / h]
    }

    fn centred_shares(&self, object: &Object) -> [f32; 4] {
        let [x1, y1, x2, y2] = self.shares(object);
        [(x1 + x2) / 2.0, (y1 + y2) / 2.0, x2 - x1, y2 - y1]
    }

    fn model(&self, outputs: Vec<Output>) -> Model {
        Model::new(&[1, 3, self.height as u64, self.width as u64], outputs)
    }
}

fn logit(share: f32) -> f32 {
    (share / (1.0 - share)).ln()
}

fn logits(values: &mut [f32]) {
    values.iter_mut().for_each(|value| *value = logit(value.clamp(1e-4, 1.0 - 1e-4)));
}

fn u(size: usize) -> u64 {
    size as u64
}

/// Turns rows of `columns` values into channels.
fn transposed(rows: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| rows.iter().skip(column).step_by(columns).copied()).collect()
}

const STRIDES: [usize; 3] = [8, 16, 32];
const FOUR: [usize; 4] = [8, 16, 32, 64];

/// YOLOX, as offsets in the grid or in pixels.
pub fn yolox(scene: &Scene<'_>, is_decoded: bool) -> Model {
    let row = |[column, row]: [f32; 2], s: f32, place: Option<[[f32; 2]; 2]>| {
        let ([cx, cy], [w, h]) = match place {
            Some([centre, size]) => (centre, size),
            None => ([(column + 0.5) * s, (row + 0.5) * s], [s, s]),
        };
        if is_decoded { [cx, cy, w, h] } else { [cx / s - column, cy / s - row, (w / s).ln(), (h / s).ln()] }
    };
    let columns = 5 + scene.classes;
    let mut table = Vec::new();
    for level in scene.levels(&STRIDES) {
        for place in level.places() {
            table.extend(row(place, level.stride, None));
            table.push(NOTHING);
            table.extend(vec![NOTHING; scene.classes]);
        }
    }
    for object in scene.objects {
        let level = scene.level(object, &STRIDES, 4.0);
        let (place, cell) = level.cell(object.centre());
        let (objectness, classes) = scene.product(object);
        let at = (level.before + cell) * columns;
        table[at..at + 4].copy_from_slice(&row(place, level.stride, Some([object.centre(), object.size()])));
        table[at + 4] = objectness;
        table[at + 5..at + columns].copy_from_slice(&classes);
    }
    scene.model(vec![("output", vec![1, u(table.len() / columns), u(columns)], table)])
}

/// YOLOv5's anchors.
pub const V5_ANCHORS: [[[f32; 2]; 3]; 3] = [
    [[10.0, 13.0], [16.0, 30.0], [33.0, 23.0]],
    [[30.0, 61.0], [62.0, 45.0], [59.0, 119.0]],
    [[116.0, 90.0], [156.0, 198.0], [373.0, 326.0]],
];

/// YOLOv7's anchors.
pub const V7_ANCHORS: [[[f32; 2]; 3]; 3] = [
    [[12.0, 16.0], [19.0, 36.0], [40.0, 28.0]],
    [[36.0, 75.0], [76.0, 55.0], [72.0, 146.0]],
    [[142.0, 110.0], [192.0, 243.0], [459.0, 401.0]],
];

/// Predictions for three anchors, stride by stride, anchor by anchor, through a sigmoid.
fn anchored(scene: &Scene<'_>, strides: &[usize], anchors: &[[[f32; 2]; 3]]) -> Vec<Vec<f32>> {
    let columns = 5 + scene.classes;
    let levels = scene.levels(strides);
    let empty = [vec![0.5, 0.5, 0.5, 0.5, NOTHING], vec![NOTHING; scene.classes]].concat();
    let mut grids: Vec<Vec<f32>> = levels.iter().map(|level| empty.repeat(3 * level.cells())).collect();
    for object in scene.objects {
        let (level, anchor) = scene.anchor(object, strides, anchors);
        let ([column, row], cell) = levels[level].cell(object.centre());
        let ([cx, cy], [w, h], stride) = (object.centre(), object.size(), levels[level].stride);
        let (objectness, classes) = scene.product(object);
        let size = |side: f32, of: f32| (side / of).sqrt() / 2.0;
        let [aw, ah] = anchors[level][anchor];
        let place = [(cx / stride - column + 0.5) / 2.0, (cy / stride - row + 0.5) / 2.0, size(w, aw), size(h, ah)];
        let at = (anchor * levels[level].cells() + cell) * columns;
        grids[level][at..at + columns].copy_from_slice(&[&place[..], &[objectness], &classes].concat());
    }
    grids
}

/// YOLOv5-Lite.
pub fn yolov5_lite(scene: &Scene<'_>) -> Model {
    let table = anchored(scene, &STRIDES, &V5_ANCHORS).concat();
    let columns = 5 + scene.classes;
    scene.model(vec![("output", vec![1, u(table.len() / columns), u(columns)], table)])
}

/// YOLOv5 with boxes in pixels; with the raw grids behind them as old exports have them.
pub fn yolov5(scene: &Scene<'_>, has_grids: bool) -> Model {
    let columns = 5 + scene.classes;
    let levels = scene.levels(&STRIDES);
    let mut grids = anchored(scene, &STRIDES, &V5_ANCHORS);
    let raw = grids.clone();
    for (grid, (level, anchors)) in grids.iter_mut().zip(levels.iter().zip(V5_ANCHORS)) {
        for (index, row) in grid.chunks_exact_mut(columns).enumerate() {
            let (anchor, cell) = (index / level.cells(), index % level.cells());
            let (column, line) = ((cell % level.columns) as f32, (cell / level.columns) as f32);
            row[0] = (2.0 * row[0] - 0.5 + column) * level.stride;
            row[1] = (2.0 * row[1] - 0.5 + line) * level.stride;
            row[2] = (2.0 * row[2]).powi(2) * anchors[anchor][0];
            row[3] = (2.0 * row[3]).powi(2) * anchors[anchor][1];
        }
    }
    let table = grids.concat();
    let mut outputs = vec![("output0", vec![1, u(table.len() / columns), u(columns)], table)];
    if has_grids {
        for (name, (level, grid)) in ["a", "b", "c"].into_iter().zip(levels.iter().zip(raw)) {
            outputs.push((name, vec![1, 3, u(level.rows), u(level.columns), u(columns)], grid));
        }
    }
    scene.model(outputs)
}

/// YOLOv5 cut before its last layer, as grids or as maps, as logits or through a sigmoid; coarsest first where `is_map`.
pub fn yolov5_grids(scene: &Scene<'_>, anchors: &[[[f32; 2]; 3]; 3], is_map: bool, is_logits: bool) -> Model {
    let columns = 5 + scene.classes;
    let mut outputs = Vec::new();
    let grids = anchored(scene, &STRIDES, anchors);
    for (name, (level, mut grid)) in ["a", "b", "c"].into_iter().zip(scene.levels(&STRIDES).into_iter().zip(grids)) {
        if is_logits {
            logits(&mut grid);
        }
        let (rows, cells) = (u(level.rows), level.cells());
        if is_map {
            let channels = grid.chunks_exact(cells * columns).flat_map(|anchor| transposed(anchor, columns)).collect();
            outputs.insert(0, (name, vec![1, u(3 * columns), rows, u(level.columns)], channels));
        } else {
            outputs.push((name, vec![1, 3, rows, u(level.columns), u(columns)], grid));
        }
    }
    scene.model(outputs)
}

/// Somebody's shoulders and hips: x and y in pixels of the input, and how visible they are.
pub type Body = [[f32; 3]; 4];

/// COCO's 17 keypoints of so many values each; nothing is told of any but shoulders and hips.
fn keypoints(body: &Body, values: usize) -> Vec<f32> {
    let point = |k: usize| [5, 6, 11, 12].iter().position(|at| *at == k).map_or([0.0; 3], |at| body[at]);
    (0..17).flat_map(|k| point(k).into_iter().take(values)).collect()
}

/// YOLOv8 with COCO's keypoints behind the classes: those of each object, of so many values.
pub fn yolov8_pose(scene: &Scene<'_>, bodies: &[Body], values: usize) -> Model {
    yolov8_with(scene, 17 * values, &bodies.iter().map(|body| keypoints(body, values)).collect::<Vec<_>>())
}

/// YOLOv8, with so many values of keypoints behind the classes.
pub fn yolov8(scene: &Scene<'_>, keypoints: usize) -> Model {
    yolov8_with(scene, keypoints, &[])
}

fn yolov8_with(scene: &Scene<'_>, keypoints: usize, of_objects: &[Vec<f32>]) -> Model {
    let columns = 4 + scene.classes + keypoints;
    let mut table = Vec::new();
    for level in scene.levels(&STRIDES) {
        for [column, row] in level.places() {
            let (x, y) = ((column + 0.5) * level.stride, (row + 0.5) * level.stride);
            table.extend([x, y, level.stride, level.stride]);
            table.extend(vec![NOTHING; scene.classes]);
            table.extend((0..keypoints).map(|value| [x, y, 0.5][value % 3]));
        }
    }
    for (index, object) in scene.objects.iter().enumerate() {
        let level = scene.level(object, &STRIDES, 4.0);
        let at = (level.before + level.cell(object.centre()).1) * columns;
        let values = of_objects.get(index).map_or(&[][..], Vec::as_slice);
        let row = [&object.centre()[..], &object.size(), &scene.scores(object), values].concat();
        table[at..at + row.len()].copy_from_slice(&row);
    }
    let cells = table.len() / columns;
    scene.model(vec![("output0", vec![1, u(columns), u(cells)], transposed(&table, columns))])
}

/// The objects, most confident first.
fn sorted(scene: &Scene<'_>) -> Vec<Object> {
    let mut objects = scene.objects.to_vec();
    objects.sort_by(|a, b| b.score.total_cmp(&a.score));
    objects
}

/// Rows of corners, score and class, with so many values of keypoints behind.
pub fn end_to_end(scene: &Scene<'_>, keypoints: usize) -> Model {
    end_to_end_with(scene, keypoints, &[])
}

/// Rows of poses as [`end_to_end`], with COCO's keypoints of each object, of so many values; objects most confident first.
pub fn end_to_end_pose(scene: &Scene<'_>, bodies: &[Body], values: usize) -> Model {
    end_to_end_with(scene, 17 * values, &bodies.iter().map(|body| keypoints(body, values)).collect::<Vec<_>>())
}

fn end_to_end_with(scene: &Scene<'_>, keypoints: usize, of_objects: &[Vec<f32>]) -> Model {
    let columns = 6 + keypoints;
    let mut table = vec![0.0; 300 * columns];
    for (index, (row, object)) in table.chunks_exact_mut(columns).zip(sorted(scene)).enumerate() {
        row[..4].copy_from_slice(&object.edges);
        (row[4], row[5]) = (object.score, object.class as f32);
        match of_objects.get(index) {
            Some(values) => row[6..].copy_from_slice(values),
            None => row[6..].fill(100.0),
        }
    }
    scene.model(vec![("output0", vec![1, 300, u(columns)], table)])
}

const QUERIES: usize = 300;

/// RT-DETR with its post-processing: boxes are scaled by `orig_target_sizes`.
pub fn rt_detr(scene: &Scene<'_>) -> Model {
    let (mut labels, mut scores, mut boxes) = (vec![0.0; QUERIES], vec![0.005; QUERIES], vec![0.25; 4 * QUERIES]);
    for (query, object) in sorted(scene).iter().enumerate() {
        (labels[query], scores[query]) = (object.class as f32, object.score);
        boxes[4 * query..4 * query + 4].copy_from_slice(&scene.shares(object));
    }
    let mut model = scene.model(vec![
        ("labels", vec![1, u(QUERIES)], labels),
        ("boxes", vec![1, u(QUERIES), 4], boxes),
        ("scores", vec![1, u(QUERIES)], scores),
    ]);
    model.integers = vec!["labels"];
    model.scaled = Some(("orig_target_sizes", "boxes"));
    model
}

/// Logits and normalised boxes under these names; `column` tells where a class stands among so many columns.
fn queries(scene: &Scene<'_>, names: [&'static str; 2], columns: usize, column: impl Fn(usize) -> usize) -> Model {
    let (mut table, mut boxes) = (vec![logit(NOTHING); QUERIES * columns], vec![0.25; 4 * QUERIES]);
    for (query, object) in scene.objects.iter().enumerate() {
        table[query * columns + column(object.class)] = logit(object.score);
        boxes[4 * query..4 * query + 4].copy_from_slice(&scene.centred_shares(object));
    }
    scene.model(vec![(names[0], vec![1, u(QUERIES), u(columns)], table), (names[1], vec![1, u(QUERIES), 4], boxes)])
}

/// RT-DETR without post-processing.
pub fn rt_detr_raw(scene: &Scene<'_>) -> Model {
    queries(scene, ["pred_logits", "pred_boxes"], scene.classes, |class| class)
}

/// Logits and boxes with names that say nothing.
pub fn nameless_queries(scene: &Scene<'_>) -> Model {
    queries(scene, ["a", "b"], scene.classes, |class| class)
}

/// RF-DETR for COCO; only for objects of the classes below 11, whose numbers are one more.
pub fn rf_detr(scene: &Scene<'_>) -> Model {
    let mut model = queries(scene, ["labels", "dets"], 91, |class| class + 1);
    model.outputs.reverse();
    model
}

/// RT-DETR as Ultralytics exports it.
pub fn rt_detr_rows(scene: &Scene<'_>) -> Model {
    let columns = 4 + scene.classes;
    let mut table = [vec![0.25; 4], vec![NOTHING; scene.classes]].concat().repeat(QUERIES);
    for (row, object) in table.chunks_exact_mut(columns).zip(scene.objects) {
        row.copy_from_slice(&[&scene.centred_shares(object)[..], &scene.scores(object)].concat());
    }
    scene.model(vec![("output0", vec![1, u(QUERIES), u(columns)], table)])
}

/// Distances of 0..7 strides as logits over eight bins.
fn bins(distance: f32) -> [f32; 8] {
    let (below, share) = (distance as usize, distance.fract());
    let mut bins = [-40.0; 8];
    bins[below] = (1.0 - share).ln();
    if share > 0.0 {
        bins[below + 1] = share.ln();
    }
    bins
}

/// Scores and distance bins, row by row, of cells whose distances begin at `centre`, 0..1.
fn distances(scene: &Scene<'_>, strides: &[usize], centre: f32) -> (Vec<f32>, Vec<f32>) {
    let cells: usize = scene.levels(strides).iter().map(Level::cells).sum();
    let (mut scores, mut sides) = (vec![NOTHING; cells * scene.classes], vec![0.0; cells * 32]);
    for object in scene.objects {
        let level = scene.level(object, strides, 5.0);
        let ([column, row], cell) = level.cell(object.centre());
        let (x, y) = ((column + centre) * level.stride, (row + centre) * level.stride);
        let [x1, y1, x2, y2] = object.edges;
        let at = level.before + cell;
        let encoded = [x - x1, y - y1, x2 - x, y2 - y].map(|side| bins(side / level.stride)).concat();
        scores[at * scene.classes..][..scene.classes].copy_from_slice(&scene.scores(object));
        sides[at * 32..][..32].copy_from_slice(&encoded);
    }
    (scores, sides)
}

/// NanoDet-Plus with one output.
pub fn nanodet_plus(scene: &Scene<'_>) -> Model {
    let (scores, sides) = distances(scene, &FOUR, 0.0);
    let rows = scores.chunks_exact(scene.classes).zip(sides.chunks_exact(32));
    let table: Vec<f32> = rows.flat_map(|(scores, sides)| [scores, sides].concat()).collect();
    let columns = scene.classes + 32;
    scene.model(vec![("output", vec![1, u(table.len() / columns), u(columns)], table)])
}

/// NanoDet (three strides), NanoDet-Plus or PP-PicoDet (four) with two outputs for each stride, misnamed, the distances
/// first, without a batch.
fn in_pairs(scene: &Scene<'_>, strides: &[usize], centre: f32) -> Model {
    const NAMES: [&str; 8] = ["cls_1", "cls_2", "cls_3", "cls_4", "dis_1", "dis_2", "dis_3", "dis_4"];
    let (scores, sides) = distances(scene, strides, centre);
    let part = |level: &Level, values: &[f32], columns: usize| {
        (vec![u(level.cells()), u(columns)], values[level.before * columns..][..level.cells() * columns].to_vec())
    };
    let levels = scene.levels(strides);
    let all = levels.iter().map(|level| part(level, &sides, 32));
    let all = all.chain(levels.iter().map(|level| part(level, &scores, scene.classes)));
    scene.model(NAMES.into_iter().zip(all).map(|(name, (shape, values))| (name, shape, values)).collect())
}

/// NanoDet before Plus.
pub fn nanodet(scene: &Scene<'_>) -> Model {
    in_pairs(scene, &STRIDES, 0.5)
}

/// NanoDet-Plus with eight outputs.
pub fn nanodet_plus_in_pairs(scene: &Scene<'_>) -> Model {
    Model { producer: "pytorch", ..in_pairs(scene, &FOUR, 0.0) }
}

/// PP-PicoDet without post-processing.
pub fn picodet(scene: &Scene<'_>) -> Model {
    Model { producer: "PaddlePaddle", ..in_pairs(scene, &FOUR, 0.5) }
}

/// PaddleDetection's rows.
pub fn paddle_rows(scene: &Scene<'_>) -> Model {
    let mut table = Vec::new();
    for object in sorted(scene) {
        table.extend([object.class as f32, object.score]);
        table.extend(object.edges);
    }
    let rows = table.len() / 6;
    let mut model = scene.model(vec![
        ("multiclass_nms3_0.tmp_0", vec![u(rows), 6], table),
        ("multiclass_nms3_0.tmp_2", vec![1], vec![rows as f32]),
    ]);
    model.integers = vec!["multiclass_nms3_0.tmp_2"];
    model
}

/// SSD-MobileNet for COCO, with bytes pixel by pixel and an open size; only for classes below 11.
pub fn ssd_mobilenet(scene: &Scene<'_>) -> Model {
    let (mut boxes, mut scores, mut classes) = (vec![0.0; 400], vec![0.0; 100], vec![1.0; 100]);
    for (row, object) in sorted(scene).iter().enumerate() {
        let [x1, y1, x2, y2] = scene.shares(object);
        boxes[4 * row..4 * row + 4].copy_from_slice(&[y1, x1, y2, x2]);
        (scores[row], classes[row]) = (object.score, (object.class + 1) as f32);
    }
    let mut model = Model::new(
        &[0, 0, 0, 3],
        vec![
            ("detection_boxes:0", vec![1, 100, 4], boxes),
            ("detection_classes:0", vec![1, 100], classes),
            ("detection_scores:0", vec![1, 100], scores),
            ("num_detections:0", vec![1], vec![scene.objects.len() as f32]),
        ],
    );
    model.element = Element::U8;
    model
}

/// DAMO-YOLO.
pub fn damo_yolo(scene: &Scene<'_>) -> Model {
    let (mut scores, mut boxes) = (Vec::new(), Vec::new());
    for level in scene.levels(&STRIDES) {
        for [column, row] in level.places() {
            scores.extend(vec![NOTHING; scene.classes]);
            boxes.extend([column, row, column + 1.0, row + 1.0].map(|edge| edge * level.stride));
        }
    }
    for object in scene.objects {
        let level = scene.level(object, &STRIDES, 4.0);
        let at = level.before + level.cell(object.centre()).1;
        scores[at * scene.classes..][..scene.classes].copy_from_slice(&scene.scores(object));
        boxes[4 * at..4 * at + 4].copy_from_slice(&object.edges);
    }
    let cells = u(boxes.len() / 4);
    scene.model(vec![("output", vec![1, cells, u(scene.classes)], scores), ("952", vec![1, cells, 4], boxes)])
}

/// FastestDet.
pub fn fastestdet(scene: &Scene<'_>, stride: usize) -> Model {
    let level = scene.levels(&[stride])[0];
    let columns = 5 + scene.classes;
    let even = vec![1.0 / scene.classes as f32; scene.classes];
    let mut table = [vec![NOTHING, 0.0, 0.0, -3.0, -3.0], even].concat().repeat(level.cells());
    for object in scene.objects {
        let ([column, row], cell) = level.cell(object.centre());
        let ([cx, cy], [_, _, w, h]) = (object.centre(), scene.centred_shares(object));
        // The class takes all of the softmax that it needs, the others share the rest.
        let class = 0.95f32;
        let objectness = (object.score / class.powf(0.4)).powf(1.0 / 0.6);
        let mut classes = vec![(1.0 - class) / (scene.classes - 1) as f32; scene.classes];
        classes[object.class] = class;
        let place = [(cx / level.stride - column).atanh(), (cy / level.stride - row).atanh(), logit(w), logit(h)];
        table[cell * columns..][..columns].copy_from_slice(&[&[objectness], &place[..], &classes].concat());
    }
    let shape = vec![1, u(columns), u(level.rows), u(level.columns)];
    scene.model(vec![("758", shape, transposed(&table, columns))])
}

/// How a YOLO-Fastest V2 was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FastestForm {
    /// Three maps of logits for each stride.
    Maps,
    /// One activated output for each stride, pixel by pixel.
    SideBySide,
    /// One activated output.
    InOne,
}

/// YOLO-Fastest V2.
pub fn yolo_fastest(scene: &Scene<'_>, form: FastestForm) -> Model {
    const ANCHORS: [[[f32; 2]; 3]; 2] =
        [[[12.64, 19.39], [37.88, 51.48], [55.71, 138.31]], [[126.91, 78.23], [131.57, 214.55], [279.92, 258.87]]];
    let (levels, columns, classes) = (scene.levels(&[16, 32]), 15 + scene.classes, scene.classes);
    let empty = [vec![0.5; 12], vec![NOTHING; 3], vec![1.0 / classes as f32; classes]].concat();
    let mut tables: Vec<Vec<f32>> = levels.iter().map(|level| empty.repeat(level.cells())).collect();
    for object in scene.objects {
        let (level, anchor) = scene.anchor(object, &[16, 32], &ANCHORS);
        let ([column, row], cell) = levels[level].cell(object.centre());
        let ([cx, cy], [w, h], stride) = (object.centre(), object.size(), levels[level].stride);
        let ([aw, ah], class) = (ANCHORS[level][anchor], 0.95);
        let size = |side: f32, of: f32| (side / of).sqrt() / 2.0;
        let place = [(cx / stride - column + 0.5) / 2.0, (cy / stride - row + 0.5) / 2.0, size(w, aw), size(h, ah)];
        let values = &mut tables[level][cell * columns..][..columns];
        values[4 * anchor..4 * anchor + 4].copy_from_slice(&place);
        values[12 + anchor] = object.score / class;
        values[15..].fill((1.0 - class) / (classes - 1) as f32);
        values[15 + object.class] = class;
    }
    let mut outputs = Vec::new();
    for (names, (level, table)) in [["794", "a", "b"], ["796", "c", "d"]].into_iter().zip(levels.iter().zip(&tables)) {
        let (rows, cells) = (u(level.rows), level.cells());
        match form {
            FastestForm::SideBySide => {
                outputs.push((names[0], vec![1, rows, u(level.columns), u(columns)], table.clone()));
            }
            FastestForm::Maps => {
                let mut channels = transposed(table, columns);
                logits(&mut channels[..15 * cells]);
                channels[15 * cells..].iter_mut().for_each(|share| *share = share.ln());
                for (name, from, to) in [(names[0], 0, 12), (names[1], 12, 15), (names[2], 15, columns)] {
                    let shape = vec![1, u(to - from), rows, u(level.columns)];
                    outputs.push((name, shape, channels[from * cells..to * cells].to_vec()));
                }
            }
            FastestForm::InOne => {}
        }
    }
    if form == FastestForm::InOne {
        let table = tables.concat();
        outputs.push(("output", vec![u(table.len() / columns), u(columns)], table));
    }
    scene.model(outputs)
}

/// UltraFace's boxes, decoded or as offsets from priors; the third stride's first prior of an object's cell holds it.
pub fn ultraface(scene: &Scene<'_>, is_raw: bool) -> Model {
    const LAYERS: [(usize, &[f32]); 4] =
        [(8, &[10.0, 16.0, 24.0]), (16, &[32.0, 48.0]), (32, &[64.0, 96.0]), (64, &[128.0, 192.0, 256.0])];
    let (w, h) = (scene.width as f32, scene.height as f32);
    let mut priors = Vec::new();
    let mut third = 0;
    for (stride, sizes) in LAYERS {
        if stride == 32 {
            third = priors.len();
        }
        let (columns, rows) = (scene.width.div_ceil(stride), scene.height.div_ceil(stride));
        for cell in 0..columns * rows {
            let (column, row) = ((cell % columns) as f32, (cell / columns) as f32);
            let centre = [(column + 0.5) / columns as f32, (row + 0.5) / rows as f32];
            priors.extend(sizes.iter().map(|size| [centre[0], centre[1], size / w, size / h].map(|v| v.min(1.0))));
        }
    }
    let encode = |[cx, cy, bw, bh]: [f32; 4], [px, py, pw, ph]: [f32; 4]| {
        if is_raw {
            [(cx - px) / pw / 0.1, (cy - py) / ph / 0.1, (bw / pw).ln() / 0.2, (bh / ph).ln() / 0.2]
        } else {
            [cx - bw / 2.0, cy - bh / 2.0, cx + bw / 2.0, cy + bh / 2.0]
        }
    };
    let mut scores: Vec<f32> = priors.iter().flat_map(|_| [1.0 - NOTHING, NOTHING]).collect();
    let nothing = |[x, y, w, h]: [f32; 4]| [x, y, 0.8 * w, 0.7 * h];
    let mut boxes: Vec<f32> = priors.iter().flat_map(|prior| encode(nothing(*prior), *prior)).collect();
    let level = scene.levels(&[32])[0];
    for object in scene.objects {
        let at = third + 2 * level.cell(object.centre()).1;
        scores[2 * at..2 * at + 2].copy_from_slice(&[1.0 - object.score, object.score]);
        boxes[4 * at..4 * at + 4].copy_from_slice(&encode(scene.centred_shares(object), priors[at]));
    }
    let count = u(priors.len());
    scene.model(vec![("scores", vec![1, count, 2], scores), ("boxes", vec![1, count, 4], boxes)])
}

/// YuNet.
pub fn yunet(scene: &Scene<'_>) -> Model {
    const NAMES: [[&str; 4]; 3] = [
        ["cls_8", "obj_8", "bbox_8", "kps_8"],
        ["cls_16", "obj_16", "bbox_16", "kps_16"],
        ["cls_32", "obj_32", "bbox_32", "kps_32"],
    ];
    let mut outputs = Vec::new();
    for (level, names) in scene.levels(&STRIDES).into_iter().zip(NAMES) {
        let cells = level.cells();
        let (mut class, mut objectness) = (vec![0.5; cells], vec![0.0001; cells]);
        let mut boxes = [0.5, 0.5, 0.0, 0.0].repeat(cells);
        for object in scene.objects.iter().filter(|o| scene.level(o, &STRIDES, 4.0).stride == level.stride) {
            let ([column, row], cell) = level.cell(object.centre());
            let ([cx, cy], [w, h], s) = (object.centre(), object.size(), level.stride);
            (class[cell], objectness[cell]) = (0.99, object.score.powi(2) / 0.99);
            boxes[4 * cell..4 * cell + 4].copy_from_slice(&[cx / s - column, cy / s - row, (w / s).ln(), (h / s).ln()]);
        }
        let cells = u(cells);
        outputs.push((names[0], vec![1, cells, 1], class));
        outputs.push((names[1], vec![1, cells, 1], objectness));
        outputs.push((names[2], vec![1, cells, 4], boxes));
        outputs.push((names[3], vec![1, cells, 10], vec![0.5; 10 * level.cells()]));
    }
    scene.model(outputs)
}

/// SCRFD with three strides and two anchors or five strides and one, with or without keypoints and the batch.
pub fn scrfd(scene: &Scene<'_>, has_five: bool, has_keypoints: bool) -> Model {
    const NAMES: [&str; 15] =
        ["443", "468", "493", "446", "471", "496", "449", "474", "499", "a", "b", "c", "d", "e", "f"];
    let (strides, anchors) = if has_five { (&[8, 16, 32, 64, 128][..], 1) } else { (&STRIDES[..], 2) };
    let mut kinds: [Vec<(usize, usize, Vec<f32>)>; 3] = Default::default();
    for level in scene.levels(strides) {
        let rows = anchors * level.cells();
        let (mut scores, mut sides) = (vec![NOTHING; rows], vec![1.0; 4 * rows]);
        for object in scene.objects.iter().filter(|o| scene.level(o, strides, 4.0).stride == level.stride) {
            let ([column, row], cell) = level.cell(object.centre());
            let [x1, y1, x2, y2] = object.edges.map(|edge| edge / level.stride);
            // The second anchor where there are two.
            let at = anchors * cell + anchors - 1;
            scores[at] = object.score;
            sides[4 * at..4 * at + 4].copy_from_slice(&[column - x1, row - y1, x2 - column, y2 - row]);
        }
        kinds[0].push((rows, 1, scores));
        kinds[1].push((rows, 4, sides));
        kinds[2].push((rows, 10, vec![0.0; 10 * rows]));
    }
    let used = if has_keypoints { 3 } else { 2 };
    let all = kinds.into_iter().take(used).flatten();
    let output = |(name, (rows, columns, values)): (&'static str, (usize, usize, Vec<f32>))| {
        let shape = vec![u(rows), u(columns)];
        (name, if has_keypoints { [vec![1], shape].concat() } else { shape }, values)
    };
    scene.model(NAMES.into_iter().zip(all).map(output).collect())
}

/// CenterNet, as logits or through a sigmoid; each peak has a slope that is no object.
pub fn centernet(scene: &Scene<'_>, is_logits: bool) -> Model {
    let level = scene.levels(&[4])[0];
    let cells = level.cells();
    let (mut heat, mut sizes) = (vec![0.001; scene.classes * cells], vec![0.0; 2 * cells]);
    let mut offsets = vec![0.5; 2 * cells];
    for object in scene.objects {
        let ([column, row], cell) = level.cell(object.centre());
        let ([cx, cy], [w, h]) = (object.centre(), object.size());
        heat[object.class * cells + cell] = object.score;
        heat[object.class * cells + cell + 1] = object.score * 0.9;
        (sizes[cell], sizes[cells + cell]) = (w / 4.0, h / 4.0);
        (offsets[cell], offsets[cells + cell]) = (cx / 4.0 - column, cy / 4.0 - row);
    }
    if is_logits {
        logits(&mut heat);
    }
    let shape = |channels: usize| vec![1, u(channels), u(level.rows), u(level.columns)];
    scene.model(vec![("wh", shape(2), sizes), ("hm", shape(scene.classes), heat), ("reg", shape(2), offsets)])
}

/// CenterFace.
pub fn centerface(scene: &Scene<'_>) -> Model {
    let level = scene.levels(&[4])[0];
    let cells = level.cells();
    let (mut heat, mut sizes, mut offsets) = (vec![0.001; cells], vec![0.0; 2 * cells], vec![0.0; 2 * cells]);
    for object in scene.objects {
        let ([column, row], cell) = level.cell(object.centre());
        let ([cx, cy], [w, h]) = (object.centre(), object.size());
        heat[cell] = object.score;
        (sizes[cell], sizes[cells + cell]) = ((h / 4.0).ln(), (w / 4.0).ln());
        (offsets[cell], offsets[cells + cell]) = (cy / 4.0 - row - 0.5, cx / 4.0 - column - 0.5);
    }
    let shape = |channels: usize| vec![1, u(channels), u(level.rows), u(level.columns)];
    scene.model(vec![
        ("537", shape(1), heat),
        ("538", shape(2), sizes),
        ("539", shape(2), offsets),
        ("540", shape(10), vec![0.0; 10 * cells]),
    ])
}
