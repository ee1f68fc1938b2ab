"""Which cells answer for which box: task-aligned assignment.

A cell may answer for a box when its centre lies in it. Of those the ten with the best blend of score and overlap are
taken, so classification and localisation learn from the same cells, and the target score of a cell says how good its box
is. Written for a batch padded to the same number of boxes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Assigned:
    """Per cell: target scores [b, a, c], target boxes [b, a, 4], and which cells answer for a box [b, a]."""

    scores: Tensor
    boxes: Tensor
    positive: Tensor


def pairwise_iou(a: Tensor, b: Tensor) -> Tensor:
    """Overlap of [b, g, 4] with [b, a, 4] as [b, g, a]."""
    low = torch.maximum(a[:, :, None, :2], b[:, None, :, :2])
    high = torch.minimum(a[:, :, None, 2:], b[:, None, :, 2:])
    inside = (high - low).clamp_(min=0).prod(3)
    area_a = (a[..., 2:] - a[..., :2]).prod(2)[:, :, None]
    area_b = (b[..., 2:] - b[..., :2]).clamp(min=0).prod(2)[:, None]
    return inside / (area_a + area_b - inside + 1e-9)


@torch.no_grad()
def assign(
    scores: Tensor,
    boxes: Tensor,
    points: Tensor,
    strides: Tensor,
    truth: Tensor,
    counts: Tensor,
    top: int = 10,
    alpha: float = 0.5,
    beta: float = 4.0,
) -> Assigned:
    """`scores` [b, a, c] and `boxes` [b, a, 4] are predictions; `truth` [b, g, 6] rows of class, corners, weight."""
    batch, cells, classes = scores.shape
    most = int(counts.max()) if len(counts) else 0
    if most == 0:
        empty = torch.zeros(batch, cells, dtype=torch.bool)
        return Assigned(torch.zeros_like(scores), torch.zeros_like(boxes), empty)
    truth = truth[:, :most]
    real = torch.arange(most)[None] < counts[:, None]
    labels, corners, weights = truth[..., 0].long(), truth[..., 1:5], truth[..., 5]
    # A box smaller than a cell may hold no centre at all: it counts as a cell large.
    middle, half = (corners[..., :2] + corners[..., 2:]) / 2, (corners[..., 2:] - corners[..., :2]) / 2
    half = half.clamp(min=float(strides.min()) * 0.55)
    away = (points[None, None] - middle[:, :, None]).abs()
    inside = (away < half[:, :, None]).all(3) & real[..., None]
    overlap = pairwise_iou(corners, boxes) * inside
    wanted = scores.transpose(1, 2).gather(1, labels[..., None].expand(-1, -1, cells))
    metric = wanted.clamp(min=1e-6).pow(alpha) * (overlap + 1e-6).pow(beta) * inside
    # Near the middle first while nothing overlaps yet.
    closeness = 1 / (1 + (away / half[:, :, None]).square().sum(3))
    rank = metric + 1e-9 * closeness * inside
    best, where = rank.topk(min(top, cells), dim=2)
    chosen = torch.zeros_like(inside)
    chosen.scatter_(2, where, best > 0)
    chosen &= inside
    # A cell answers for one box only: the one it overlaps most.
    crowded = chosen.sum(1) > 1
    if crowded.any():
        winner = torch.where(chosen, overlap + 1e-9, torch.full_like(overlap, -1.0)).argmax(1)
        only = torch.zeros_like(chosen).scatter_(1, winner[:, None], True)
        chosen = torch.where(crowded[:, None], only & chosen, chosen)
    positive = chosen.any(1)
    owner = chosen.float().argmax(1)
    metric = metric * chosen
    peak = metric.amax(2, keepdim=True)
    quality = metric / (peak + 1e-9) * (overlap * chosen).amax(2, keepdim=True)
    # Even a hopeless prediction must be pulled towards its box.
    quality = (quality.clamp(min=0.0) + 0.05 * chosen).clamp(max=1.0) * weights[..., None]
    strength = quality.amax(1) * positive
    target = torch.zeros_like(scores)
    label = labels.gather(1, owner)
    target.scatter_(2, label[..., None], strength[..., None])
    target_boxes = corners.gather(1, owner[..., None].expand(-1, -1, 4))
    return Assigned(target, target_boxes, positive)
