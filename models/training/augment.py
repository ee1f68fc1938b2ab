"""Makes a training picture out of the library's pictures, and says which labels hold on which part of it.

Every cell of the three maps gets a mark per class: `known` means that the labels are complete there, so what is not
labelled is background; elsewhere the teacher's word is taken instead. Cameras of security systems see small people from
above, in bad light, through bad codecs; scale and light are varied accordingly.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from data import Library, Picture
from model import CLASSES, HEIGHT, STRIDES, WIDTH
from teacher import iou

CERTAIN = 0.5
DOUBTFUL = 0.15
SMALLEST = 4.0
# How often a source is drawn, against its size: street scenes are few and are what matters.
SHARES = {
    "train/voc07/train": 0.42,
    "train/atl_traffic/train": 0.14,
    "train/openimages_vehicles/train": 0.09,
    "train/openimages_vehicles/test": 0.02,
    "images/coco_train128": 0.08,
    "train/pennfudan/train": 0.06,
    "train/cgmu_traffic/train": 0.06,
    "train/mall_topview/train": 0.03,
    "frames/street": 0.06,
    "frames/clips": 0.04,
}


@dataclass
class Labelled:
    """Labels of a picture after the teacher: boxes to find, and boxes about which nobody is sure.

    `boxes` are class, corners (shares of the picture), weight; `doubts` are class and corners.
    """

    boxes: np.ndarray
    doubts: np.ndarray
    known: np.ndarray


def complete(picture: Picture, seen: np.ndarray | None) -> Labelled:
    """Adds to a picture's own labels what the teacher is certain of and the set may have left out."""
    own = np.column_stack((picture.boxes, np.ones(len(picture.boxes), np.float32)))
    boxes, doubts = [own], [np.zeros((0, 5), np.float32)]
    if seen is not None:
        for label in range(len(CLASSES)):
            rows = seen[seen[:, 0] == label]
            mine = picture.boxes[picture.boxes[:, 0] == label]
            if len(mine) and len(rows):
                rows = rows[iou(rows[:, 2:6], mine[:, 1:5]).max(1) < 0.45]
            certain = rows[:, 1] >= CERTAIN
            if label in picture.complete:
                # A complete set that misses what the teacher sees is wrong as often as the teacher: teach neither.
                doubts.append(rows[rows[:, 1] >= 0.35][:, [0, 2, 3, 4, 5]])
            else:
                boxes.append(rows[certain][:, [0, 2, 3, 4, 5, 1]])
                doubts.append(rows[~certain & (rows[:, 1] >= DOUBTFUL)][:, [0, 2, 3, 4, 5]])
    known = np.array([label in picture.complete for label in range(len(CLASSES))])
    return Labelled(np.concatenate(boxes).astype(np.float32), np.concatenate(doubts).astype(np.float32), known)


@dataclass
class Sample:
    """A picture as the teacher sees it and as the student does, and its labels in pixels."""

    clean: np.ndarray
    seen: np.ndarray
    boxes: np.ndarray
    known: np.ndarray


