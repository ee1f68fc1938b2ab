"""What the training minimises: labels where they are complete, the teacher where they are not, and its features."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from assign import assign
from model import STRIDES, boxes_of, flatten, grid


def ciou(a: Tensor, b: Tensor) -> Tensor:
    """Complete intersection over union of matching rows of corner boxes."""
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    inside = (high - low).clamp(min=0).prod(1)
    size_a, size_b = a[:, 2:] - a[:, :2], b[:, 2:] - b[:, :2]
    overlap = inside / (size_a.prod(1) + size_b.prod(1) - inside + 1e-7)
    hull = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    apart = ((a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]) / 2).square().sum(1)
    distance = apart / (hull.square().sum(1) + 1e-7)
    lean = (torch.atan(size_b[:, 0] / (size_b[:, 1] + 1e-7)) - torch.atan(size_a[:, 0] / (size_a[:, 1] + 1e-7))).square()
    lean = lean * (4 / math.pi**2)
    with torch.no_grad():
        weight = lean / (1 - overlap + lean + 1e-7)
    return overlap - distance - weight * lean


class Imitation(nn.Module):
    """Maps the student's three maps to the teacher's; thrown away after training."""

    def __init__(self, student: int, teacher: int = 64) -> None:
        super().__init__()
        self.adapters = nn.ModuleList(nn.Conv2d(student, teacher, 1) for _ in STRIDES)
        self.norms = nn.ModuleList(nn.BatchNorm2d(teacher, affine=False) for _ in STRIDES)

    def forward(self, maps: list[Tensor], wanted: list[Tensor], interest: list[Tensor]) -> Tensor:
        """Mean squared error over normalised channels, cells weighted by `interest` [b, h, w]."""
        total = maps[0].new_zeros((), dtype=torch.float32)
        for adapter, norm, mine, theirs, weight in zip(self.adapters, self.norms, maps, wanted, interest):
            difference = (adapter(mine).float() - norm(theirs)).square().mean(1)
            total = total + (difference * weight).sum() / weight.sum()
        return total / len(maps)


class Criterion:
    """Turns raw maps and a batch of the ring into the losses."""

    def __init__(self, height: int, width: int, box_gain: float = 4.0, class_gain: float = 1.0) -> None:
        self.points, self.strides = grid(height, width)
        self.box_gain, self.class_gain = box_gain, class_gain

    def __call__(self, maps: list[tuple[Tensor, Tensor]], batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        logits, raw = flatten(maps)
        logits, raw = logits.float(), raw.float()
        boxes = boxes_of(raw, self.points, self.strides)
        scores = logits.detach().sigmoid()
        found = assign(scores, boxes.detach(), self.points, self.strides, batch["box"], batch["count"])
        told, places = batch["score"], batch["place"]
        # Labels rule where they are complete; there the teacher only softens. Elsewhere its word is the target.
        trust = torch.where(batch["known"], 0.35, 1.0)
        # Beside a labelled object its several good cells are no background.
        trust = torch.where(batch["known"] & self.within(batch), 0.7, trust)
        target = torch.maximum(found.scores, trust * told)
        mass = target.sum().clamp(min=1.0)
        classes = F.binary_cross_entropy_with_logits(logits, target, reduction="sum") / mass

        weight = found.scores.sum(2)[found.positive]
        if len(weight):
            labelled = ((1 - ciou(boxes[found.positive], found.boxes[found.positive])) * weight).sum()
        else:
            labelled = boxes.sum() * 0
        certain = (told * ~batch["known"]).amax(2)
        sure = (certain > 0.25) & ~found.positive
        soft = certain[sure]
        lent = ((1 - ciou(boxes[sure], places[sure])) * soft).sum() if len(soft) else boxes.sum() * 0
        place = (labelled + lent) / (weight.sum() + soft.sum() + 1.0)
        total = self.class_gain * classes + self.box_gain * place
        return total, {"classes": float(classes.detach()), "boxes": float(place.detach()), "mass": float(mass)}

    def within(self, batch: dict[str, Tensor]) -> Tensor:
        """[b, a, c]: the cell's centre lies in a labelled box of the class."""
        most = int(batch["count"].max())
        classes = batch["known"].shape[2]
        result = torch.zeros_like(batch["known"])
        if most == 0:
            return result
        truth = batch["box"][:, :most]
        real = torch.arange(most)[None] < batch["count"][:, None]
        low, high = truth[:, :, None, 1:3], truth[:, :, None, 3:5]
        inside = ((self.points > low) & (self.points < high)).all(3) & real[..., None]
        for label in range(classes):
            result[..., label] = (inside & (truth[..., 0] == label)[..., None]).any(1)
        return result
