"""Measures shapes before anything is trained: latency of float and int8 at one thread, and the cost of a training step."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch

from model import HEIGHT, WIDTH, Detector, Exported, Shape, flatten, multiplications
from quantise import quantise
from train import NANO

SHAPES: dict[str, Shape] = {
    "nano": NANO,
    "base": Shape(),
    "thin-head": Shape(head=48, neck=48),
    "no-pan": Shape(pan=False, head_depth=2),
    "plain": Shape(csp=False),
    "wide": Shape(stem=16, widths=(32, 64, 128, 224), depths=(1, 2, 3, 2)),
    "lean": Shape(stem=16, widths=(24, 48, 96, 192), depths=(1, 2, 3, 2), neck=64),
}


def latency(path: Path, repeats: int = 60) -> tuple[float, float]:
    """Median and best milliseconds at one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).random((1, 3, HEIGHT, WIDTH), dtype=np.float32)
    name = session.get_inputs()[0].name
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        session.run(None, {name: x})
        times.append((time.perf_counter() - start) * 1e3)
    return float(np.median(times)), min(times)


def step_cost(shape: Shape, batch: int, height: int, width: int, compiled: bool) -> float:
    """Seconds per picture of forward and backward in bf16."""
    net = Detector(shape).to(memory_format=torch.channels_last).train()
    run = torch.compile(net) if compiled else net
    x = torch.rand(batch, 3, height, width).to(memory_format=torch.channels_last)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits, raw = flatten(run(x))
        (logits.float().mean() + raw.float().mean()).backward()
        net.zero_grad()
        times.append(time.perf_counter() - start)
    return min(times) / batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SHAPES))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--no-train", action="store_true")
    arguments = parser.parse_args()
    for name in arguments.names:
        shape = SHAPES[name]
        macs, parameters = multiplications(shape)
        torch.manual_seed(0)
        with tempfile.TemporaryDirectory() as folder:
            path, small = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
            torch.onnx.export(
                Exported(Detector(shape).eval()).eval(), (torch.zeros(1, 3, HEIGHT, WIDTH),), str(path), opset_version=17, dynamo=False
            )
            rng = np.random.default_rng(0)
            quantise(path, small, (rng.random((1, 3, HEIGHT, WIDTH), dtype=np.float32) for _ in range(2)))
            (f, f_best), (q, q_best) = latency(path), latency(small)
        cost = 0.0 if arguments.no_train else step_cost(shape, arguments.batch, HEIGHT, WIDTH, arguments.compile)
        print(
            f"{name:12} {macs:6.0f} M  {parameters:.2f} M params  float {f:5.2f} ({f_best:.2f})  int8 {q:5.2f} ({q_best:.2f})  "
            f"x{f_best / q_best:.2f}  train {cost * 1e3:.1f} ms/picture",
            flush=True,
        )


if __name__ == "__main__":
    main()
