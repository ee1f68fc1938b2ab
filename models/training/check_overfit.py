"""Learns 32 pictures by heart and finds their boxes again: shows that assignment, losses and decoding belong together."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from data import Picture, scratch
from evaluate import detect, precision, runner_of_network
from model import HEIGHT, WIDTH
from ring import Ring, make
from train import Feed, Training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    steps = parser.parse_args().steps
    folder = scratch() / "overfit"
    Ring(folder, 32, create=True)
    if not len(Ring(folder).ready()):
        make(0, 1, 5, 8, 32, folder)
    a = SimpleNamespace(seed=1, name="overfit", resume=False, start=None, rate=2e-3, weight_decay=0.0)
    a.warmup, a.decay, a.steps, a.imitate = 50, None, steps, 1.0
    torch.set_num_threads(2)
    training = Training(a)
    training.average.decay = 0.98
    feed = Feed(Ring(folder), 16, 0)
    for _ in range(steps):
        parts = training.advance(feed.next(mirror=False))
        if training.step % 50 == 0:
            print(training.step, {k: round(v, 3) for k, v in parts.items()}, flush=True)
    ring = Ring(folder)
    pictures, images = [], []
    for slot in range(32):
        rows = ring.box[slot, : ring.count[slot]]
        boxes = np.column_stack((rows[:, 0], rows[:, 1:5] / [WIDTH, HEIGHT, WIDTH, HEIGHT]))
        pictures.append(Picture(Path(), "ring", "train", frozenset(), boxes))
        images.append(np.asarray(ring.image[slot]))
    found = detect(runner_of_network(training.average.net), images)
    for label in range(3):
        print(precision(pictures, images, found, label))


if __name__ == "__main__":
    main()
