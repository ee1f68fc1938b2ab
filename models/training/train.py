"""Trains the detector: `python train.py --name NAME`, and the same with `--resume` to go on.

The learning rate warms up and then stays; nothing has to be known in advance about how long the training may last. To
finish, write a number of steps, or minutes as `30m`, into the file `decay` of the run's folder (or give `--decay`): from
then on the rate falls to nothing over that many. The checkpoint from before the fall is kept as `stable.pt`, so a later session goes on
from there. Everything is seeded, except how often a picture of the ring is met, which depends on the machine's pace.
"""

from __future__ import annotations

import os

# Threads that wait by spinning would take the core that the maker of pictures needs.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import argparse  # noqa: E402
import copy  # noqa: E402
import csv  # noqa: E402
import dataclasses  # noqa: E402
import signal  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from data import Library, scratch  # noqa: E402
from evaluate import SELECT, measure, runner_of_network  # noqa: E402
from losses import Criterion, Imitation  # noqa: E402
from model import HEIGHT, STRIDES, WIDTH, Detector, Shape  # noqa: E402
from ring import FEATURES, Ring, ask  # noqa: E402

NANO = Shape(stem=16, widths=(32, 64, 128, 192), depths=(0, 2, 3, 2), neck=64, head=48)


def mirrored_cells() -> np.ndarray:
    """Where each cell lies when the picture is mirrored."""
    parts, start = [], 0
    for stride in STRIDES:
        h, w = HEIGHT // stride, WIDTH // stride
        parts.append(start + np.arange(h * w).reshape(h, w)[:, ::-1].ravel())
        start += h * w
    return np.concatenate(parts)


