"""Training pictures with the teacher's word on them, made by processes of their own and kept in a ring of mapped files.

Making a picture and asking the teacher costs about as much as the training step on it. So makers fill a ring and the
training draws from it at random: a slow maker only means that pictures are seen again, and nothing waits for anything.
The training says how many it wants, so that the maker does not take the processor from it.

`python ring.py --part 0 --parts 1` is a maker; train.py starts one.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import cv2
import numpy as np

from augment import Composer
from data import Library, scratch
from model import CLASSES, HEIGHT, STRIDES, WIDTH
from teacher import Teacher

CELLS = sum((HEIGHT // s) * (WIDTH // s) for s in STRIDES)
MOST = 96
FEATURES = 64
SLOTS = 6144


class Ring:
    """The mapped arrays; `filled[i]` is 0 until slot i has been written, then how often it was."""

    def __init__(self, folder: Path, slots: int = SLOTS, create: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        about = folder / "ring.json"
        if about.exists():
            slots = json.loads(about.read_text())["slots"]
        elif not create:
            raise FileNotFoundError(f"no ring at {folder}")
        self.slots = slots
        shapes = {
            "image": ((HEIGHT, WIDTH, 3), np.uint8),
            "score": ((CELLS, len(CLASSES)), np.float16),
            "place": ((CELLS, 4), np.float16),
            "feature": ((CELLS, FEATURES), np.int8),
            "scale": ((len(STRIDES),), np.float32),
            "known": ((CELLS, len(CLASSES)), np.bool_),
            "box": ((MOST, 6), np.float32),
            "count": ((), np.int32),
            "filled": ((), np.int64),
        }
        for name, (shape, kind) in shapes.items():
            path = folder / f"{name}.bin"
            mode = "r+" if path.exists() else "w+"
            setattr(self, name, np.memmap(path, kind, mode, shape=(slots, *shape)))
        if not about.exists():
            about.write_text(json.dumps({"slots": slots}))

    def ready(self) -> np.ndarray:
        """Slots that may be read."""
        return np.nonzero(np.asarray(self.filled) > 0)[0]


def ask(folder: Path, pictures: int) -> None:
    """Lets each maker make this many pictures in all since the training began."""
    part = folder / "asked.part"
    part.write_text(str(pictures))
    part.replace(folder / "asked")


def asked(folder: Path) -> float:
    """How many pictures a maker may make; all that it likes while nobody says."""
    try:
        return float((folder / "asked").read_text())
    except (FileNotFoundError, ValueError):
        return float("inf")


def make(part: int, parts: int, seed: int, batch: int, limit: int | None, folder: Path) -> None:
    """Fills every `parts`th slot, round after round."""
    cv2.setNumThreads(1)
    ring = Ring(folder, create=True)
    with np.load(scratch() / "teacher.npz") as seen:
        composer = Composer(Library(), dict(seen), seed * 1000 + part)
    teacher = Teacher(1)
    mine = np.arange(part, ring.slots, parts)
    written, turn, parent = 0, 0, os.getppid()
    while limit is None or written < limit:
        if os.getppid() != parent:
            return  # the training has ended
        if written >= asked(folder):
            time.sleep(0.2)  # far enough ahead, or the training has been stopped: so rests its maker
            continue
        slots = mine[np.arange(turn, turn + batch) % len(mine)]
        turn = (turn + batch) % len(mine)
        samples = [composer.compose() for _ in range(batch)]
        scores, places, features = teacher.maps(np.stack([s.clean for s in samples]))
        peaks = np.stack([np.abs(f).max((1, 2, 3)) for f in features], 1) / 127
        flat = np.concatenate(
            [
                np.round(f / peaks[:, level, None, None, None]).astype(np.int8).reshape(batch, FEATURES, -1)
                for level, f in enumerate(features)
            ],
            2,
        ).transpose(0, 2, 1)
        for i, (slot, sample) in enumerate(zip(slots, samples)):
            boxes = sample.boxes[:MOST]
            times = int(ring.filled[slot])
            ring.filled[slot] = 0
            ring.image[slot] = sample.seen
            ring.score[slot] = scores[i]
            ring.place[slot] = places[i].clip(-2000, 2000)
            ring.feature[slot] = flat[i]
            ring.scale[slot] = peaks[i]
            ring.known[slot] = sample.known
            ring.box[slot, : len(boxes)] = boxes
            ring.count[slot] = len(boxes)
            ring.filled[slot] = times + 1
        written += batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", type=int, default=0)
    parser.add_argument("--parts", type=int, default=1)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--folder", type=Path)
    a = parser.parse_args()
    make(a.part, a.parts, a.seed, a.batch, a.limit, a.folder or scratch() / "ring")


if __name__ == "__main__":
    main()
