"""Writes a checkpoint as ONNX, and proves that the file says what the network says.

`python export.py CHECKPOINT FILE.onnx` writes the averaged weights: opset 17, one input [1, 3, 256, 416], one output
[1, 4 + 3, cells] with `cx cy w h` in pixels of the input and scores through the sigmoid. With `--int8 FILE` also a first
quantised file, calibrated on training pictures. The input is RGB, the picture scaled into the middle and padded with 114;
its range is 0..1 as readers of this layout feed it, or 0..255 with `--input-scale 255`, which is folded into the first
convolution and costs nothing.
"""

from __future__ import annotations

import argparse
import copy
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch

from augment import SHARES
from data import Library, letterbox
from model import CLASSES, HEIGHT, STRIDES, WIDTH, Detector, Exported, Shape


def load(path: Path) -> Detector:
    """The averaged weights of a checkpoint."""
    kept = torch.load(path, map_location="cpu", weights_only=False)
    net = Detector(Shape(**kept["shape"]))
    net.load_state_dict(kept["ema"])
    return net.eval()


def folded(net: Detector, input_scale: float) -> Detector:
    """The same network for pixels from 0 to `input_scale`."""
    net = copy.deepcopy(net)
    with torch.no_grad():
        net.stem[0].weight /= input_scale
    return net


def write(net: Detector, target: Path, input_scale: float) -> None:
    """The float file with the facts that a reader needs."""
    target.parent.mkdir(parents=True, exist_ok=True)
    whole = Exported(folded(net, input_scale)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            whole,
            (torch.zeros(1, 3, HEIGHT, WIDTH),),
            str(target),
            opset_version=17,
            input_names=["images"],
            output_names=["output0"],
            dynamo=False,
        )
    model = onnx.load(target)
    facts = {
        "description": "vedette-nano: person, vehicle, bike",
        "task": "detect",
        "names": repr(dict(enumerate(CLASSES))),
        "stride": str(max(STRIDES)),
        "imgsz": repr([HEIGHT, WIDTH]),
        "batch": "1",
        "channels": "3",
        "input_scale": f"{input_scale:g}",
    }
    del model.metadata_props[:]
    for key, value in facts.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    model.producer_name, model.producer_version = "vedette", ""
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, target)


def calibration(count: int, input_scale: float) -> list[np.ndarray]:
    """Training pictures as the file takes them: of every source its share, always the same ones."""
    library, rng = Library(), np.random.default_rng(11)
    tensors = []
    for source, share in SHARES.items():
        members = [i for i, p in enumerate(library.pictures) if p.source == source and p.role == "train"]
        chosen = rng.permutation(members)[: max(1, round(count * share))]
        for number in chosen:
            pixels, *_ = letterbox(library.pixels(int(number)), HEIGHT, WIDTH)
            tensors.append(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32) * np.float32(input_scale / 255))
    return tensors


def parity(net: Detector, target: Path, tensors: list[np.ndarray], input_scale: float) -> tuple[float, float]:
    """The largest difference between network and file: of boxes in pixels, of scores."""
    session = ort.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    whole, worst = Exported(net).eval(), [0.0, 0.0]
    for tensor in tensors:
        theirs = session.run(None, {"images": tensor})[0]
        with torch.no_grad():
            mine = whole(torch.from_numpy(tensor) / input_scale).numpy()
        difference = np.abs(mine - theirs)[0]
        worst = [max(worst[0], float(difference[:4].max())), max(worst[1], float(difference[4:].max()))]
    return worst[0], worst[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--input-scale", type=float, default=1.0)
    parser.add_argument("--int8", type=Path)
    parser.add_argument("--percentile", type=float)
    parser.add_argument("--pictures", type=int, default=128)
    a = parser.parse_args()
    net = load(a.checkpoint)
    write(net, a.target, a.input_scale)
    tensors = calibration(a.pictures, a.input_scale)
    boxes, scores = parity(net, a.target, tensors[:8], a.input_scale)
    print(f"{a.target}: differs by {boxes:.5f} pixels and {scores:.7f} in score")
    if boxes > 0.05 or scores > 1e-4:
        raise SystemExit("the file does not say what the network says")
    if a.int8:
        from quantise import quantise

        quantise(a.target, a.int8, tensors, a.percentile)
        print(f"{a.int8}: calibrated on {len(tensors)} training pictures")


if __name__ == "__main__":
    main()