class Feed:
    """Random batches of the ring."""

    def __init__(self, ring: Ring, size: int, seed: int) -> None:
        self.ring, self.size = ring, size
        self.rng = np.random.default_rng(seed)
        self.mirrored = mirrored_cells()
        self.edges = np.cumsum([0] + [(HEIGHT // s) * (WIDTH // s) for s in STRIDES])

    def next(self, mirror: bool | None = None) -> dict[str, Tensor]:
        ring = self.ring
        slots = np.sort(self.rng.choice(ring.ready(), self.size, replace=False))
        image, score = ring.image[slots], ring.score[slots].astype(np.float32)
        place, known = ring.place[slots].astype(np.float32), ring.known[slots]
        feature, box, count = ring.feature[slots], ring.box[slots].copy(), ring.count[slots]
        if mirror if mirror is not None else self.rng.random() < 0.5:
            image = np.ascontiguousarray(image[:, :, ::-1])
            score, known, feature = score[:, self.mirrored], known[:, self.mirrored], feature[:, self.mirrored]
            place = place[:, self.mirrored][..., [2, 1, 0, 3]]
            place[..., [0, 2]] = WIDTH - place[..., [0, 2]]
            box[..., [1, 3]] = WIDTH - box[..., [3, 1]]
        batch = {
            # Stored as rows of pixels, which is the order that the convolutions like best.
            "image": torch.from_numpy(image).permute(0, 3, 1, 2),
            "score": torch.from_numpy(score),
            "place": torch.from_numpy(place),
            "known": torch.from_numpy(known),
            "box": torch.from_numpy(box),
            "count": torch.from_numpy(count).long(),
        }
        scale = ring.scale[slots]
        for level, stride in enumerate(STRIDES):
            h, w = HEIGHT // stride, WIDTH // stride
            part = torch.from_numpy(feature[:, self.edges[level] : self.edges[level + 1]])
            part = part.float() * torch.from_numpy(scale[:, level, None, None])
            batch[f"feature{level}"] = part.reshape(self.size, h, w, FEATURES).permute(0, 3, 1, 2)
            told = batch["score"][:, self.edges[level] : self.edges[level + 1]].amax(2)
            batch[f"interest{level}"] = 0.25 + told.reshape(self.size, h, w)
        return batch


class Average:
    """Exponential average of the weights, which is what is measured and shipped."""

    def __init__(self, net: Detector, decay: float = 0.9995) -> None:
        self.net = copy.deepcopy(net).eval()
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def update(self, net: Detector) -> None:
        self.steps += 1
        keep = min(self.decay, (1 + self.steps) / (20 + self.steps))
        for mine, theirs in zip(self.net.state_dict().values(), net.state_dict().values()):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs, 1 - keep)
            else:
                mine.copy_(theirs)


def optimiser(parts: list[torch.nn.Module], rate: float, decay: float) -> torch.optim.Optimizer:
    """AdamW; only convolutions decay."""
    heavy = [p for m in parts for p in m.parameters() if p.ndim > 1]
    light = [p for m in parts for p in m.parameters() if p.ndim <= 1]
    groups = [{"params": heavy, "weight_decay": decay}, {"params": light, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99), fused=True)


class Training:
    """One run: the networks, the optimiser and what is kept on disk."""

    def __init__(self, a: argparse.Namespace) -> None:
        torch.manual_seed(a.seed)
        self.a = a
        self.folder = scratch() / "runs" / a.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.step, self.best, self.decay = 0, 0.0, None
        last = self.folder / "last.pt"
        source = last if a.resume and last.exists() else a.start
        kept = torch.load(source, map_location="cpu", weights_only=False) if source else None
        shape = Shape(**kept["shape"]) if kept else NANO
        self.net = Detector(shape).to(memory_format=torch.channels_last).train()
        self.imitation = Imitation(shape.neck).to(memory_format=torch.channels_last)
        self.average = Average(self.net)
        self.optimiser = optimiser([self.net, self.imitation], a.rate, a.weight_decay)
        if kept:
            self.net.load_state_dict(kept["net"])
            self.imitation.load_state_dict(kept["imitation"])
            self.average.net.load_state_dict(kept["ema"])
            self.average.steps = kept["ema_steps"]
            self.optimiser.load_state_dict(kept["optimiser"])
            self.step = kept["step"]
            self.best = kept["best"] if source == last else 0.0
            self.decay = kept["decay"] if source == last else None
        self.started = self.step if a.start and source == a.start else 0
        self.criterion = Criterion(HEIGHT, WIDTH)

    def save(self, name: str) -> None:
        """Whole or not at all."""
        kept = {
            "shape": dataclasses.asdict(self.net.shape),
            "net": self.net.state_dict(),
            "imitation": self.imitation.state_dict(),
            "ema": self.average.net.state_dict(),
            "ema_steps": self.average.steps,
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "best": self.best,
            "decay": self.decay,
        }
        part = self.folder / f"{name}.part"
        torch.save(kept, part)
        part.replace(self.folder / f"{name}.pt")

    def rate(self) -> float:
        """Warm up, stay, and fall once a decay has begun."""
        rate = self.a.rate * min(1.0, (self.step + 1) / self.a.warmup)
        asked = self.folder / "decay"
        if self.decay is None and (asked.exists() or self.a.decay):
            text = asked.read_text().strip() if asked.exists() else self.a.decay
            self.save("stable")
            # Steps, or minutes of the clock where the machine's pace cannot be told in advance.
            timed = text.endswith("m")
            start = time.time() if timed else self.step
            self.decay = (timed, start, float(text[:-1]) * 60 if timed else int(text))
            asked.unlink(missing_ok=True)
        return rate * max(0.01, 1 - self.fallen())

    def fallen(self) -> float:
        """How far the decay has gone, 0..1."""
        if not self.decay:
            return 0.0
        timed, start, length = self.decay
        return ((time.time() if timed else self.step) - start) / length

    def finished(self) -> bool:
        return self.fallen() >= 1 or self.step >= self.a.steps

    def advance(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """One step."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        levels = range(len(STRIDES))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            maps = self.net.features(batch["image"].to(torch.bfloat16) / 255)
            raw = self.net.read(maps)
            alike = self.imitation(maps, [batch[f"feature{i}"] for i in levels], [batch[f"interest{i}"] for i in levels])
        loss, parts = self.criterion(raw, batch)
        (loss + self.a.imitate * alike).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), 10.0)
        if torch.isfinite(norm):
            self.optimiser.step()
            self.average.update(self.net)
        self.optimiser.zero_grad()
        self.step += 1
        return parts | {"alike": float(alike.detach()), "norm": float(norm)}


def start_maker(a: argparse.Namespace, folder: Path) -> list[subprocess.Popen]:
    """The processes that fill the ring; each ends with the training and rests while it is stopped."""
    command = [sys.executable, str(Path(__file__).with_name("ring.py")), "--folder", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen([*command, "--part", str(i), "--parts", str(a.makers)], env=environment) for i in range(a.makers)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--name", default="nano")
    parser.add_argument("--resume", action="store_true", help="go on from the run's last checkpoint, if there is one")
    parser.add_argument("--start", type=Path, help="begin from another run's checkpoint (a `stable.pt`)")
    parser.add_argument("--steps", type=int, default=10**9)
    parser.add_argument("--decay", help="begin to finish now, over so many steps (2000) or minutes (30m)")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--weight-decay", type=float, default=0.02)
    parser.add_argument("--warmup", type=int, default=400)
    parser.add_argument("--imitate", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--makers", type=int, default=1)
    parser.add_argument("--reuse", type=float, default=2.5, help="how often a picture of the ring is met on average")
    parser.add_argument("--measure-every", type=int, default=1000)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    training = Training(a)
    ring_folder = scratch() / "ring"
    Ring(ring_folder, create=True)
    ring = Ring(ring_folder)
    first = training.step
    ahead = max(0, 512 - len(ring.ready()))
    ask(ring_folder, ahead)
    makers = start_maker(a, ring_folder)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    (scratch() / "pid").write_text(str(os.getpid()))
    while len(ring.ready()) < min(512, ring.slots):
        time.sleep(1)
    feed = Feed(ring, a.batch, a.seed + training.step)
    library = Library()
    log_path = training.folder / "log.csv"
    fields = ["time", "step", "rate", "per_second", "classes", "boxes", "alike", "mass", "norm", "made"]
    fields += [f"{group} {label}" for group, label in (("voc", "person"), ("voc", "bike"), ("atl", "vehicle"))]
    fields += ["openimages vehicle", "openimages bike", "cgmu vehicle", "mean"]
    fresh = not log_path.exists()
    log = open(log_path, "a", newline="")
    writer = csv.DictWriter(log, fields, restval="", extrasaction="ignore")
    if fresh:
        writer.writeheader()
    sums: dict[str, float] = {}
    count, since, saved = 0, time.time(), time.time()
    try:
        while not training.finished():
            parts = training.advance(feed.next())
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value
            count += 1
            if training.step % 20 == 0:
                ask(ring_folder, round(ahead + (training.step - first) * a.batch / a.reuse / a.makers))
            if training.step % 100 == 0:
                row = {name: round(value / count, 4) for name, value in sums.items()}
                row |= {
                    "time": time.strftime("%H:%M:%S"),
                    "step": training.step,
                    "rate": f"{training.optimiser.param_groups[0]['lr']:.2e}",
                    "per_second": round(count * a.batch / (time.time() - since), 1),
                    "made": int(np.asarray(ring.filled).sum()),
                }
                if training.step % a.measure_every == 0 or training.finished():
                    figures = measure(runner_of_network(training.average.net), library, SELECT)
                    row |= {name: round(f["ap50"], 4) for name, f in figures.items()}
                    row["mean"] = round(float(np.mean([f["ap50"] for f in figures.values()])), 4)
                    if row["mean"] > training.best:
                        training.best = row["mean"]
                        training.save("best")
                writer.writerow(row)
                log.flush()
                print(" ".join(f"{k}={v}" for k, v in row.items()), flush=True)
                sums, count, since = {}, 0, time.time()
            if time.time() - saved > 180:
                training.save("last")
                saved = time.time()
        figures = measure(runner_of_network(training.average.net), library, SELECT)
        print("at the end:", {name: round(f["ap50"], 4) for name, f in figures.items()}, flush=True)
    finally:
        training.save("last")
        for maker in makers:
            maker.terminate()


if __name__ == "__main__":
    main()
