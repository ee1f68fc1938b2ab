"""The teacher: a COCO detector that completes missing labels and lends its dense scores.

Our own few thousand pictures are labelled in part only. YOLOX-nano has seen all of COCO; what it says about a picture is
worth having in two forms. Before training it is run on every picture at two scales, also mirrored, and what the passes
agree on becomes labels for the classes that the picture's set does not label. During training it looks at the very
pictures that the student sees, and its scores, boxes and features of every cell are targets for the student (same
strides, same cells).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import utils

from data import Library, letterbox, scratch, test_data

STRIDES = (8, 16, 32)
# COCO classes that make up person, vehicle and bike.
GROUPS = ((0,), (2, 5, 7), (1, 3))


def open_graph(source: Path, target: Path) -> None:
    """Cuts the teacher before its reshapes, so that it takes any batch and any size in multiples of 32.

    Outputs are the three [batch, 85, h, w] maps and the three 64-channel maps that its head reads.
    """
    model = onnx.load(source)
    producers = {name: node for node in model.graph.node for name in node.output}

    def up(name: str) -> str:
        """From a prediction's map back to the map that the level's branches start from."""
        node = producers[name]
        for _ in range(4):  # two depthwise-separable blocks: depthwise, activation, pointwise, activation each
            while node.op_type != "Conv":
                node = producers[node.input[0]]
            name = node.input[0]
            node = producers[name]
        return name

    maps, stems = [], []
    last = producers[model.graph.output[0].name]
    joined = producers[last.input[0]]
    for name in joined.input:
        level = producers[name].input[0]  # the reshape's input
        maps.append(level)
        regression = producers[level].input[0]
        stems.append(up(producers[regression].input[0]))
    for value in list(model.graph.input):
        shape = value.type.tensor_type.shape
        for axis, text in ((0, "n"), (2, "h"), (3, "w")):
            shape.dim[axis].dim_param = text
    del model.graph.value_info[:]
    model = utils.Extractor(onnx.shape_inference.infer_shapes(model)).extract_model(
        [model.graph.input[0].name], maps + stems
    )
    for output in model.graph.output:
        for axis, text in ((0, "n"), (2, "oh"), (3, "ow")):
            output.type.tensor_type.shape.dim[axis].dim_param = f"{text}_{output.name}"
    onnx.save(model, target)


class Teacher:
    """Runs the opened graph."""

    def __init__(self, threads: int = 1) -> None:
        path = scratch() / "teacher.onnx"
        if not path.exists():
            open_graph(test_data() / "models/detect/yolox_nano_416.onnx", path)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.name = self.session.get_inputs()[0].name

    def maps(self, rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
        """Of [n, h, w, 3] RGB bytes: scores [n, cells, 3], corner boxes [n, cells, 4] and the head's inputs."""
        x = np.ascontiguousarray(rgb[..., ::-1].transpose(0, 3, 1, 2), np.float32)
        *found, s8, s16, s32 = self.session.run(None, {self.name: x})
        scores, boxes = [], []
        for stride, level in zip(STRIDES, found):
            n, _, h, w = level.shape
            cells = level.reshape(n, 85, h * w)
            scores.append(np.stack([cells[:, [5 + c for c in group]].max(1) for group in GROUPS], 2) * cells[:, 4, :, None])
            ys, xs = np.divmod(np.arange(h * w, dtype=np.float32), w)
            cx, cy = (cells[:, 0] + xs) * stride, (cells[:, 1] + ys) * stride
            bw, bh = (np.exp(np.minimum(cells[:, i], 8)) * stride / 2 for i in (2, 3))
            boxes.append(np.stack((cx - bw, cy - bh, cx + bw, cy + bh), 2))
        return np.concatenate(scores, 1), np.concatenate(boxes, 1), [s8, s16, s32]


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pairwise intersection over union of corner boxes."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inside = np.clip(high - low, 0, None).prod(2)
    area = lambda x: (x[:, 2] - x[:, 0]) * (x[:, 3] - x[:, 1])  # noqa: E731
    return inside / np.maximum(area(a)[:, None] + area(b)[None] - inside, 1e-9)


