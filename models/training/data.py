"""The pictures, their labels, and which classes each set really labels.

Most sets label only some of the three classes, so a picture carries the set of classes that its labels can be trusted
for. What is missing is completed by a teacher (see teacher.py). Pictures are decoded once into one flat file of bytes,
because decoding JPEGs would otherwise cost more than augmenting them.

Roles: `train`; `select` (set aside to choose between checkpoints); `held` (measured only, never trained, calibrated or
selected on).
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 640
COCO = {0: 0, 2: 1, 5: 1, 7: 1, 1: 2, 3: 2}
PERSON, VEHICLE, BIKE = 0, 1, 2


def test_data() -> Path:
    """Where the public test and training data lies."""
    return Path(os.environ.get("VEDETTE_TEST_DATA", ROOT / ".." / "shared" / "data")).resolve()


def scratch() -> Path:
    """Where caches and checkpoints go; large, and nothing in it is worth keeping in a repository."""
    folder = Path(os.environ.get("VEDETTE_TRAIN_DIR", ROOT / "target" / "training"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dataclass
class Picture:
    """One picture: where it is, what is labelled on it, and which classes are labelled completely."""

    path: Path
    source: str
    role: str
    complete: frozenset[int]
    # class, x1, y1, x2, y2 as shares of the picture.
    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 5), np.float32))
    mask: Path | None = None

    @property
    def key(self) -> str:
        """Names the picture in caches, whatever folder the data lies in."""
        return f"{self.source}/{self.path.stem}"


def read_yolo(path: Path, classes: dict[int, int] | None = None) -> np.ndarray:
    """Labels of a YOLO text file as class and corners; `classes` maps and drops the others."""
    rows = []
    if path.exists():
        for line in path.read_text().splitlines():
            parts = line.split()
            if len(parts) < 5:
                continue
            label = int(float(parts[0]))
            if classes is not None:
                if label not in classes:
                    continue
                label = classes[label]
            cx, cy, w, h = map(float, parts[1:5])
            x1, y1, x2, y2 = np.clip([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], 0, 1)
            if x2 > x1 and y2 > y1:
                rows.append([label, x1, y1, x2, y2])
    return np.array(rows, np.float32).reshape(-1, 5)


def folder(data: Path, relative: str, role: str, complete: set[int], classes: dict[int, int] | None = None) -> list[Picture]:
    """All pictures of `relative`/images with the labels beside them."""
    base = data / relative
    found = []
    for path in sorted((base / "images").glob("*.jpg")):
        mask = base / "masks" / f"{path.stem}.png"
        found.append(
            Picture(
                path,
                relative,
                role,
                frozenset(complete),
                read_yolo(base / "labels" / f"{path.stem}.txt", classes),
                mask if mask.exists() else None,
            )
        )
    return found


def aside(picture: Picture, share: float) -> bool:
    """A fixed pseudo-random share of the pictures, by name."""
    return int(hashlib.sha256(picture.key.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF < share


def photographs() -> list[Picture]:
    """Every labelled picture of the public sets."""
    data = test_data()
    everything = {PERSON, VEHICLE, BIKE}
    pictures = folder(data, "train/atl_traffic/train", "train", {VEHICLE, BIKE})
    pictures += folder(data, "train/atl_traffic/valid", "select", {VEHICLE, BIKE})
    pictures += folder(data, "train/atl_traffic/test", "held", {VEHICLE, BIKE})
    pictures += folder(data, "train/openimages_vehicles/train", "train", {VEHICLE, BIKE})
    pictures += folder(data, "train/openimages_vehicles/test", "train", {VEHICLE, BIKE})
    pictures += folder(data, "train/openimages_vehicles/valid", "select", {VEHICLE, BIKE})
    pictures += folder(data, "train/pennfudan/train", "train", {PERSON})
    # Trucks are not labelled there, so a vehicle that is not labelled proves nothing.
    voc = folder(data, "train/voc07/train", "train", {PERSON, BIKE})
    for picture in voc:
        picture.role = "select" if aside(picture, 0.08) else "train"
    pictures += voc
    pictures += folder(data, "train/voc07/valid", "held", everything)
    pictures += folder(data, "train/cgmu_traffic/train", "train", {PERSON, VEHICLE})
    pictures += folder(data, "train/cgmu_traffic/valid", "select", {PERSON, VEHICLE})
    pictures += folder(data, "train/mall_topview/train", "train", {PERSON})
    pictures += folder(data, "images/coco_train128", "train", everything, COCO)
    pictures += folder(data, "images/coco_val64", "held", everything, COCO)
    return pictures


def frames() -> list[Picture]:
    """Frames that make_frames.py has written: clips without labels, and the rendered street with its own truth."""
    base = scratch() / "frames"
    found = []
    for index in sorted(base.glob("*/index.json")):
        about = json.loads(index.read_text())
        for name, rows in about["pictures"].items():
            boxes = np.array(rows, np.float32).reshape(-1, 5)
            found.append(
                Picture(index.parent / name, f"frames/{index.parent.name}", "train", frozenset(about["complete"]), boxes)
            )
    return found


def shrink(image: np.ndarray, longest: int = LONGEST) -> np.ndarray:
    """At most `longest` pixels long."""
    scale = longest / max(image.shape[:2])
    if scale >= 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


class Store:
    """Decoded RGB pictures in one file that is mapped, not read."""

    def __init__(self, pictures: list[Picture], name: str) -> None:
        base = scratch() / "cache"
        base.mkdir(exist_ok=True)
        digest = hashlib.sha256("\n".join(p.key for p in pictures).encode()).hexdigest()[:12]
        blob, index = base / f"{name}-{digest}.bin", base / f"{name}-{digest}.npy"
        if not index.exists():
            rows, offset = [], 0
            with open(blob, "wb") as out:
                for picture in pictures:
                    bgr = cv2.imread(str(picture.path), cv2.IMREAD_COLOR)
                    if bgr is None:
                        raise OSError(f"not a picture: {picture.path}")
                    rgb = np.ascontiguousarray(shrink(bgr)[:, :, ::-1])
                    out.write(rgb.tobytes())
                    rows.append((offset, rgb.shape[0], rgb.shape[1]))
                    offset += rgb.nbytes
            np.save(index, np.array(rows, np.int64))
        self.rows = np.load(index)
        self.blob = np.memmap(blob, np.uint8, "r") if len(self.rows) else np.zeros(0, np.uint8)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> np.ndarray:
        offset, height, width = self.rows[number]
        return self.blob[offset : offset + height * width * 3].reshape(height, width, 3)


class Library:
    """Photographs and frames with their decoded pixels; frames may come later without decoding the rest again."""

    def __init__(self) -> None:
        photos, clips = photographs(), frames()
        self.pictures = photos + clips
        self.stores = (Store(photos, "photographs"), Store(clips, "frames"))

    def __len__(self) -> int:
        return len(self.pictures)

    def pixels(self, number: int) -> np.ndarray:
        """RGB bytes of a picture."""
        first, second = self.stores
        return first[number] if number < len(first) else second[number - len(first)]


def letterbox(image: np.ndarray, height: int, width: int, fill: int = 114) -> tuple[np.ndarray, float, float, float]:
    """Scaled into the middle of `height` x `width`; also the scale and the offsets to undo it."""
    scale = min(width / image.shape[1], height / image.shape[0])
    w, h = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(image, (w, h), interpolation=method)
    x, y = (width - w) // 2, (height - h) // 2
    canvas = np.full((height, width, 3), fill, np.uint8)
    canvas[y : y + h, x : x + w] = resized
    return canvas, scale, float(x), float(y)
