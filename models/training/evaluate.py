"""Average precision with pycocotools' definitions, on any checkpoint or ONNX file, while training goes on too.

`python evaluate.py CHECKPOINT_OR_ONNX` measures the held-out sets; nothing there may steer the training.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from data import PERSON, Library, Picture, letterbox, test_data
from model import CLASSES, HEIGHT, WIDTH, Detector, Exported, Shape
from teacher import suppress

Runner = Callable[[np.ndarray], np.ndarray]


def runner_of_network(net: torch.nn.Module) -> Runner:
    """Of a detector in evaluation mode: [n, h, w, 3] bytes to [n, 4 + classes, cells]."""
    whole = Exported(net).eval()

    @torch.no_grad()
    def run(pixels: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
        return whole(x).numpy()

    return run


def runner_of_file(path: Path, threads: int = 1) -> Runner:
    """Of a checkpoint (its averaged weights) or an ONNX file."""
    if path.suffix == ".onnx":
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        port = session.get_inputs()[0]
        scale = float(session.get_modelmeta().custom_metadata_map.get("input_scale", "1"))

        def run(pixels: np.ndarray) -> np.ndarray:
            x = pixels.transpose(0, 3, 1, 2).astype(np.float32) * (scale / 255)
            return np.concatenate([session.run(None, {port.name: np.ascontiguousarray(x[i : i + 1])})[0] for i in range(len(x))])

        return run
    kept = torch.load(path, map_location="cpu", weights_only=False)
    net = Detector(Shape(**kept["shape"]))
    net.load_state_dict(kept["ema"])
    return runner_of_network(net.eval().to(memory_format=torch.channels_last))


def detect(run: Runner, images: list[np.ndarray], floor: float = 0.01, limit: float = 0.65) -> list[np.ndarray]:
    """Rows of class, score and corners in pixels of each image."""
    found = []
    for start in range(0, len(images), 8):
        chosen = images[start : start + 8]
        boxed = [letterbox(image, HEIGHT, WIDTH) for image in chosen]
        for (_, scale, x, y), image, out in zip(boxed, chosen, run(np.stack([b[0] for b in boxed]))):
            rows = []
            centre, size = out[:2].T, out[2:4].T
            corners = np.concatenate((centre - size / 2, centre + size / 2), 1)
            for label in range(len(CLASSES)):
                scores = out[4 + label]
                hot = np.nonzero(scores > floor)[0]
                hot = hot[np.argsort(-scores[hot])[:300]]
                keep = hot[suppress(corners[hot], scores[hot], limit)]
                b = (corners[keep] - [x, y, x, y]) / scale
                b = b.clip(0, [image.shape[1], image.shape[0]] * 2)
                rows.append(np.column_stack((np.full(len(keep), label), scores[keep], b)))
            rows = np.concatenate(rows)
            found.append(rows[np.argsort(-rows[:, 1])[:100]])
    return found


def precision(pictures: list[Picture], images: list[np.ndarray], found: list[np.ndarray], label: int) -> dict[str, float]:
    """AP and AP50 of one class over pictures on which it is labelled."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, answers = [], []
    for number, (picture, image, rows) in enumerate(zip(pictures, images, found)):
        size = np.array([image.shape[1], image.shape[0]] * 2)
        for x1, y1, x2, y2 in picture.boxes[picture.boxes[:, 0] == label][:, 1:5] * size:
            w, h = float(x2 - x1), float(y2 - y1)
            truth.append(
                {"id": len(truth) + 1, "image_id": number, "category_id": label, "bbox": [float(x1), float(y1), w, h], "area": w * h, "iscrowd": 0}
            )
        for _, score, x1, y1, x2, y2 in rows[rows[:, 0] == label]:
            box = [float(x1), float(y1), float(x2 - x1), float(y2 - y1)]
            answers.append({"image_id": number, "category_id": label, "bbox": box, "score": float(score)})
    if not truth:
        return {"ap": float("nan"), "ap50": float("nan"), "objects": 0}
    if not answers:
        return {"ap": 0.0, "ap50": 0.0, "objects": len(truth)}
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": i, "width": im.shape[1], "height": im.shape[0]} for i, im in enumerate(images)],
            "annotations": truth,
            "categories": [{"id": label, "name": CLASSES[label]}],
        }
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(answers), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return {"ap": float(judge.stats[0]), "ap50": float(judge.stats[1]), "objects": len(truth)}


def measure(run: Runner, library: Library, groups: dict[str, tuple[str, str, set[int]]]) -> dict[str, dict[str, float]]:
    """Figures per group; a group is a prefix of the source, a role and the classes that it may be asked for."""
    result = {}
    for name, (source, role, labels) in groups.items():
        chosen = [i for i, p in enumerate(library.pictures) if p.source.startswith(source) and p.role == role]
        pictures, images = [library.pictures[i] for i in chosen], [np.asarray(library.pixels(i)) for i in chosen]
        found = detect(run, images)
        for label in sorted(labels):
            result[f"{name} {CLASSES[label]}"] = precision(pictures, images, found, label)
    return result


SELECT = {
    "voc": ("train/voc07/train", "select", {0, 2}),
    "atl": ("train/atl_traffic/valid", "select", {1}),
    "openimages": ("train/openimages_vehicles/valid", "select", {1, 2}),
    "cgmu": ("train/cgmu_traffic/valid", "select", {1}),
}
HELD = {
    "coco_val64": ("images/coco_val64", "held", {0, 1, 2}),
    "voc07/valid": ("train/voc07/valid", "held", {0, 1, 2}),
    "atl_traffic/test": ("train/atl_traffic/test", "held", {1, 2}),
}


def visits(run: Runner, threshold: float = 0.4) -> dict[str, object]:
    """How many of the six visits of the clip are seen, and how often somebody is seen where nobody is.

    A visit is seen when a person is found on half of its pictures (every fifth is looked at).
    """
    about = json.loads((test_data() / "events_checked.json").read_text())["video/one-by-one-person-detection.mp4"]
    clip, images, numbers = cv2.VideoCapture(str(test_data() / "video/one-by-one-person-detection.mp4")), [], []
    number = 0
    while True:
        there, frame = clip.read()
        if not there:
            break
        if number % 5 == 0:
            images.append(np.ascontiguousarray(frame[:, :, ::-1]))
            numbers.append(number)
        number += 1
    found = detect(run, images, floor=threshold)
    present = np.array([(rows[:, 0] == PERSON).any() if len(rows) else False for rows in found])
    frames, slack = np.array(numbers), about["frame_tolerance"]
    inside = np.zeros(len(frames), bool)
    shares = []
    for first, last in about["presence_frames_approx"]:
        here = (frames >= first + slack) & (frames <= last - slack)
        shares.append(float(present[here].mean()))
        inside |= (frames >= first - slack) & (frames <= last + slack)
    return {
        "visits": sum(s >= 0.5 for s in shares),
        "of": len(shares),
        "share of pictures with the person": [round(s, 2) for s in shares],
        "false presence on empty pictures": round(float(present[~inside].mean()), 3),
        "threshold": threshold,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--select", action="store_true", help="the sets to choose by, not the held-out ones")
    parser.add_argument("--no-clip", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    run = runner_of_file(a.file, a.threads)
    for name, figures in measure(run, Library(), SELECT if a.select else HELD).items():
        print(f"{name:28} AP50 {figures['ap50']:.3f}  AP {figures['ap']:.3f}  ({figures['objects']} objects)")
    if not a.no_clip:
        print(json.dumps(visits(run)))


if __name__ == "__main__":
    main()
