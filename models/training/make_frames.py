"""Frames that no public set labels: clips (the teacher labels them) and the street that the program draws (truth known).

`python make_frames.py clips` and `python make_frames.py street PROGRAM`, where PROGRAM is what `street/` builds. The clip
of six visitors is left out on purpose: it is measured on.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

import cv2

from data import scratch, shrink, test_data

# Clip and how many frames apart.
CLIPS = {
    "video/bottle-detection.mp4": 40,
    "video/doorcam_person.mkv": 2,
    "fall/s1_fall_13.mp4": 12,
    "fall/s1_fall_14.mp4": 12,
    "fall/s1_fall_15.mp4": 12,
    "fall/s2_adl_23.mp4": 12,
    "fall/s2_fall_13.mp4": 12,
}


def clips() -> None:
    """Every nth frame of each clip; nothing is labelled."""
    target = scratch() / "frames" / "clips"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    pictures: dict[str, list] = {}
    for name, apart in CLIPS.items():
        clip, number = cv2.VideoCapture(str(test_data() / name)), 0
        while True:
            there, frame = clip.read()
            if not there:
                break
            if number % apart == 0:
                file = f"{Path(name).stem}-{number:05}.jpg"
                cv2.imwrite(str(target / file), shrink(frame), [cv2.IMWRITE_JPEG_QUALITY, 95])
                pictures[file] = []
            number += 1
    (target / "index.json").write_text(json.dumps({"complete": [], "pictures": pictures}))
    print(len(pictures), "frames of clips")


def street(program: Path, seeds: int, each: int) -> None:
    """Pictures of the rendered street; everything on them is known."""
    target = scratch() / "frames" / "street"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    pictures: dict[str, list] = {}
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        # The demo draws seed 1; the training starts far from it.
        subprocess.run([str(program), folder, "1000", str(seeds), str(each)], check=True)
        boxes = defaultdict(list)
        for line in (Path(folder) / "truth.txt").read_text().splitlines():
            name, *rest = line.split()
            if rest:
                boxes[name].append([float(x) for x in rest])
            else:
                boxes[name] = boxes.get(name, [])
        for name, rows in boxes.items():
            file = Path(name).with_suffix(".jpg").name
            cv2.imwrite(str(target / file), shrink(cv2.imread(str(Path(folder) / name))), [cv2.IMWRITE_JPEG_QUALITY, 92])
            pictures[file] = rows
    (target / "index.json").write_text(json.dumps({"complete": [0, 1, 2], "pictures": pictures}))
    print(len(pictures), "pictures of the street")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["clips", "street"])
    parser.add_argument("program", nargs="?", type=Path)
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--each", type=int, default=8)
    arguments = parser.parse_args()
    if arguments.what == "clips":
        clips()
    else:
        street(arguments.program, arguments.seeds, arguments.each)


if __name__ == "__main__":
    main()