def suppress(boxes: np.ndarray, scores: np.ndarray, limit: float = 0.6) -> np.ndarray:
    """Indices that greedy non-maximum suppression keeps, best first."""
    order, kept = np.argsort(-scores), []
    overlap = iou(boxes, boxes)
    alive = np.ones(len(boxes), bool)
    for i in order:
        if alive[i]:
            kept.append(i)
            alive &= overlap[i] <= limit
    return np.array(kept, int)


def one_pass(teacher: Teacher, rgb: np.ndarray, longest: int, mirror: bool, floor: float) -> np.ndarray:
    """Boxes of one look: rows of class, score and corners as shares of the picture."""
    scale = longest / max(rgb.shape[:2])
    height = max(32, round(rgb.shape[0] * scale / 32) * 32)
    width = max(32, round(rgb.shape[1] * scale / 32) * 32)
    canvas, scale, x, y = letterbox(rgb[:, ::-1] if mirror else rgb, height, width)
    scores, boxes, _ = teacher.maps(canvas[None])
    found = []
    for label in range(len(GROUPS)):
        hot = scores[0, :, label] > floor
        b, s = boxes[0, hot], scores[0, hot, label]
        keep = suppress(b, s)
        b, s = (b[keep] - [x, y, x, y]) / scale, s[keep]
        if mirror:
            b = np.stack((rgb.shape[1] - b[:, 2], b[:, 1], rgb.shape[1] - b[:, 0], b[:, 3]), 1)
        b = np.clip(b / np.array([rgb.shape[1], rgb.shape[0]] * 2), 0, 1)
        found.append(np.column_stack((np.full(len(s), label), s, b)))
    return np.concatenate(found).astype(np.float32)


def agree(passes: list[np.ndarray], weights: list[float]) -> np.ndarray:
    """Joins what several looks saw: clusters by overlap, score = the best of a full vote and of each look halved."""
    rows = np.concatenate([np.column_stack((p, np.full(len(p), i))) for i, p in enumerate(passes)])
    joined = []
    for label in range(len(GROUPS)):
        left = rows[rows[:, 0] == label]
        left = left[np.argsort(-left[:, 1])]
        while len(left):
            near = iou(left[:1, 2:6], left[:, 2:6])[0] > 0.55
            cluster = left[near]
            left = left[~near]
            best = np.zeros(len(passes))
            for row in cluster:
                best[int(row[6])] = max(best[int(row[6])], row[1])
            vote = float(np.dot(best, weights) / sum(weights))
            score = max(vote, 0.6 * float(best.max()))
            box = np.average(cluster[:, 2:6], axis=0, weights=cluster[:, 1] ** 2)
            joined.append([label, score, *box])
    return np.array(joined, np.float32).reshape(-1, 6)


def label(library: Library, target: Path, floor: float = 0.1) -> None:
    """Writes what the teacher sees on every picture: rows of class, score and corners."""
    done: dict[str, np.ndarray] = dict(np.load(target)) if target.exists() else {}
    teacher = Teacher(1)
    for number, picture in enumerate(library.pictures):
        if picture.key in done or picture.role == "held":
            continue
        rgb = library.pixels(number)
        looks, weights = [], []
        for longest, weight in ((416, 1.0), (640, 1.0)):
            for mirror in (False, True):
                looks.append(one_pass(teacher, rgb, longest, mirror, floor))
                weights.append(weight)
        done[picture.key] = agree(looks, weights)
        if number % 500 == 499:
            print(f"{number + 1} of {len(library)}", flush=True)
    np.savez(target.with_suffix(".part.npz"), **done)
    target.with_suffix(".part.npz").replace(target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    label(Library(), scratch() / "teacher.npz")


if __name__ == "__main__":
    main()