class Canvas:
    """The picture under construction."""

    def __init__(self) -> None:
        self.image = np.full((HEIGHT, WIDTH, 3), 114, np.uint8)
        self.known = np.ones((HEIGHT // 8, WIDTH // 8, len(CLASSES)), bool)
        self.boxes: list[np.ndarray] = []
        self.doubts: list[np.ndarray] = []

    def place(
        self,
        image: np.ndarray,
        labelled: Labelled,
        size: tuple[float, float],
        at: tuple[float, float],
        region: tuple[int, int, int, int],
        mirror: bool,
    ) -> None:
        """Draws `image` scaled to `size` (w, h) with its corner `at`, as far as it lies in `region` (x1, y1, x2, y2)."""
        w, h = max(2, round(size[0])), max(2, round(size[1]))
        x, y = round(at[0]), round(at[1])
        x1, y1, x2, y2 = max(region[0], x), max(region[1], y), min(region[2], x + w), min(region[3], y + h)
        if x2 - x1 < 2 or y2 - y1 < 2:
            return
        # Only the part that will be seen is resized.
        sx, sy = image.shape[1] / w, image.shape[0] / h
        a, b = (w - (x2 - x), w - (x1 - x)) if mirror else (x1 - x, x2 - x)
        matrix = np.array([[1 / sx, 0, -a + 0.5 / sx - 0.5], [0, 1 / sy, -(y1 - y) + 0.5 / sy - 0.5]])
        if sx > 1.6:  # area averaging first, else it aliases
            left, right = int(a * sx), min(image.shape[1], int(np.ceil(b * sx)))
            top, low = int((y1 - y) * sy), min(image.shape[0], int(np.ceil((y2 - y) * sy)))
            part = cv2.resize(image[top:low, left:right], (x2 - x1, y2 - y1), interpolation=cv2.INTER_AREA)
        else:
            part = cv2.warpAffine(image, matrix, (x2 - x1, y2 - y1), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        self.image[y1:y2, x1:x2] = part[:, ::-1] if mirror else part
        cells = (slice(y1 // 8, -(-y2 // 8)), slice(x1 // 8, -(-x2 // 8)))
        self.known[cells] &= labelled.known

        def move(boxes: np.ndarray) -> np.ndarray:
            moved = boxes.copy()
            xs = boxes[:, [1, 3]]
            moved[:, [1, 3]] = ((1 - xs[:, ::-1]) if mirror else xs) * w + x
            moved[:, [2, 4]] = boxes[:, [2, 4]] * h + y
            return moved

        boxes, doubts = move(labelled.boxes), move(labelled.doubts)
        whole = (boxes[:, 3] - boxes[:, 1]) * (boxes[:, 4] - boxes[:, 2])
        for rows in (boxes, doubts):
            rows[:, [1, 3]] = rows[:, [1, 3]].clip(x1, x2)
            rows[:, [2, 4]] = rows[:, [2, 4]].clip(y1, y2)
        bw, bh = boxes[:, 3] - boxes[:, 1], boxes[:, 4] - boxes[:, 2]
        there = bw * bh > 0
        good = there & (bw * bh > 0.3 * whole) & (np.minimum(bw, bh) >= SMALLEST)
        self.boxes.append(boxes[good])
        self.doubts += [boxes[there & ~good][:, :5], doubts]


class Composer:
    """Draws training pictures; the same seed gives the same ones."""

    def __init__(self, library: Library, seen: dict[str, np.ndarray], seed: int) -> None:
        self.library = library
        self.rng = np.random.default_rng(seed)
        members = [i for i, p in enumerate(library.pictures) if p.role == "train"]
        self.labels = {i: complete(library.pictures[i], seen.get(library.pictures[i].key)) for i in members}
        by_source: dict[str, list[int]] = {}
        for i in members:
            by_source.setdefault(library.pictures[i].source, []).append(i)
        self.sources = list(by_source)
        self.members = [np.array(by_source[s]) for s in self.sources]
        shares = np.array([SHARES.get(s, 0.02) for s in self.sources])
        self.shares = shares / shares.sum()
        self.cutouts = self.cut_out(members)

    def cut_out(self, members: list[int]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Pedestrians with their masks, to be pasted elsewhere."""
        found = []
        for i in members:
            picture = self.library.pictures[i]
            if picture.mask is None:
                continue
            pixels = self.library.pixels(i)
            mask = cv2.imread(str(picture.mask), cv2.IMREAD_UNCHANGED)
            mask = mask[..., 0] if mask.ndim == 3 else mask
            mask = cv2.resize(mask, (pixels.shape[1], pixels.shape[0]), interpolation=cv2.INTER_NEAREST)
            for value in np.unique(mask):
                if value == 0:
                    continue
                ys, xs = np.nonzero(mask == value)
                if len(ys) < 600:
                    continue
                y1, y2, x1, x2 = ys.min(), ys.max() + 1, xs.min(), xs.max() + 1
                if (y2 - y1) < 1.3 * (x2 - x1):
                    continue
                alpha = cv2.GaussianBlur((mask[y1:y2, x1:x2] == value).astype(np.float32), (3, 3), 0)
                found.append((pixels[y1:y2, x1:x2].copy(), alpha))
        return found

    def pick(self) -> tuple[np.ndarray, Labelled]:
        source = self.rng.choice(len(self.sources), p=self.shares)
        number = int(self.rng.choice(self.members[source]))
        return self.library.pixels(number), self.labels[number]

    def compose(self) -> Sample:
        """One training picture."""
        canvas, rng = Canvas(), self.rng
        kind = rng.random()
        if kind < 0.30:
            self.single(canvas, jitter=False)
        elif kind < 0.60:
            self.single(canvas, jitter=True)
        else:
            self.mosaic(canvas, rows=1 if kind < 0.75 else 2)
        if rng.random() < 0.25 and self.cutouts:
            for _ in range(int(rng.integers(1, 6))):
                self.paste(canvas)
        boxes = np.concatenate(canvas.boxes) if canvas.boxes else np.zeros((0, 6), np.float32)
        doubts = np.concatenate(canvas.doubts) if canvas.doubts else np.zeros((0, 5), np.float32)
        known = self.cells(canvas.known, doubts)
        return Sample(canvas.image, photograph(canvas.image, rng), boxes, known)

    def single(self, canvas: Canvas, jitter: bool) -> None:
        image, labelled = self.pick()
        height, width = image.shape[:2]
        scale = min(WIDTH / width, HEIGHT / height)
        sx = sy = scale
        x, y = (WIDTH - width * sx) / 2, (HEIGHT - height * sy) / 2
        if jitter:
            scale *= float(np.exp(self.rng.uniform(np.log(0.45), np.log(2.0))))
            stretch = float(np.exp(self.rng.uniform(-0.14, 0.14)))
            sx, sy = scale * stretch, scale / stretch
            x = self.rng.uniform(*sorted((0.0, WIDTH - width * sx)))
            y = self.rng.uniform(*sorted((0.0, HEIGHT - height * sy)))
        mirror = bool(self.rng.random() < 0.5)
        canvas.place(image, labelled, (width * sx, height * sy), (x, y), (0, 0, WIDTH, HEIGHT), mirror)

    def mosaic(self, canvas: Canvas, rows: int) -> None:
        rng = self.rng
        cx = round(WIDTH * rng.uniform(0.3, 0.7) / 8) * 8
        cy = round(HEIGHT * rng.uniform(0.3, 0.7) / 8) * 8 if rows == 2 else HEIGHT
        regions = [(0, 0, cx, cy), (cx, 0, WIDTH, cy)]
        if rows == 2:
            regions += [(0, cy, cx, HEIGHT), (cx, cy, WIDTH, HEIGHT)]
        for region in regions:
            image, labelled = self.pick()
            height, width = image.shape[:2]
            rw, rh = region[2] - region[0], region[3] - region[1]
            fit, cover = sorted((rw / width, rh / height))
            scale = fit + (cover - fit) * rng.uniform(0, 1)
            scale *= float(np.exp(rng.uniform(np.log(0.8), np.log(1.6))))
            stretch = float(np.exp(rng.uniform(-0.12, 0.12)))
            w, h = width * scale * stretch, height * scale / stretch
            x = region[0] + rng.uniform(*sorted((0.0, rw - w)))
            y = region[1] + rng.uniform(*sorted((0.0, rh - h)))
            canvas.place(image, labelled, (w, h), (x, y), region, bool(rng.random() < 0.5))

    def paste(self, canvas: Canvas) -> None:
        """A pedestrian, small more often than large."""
        rng = self.rng
        pixels, alpha = self.cutouts[int(rng.integers(len(self.cutouts)))]
        height = round(float(np.exp(rng.uniform(np.log(16), np.log(170)))))
        width = max(4, round(height * pixels.shape[1] / pixels.shape[0] * rng.uniform(0.9, 1.1)))
        x, y = int(rng.integers(0, max(1, WIDTH - width))), int(rng.integers(0, max(1, HEIGHT - height)))
        there = np.concatenate(canvas.boxes) if canvas.boxes else np.zeros((0, 6), np.float32)
        box = np.array([[0, x, y, x + width, y + height, 1]], np.float32)
        if len(there) and iou(box[:, 1:5], there[:, 1:5]).max() > 0.25:
            return
        if rng.random() < 0.5:
            pixels, alpha = pixels[:, ::-1], alpha[:, ::-1]
        small = cv2.resize(np.ascontiguousarray(pixels), (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        cover = cv2.resize(np.ascontiguousarray(alpha), (width, height), interpolation=cv2.INTER_AREA)[..., None]
        under = canvas.image[y : y + height, x : x + width]
        gain = float(np.clip((under.mean() + 40) / (small.mean() + 40), 0.5, 1.3)) ** 0.5
        canvas.image[y : y + height, x : x + width] = (small * gain * cover + under * (1 - cover)).clip(0, 255)
        canvas.boxes.append(box)

    @staticmethod
    def cells(known: np.ndarray, doubts: np.ndarray) -> np.ndarray:
        """Marks of all cells of all levels, [cells, classes]: known and not in a doubtful box."""
        fine = known.copy()
        for label, x1, y1, x2, y2 in doubts:
            if x2 > x1 and y2 > y1:
                fine[int(y1) // 8 : int(y2 - 1e-3) // 8 + 1, int(x1) // 8 : int(x2 - 1e-3) // 8 + 1, int(label)] = False
        levels = []
        for stride in STRIDES:
            k = stride // 8
            h, w, c = fine.shape
            levels.append(fine.reshape(h // k, k, w // k, k, c).all((1, 3)).reshape(-1, c))
        return np.concatenate(levels)


def photograph(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same scene through another lens, another light and another codec."""
    out = image
    if rng.random() < 0.8:
        hsv = cv2.cvtColor(out, cv2.COLOR_RGB2HSV)
        hue, sat, val = rng.uniform(-1, 1, 3) * (8, 0.5, 0.35) + (0, 1, 1)
        steps = np.arange(256)
        tables = ((steps + hue) % 180, np.clip(steps * sat, 0, 255), np.clip(steps * val, 0, 255))
        merged = [cv2.LUT(np.ascontiguousarray(hsv[..., i]), tables[i].astype(np.uint8)) for i in range(3)]
        out = cv2.cvtColor(cv2.merge(merged), cv2.COLOR_HSV2RGB)
    if rng.random() < 0.15:  # dusk, night, glare
        gamma = float(np.exp(rng.uniform(-0.6, 1.0)))
        top = rng.uniform(90, 255)
        table = (np.linspace(0, 1, 256) ** gamma * top + rng.uniform(0, 12)).clip(0, 255).astype(np.uint8)
        out = cv2.LUT(out, table)
    if rng.random() < 0.14:  # infrared and black-and-white cameras
        gray = cv2.cvtColor(out, cv2.COLOR_RGB2GRAY)
        out = cv2.merge([gray] * 3)
    if rng.random() < 0.15:
        kernel = int(rng.choice([3, 5]))
        if rng.random() < 0.5:
            out = cv2.GaussianBlur(out, (kernel, kernel), 0)
        else:  # motion
            line = np.zeros((kernel, kernel), np.float32)
            line[kernel // 2] = 1 / kernel
            out = cv2.filter2D(out, -1, line)
    if rng.random() < 0.12:
        factor = rng.uniform(0.4, 0.8)
        small = cv2.resize(out, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        out = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.2:
        noise = rng.integers(0, 256, (HEIGHT, WIDTH), np.uint8).astype(np.int16) - 128
        out = (out.astype(np.int16) + (noise[..., None] * rng.uniform(0.02, 0.18)).astype(np.int16)).clip(0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        quality = int(rng.integers(20, 80))
        _, code = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])
        out = cv2.imdecode(code, cv2.IMREAD_COLOR)
    return out
