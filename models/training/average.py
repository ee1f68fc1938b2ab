"""Averages the weights of two checkpoints of one training: `average.py last.pt best.pt --share .3 mean.pt`.

The end of a training and a moment before its rate fell lie in one valley; between them the figures on the sets to choose
by are often better than at either end (Wortsman et al., "Model soups", 2022). Choose the share with
`evaluate.py --select`, never by the held-out sets.
"""

import argparse
from pathlib import Path

import torch


def average(first: dict, second: dict, share: float) -> dict:
    """The first checkpoint with `share` of the second's averaged weights in its own."""
    if first["shape"] != second["shape"]:
        raise SystemExit("the checkpoints are of different networks")
    mixed = {
        name: value.lerp(second["ema"][name], share) if value.is_floating_point() else value
        for name, value in first["ema"].items()
    }
    return {**first, "ema": mixed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of the second, 0 to 1")
    a = parser.parse_args()
    if not 0 <= a.share <= 1:
        raise SystemExit(f"--share is {a.share}, must be 0 to 1")
    first, second = (torch.load(file, map_location="cpu", weights_only=False) for file in (a.first, a.second))
    torch.save(average(first, second, a.share), a.out)


if __name__ == "__main__":
    main()
