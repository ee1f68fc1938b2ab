"""The detector: dense convolutions, batch normalisation and ReLU, and nothing else.

Eight-bit kernels gain most on dense convolutions (about 3.4x over float with VNNI); depthwise convolutions and smooth
activations lose both the gain and the accuracy. So every layer here is a 3x3 or 1x1 convolution followed by ReLU, the
maps of the neck are joined by concatenation or addition, and everything that needs range (the distances of a box, the
sigmoid of a score) happens after the last convolution, in float.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STRIDES = (8, 16, 32)
CLASSES = ("person", "vehicle", "bike")
HEIGHT, WIDTH = 256, 416


@dataclass(frozen=True)
class Shape:
    """How wide and deep each part is; the fields are what a checkpoint stores to rebuild the network."""

    stem: int = 16
    widths: tuple[int, int, int, int] = (32, 64, 128, 192)
    depths: tuple[int, int, int, int] = (1, 2, 2, 1)
    neck: int = 64
    head: int = 64
    head_depth: int = 1
    # One set of head weights for all three levels, or one each.
    shared_head: bool = False
    pan: bool = True
    # Width inside a block as a share of the block's own width.
    inner: float = 0.5
    # Residual additions in the blocks.
    csp: bool = True


class Conv(nn.Sequential):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two 3x3 convolutions with a way around them."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.first = Conv(width, inner, 3)
        self.second = Conv(inner, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x))


class Split(nn.Module):
    """Half of the channels go through residual blocks, the other half past them; then a 1x1 joins both."""

    def __init__(self, inputs: int, outputs: int, depth: int, inner: float, residual: bool = True) -> None:
        super().__init__()
        half = max(8, int(outputs * inner) // 8 * 8)
        self.past = Conv(inputs, half, 1)
        self.through = Conv(inputs, half, 1)
        if residual:
            self.blocks = nn.Sequential(*(Residual(half, half) for _ in range(depth)))
        else:
            self.blocks = nn.Sequential(*(Conv(half, half, 3) for _ in range(depth)))
        self.join = Conv(2 * half, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.join(torch.cat((self.blocks(self.through(x)), self.past(x)), 1))


class Plain(nn.Sequential):
    """Residual blocks over the full width."""

    def __init__(self, width: int, depth: int, inner: float) -> None:
        inside = max(8, int(width * inner) // 8 * 8)
        super().__init__(*(Residual(width, inside) for _ in range(depth)))


class Head(nn.Module):
    """Class scores and box distances from one level, each on a branch of its own."""

    def __init__(self, inputs: int, width: int, depth: int) -> None:
        super().__init__()
        self.stem = Conv(inputs, width, 1) if inputs != width else nn.Identity()
        self.classes = nn.Sequential(*(Conv(width, width) for _ in range(depth)))
        self.boxes = nn.Sequential(*(Conv(width, width) for _ in range(depth)))
        self.score = nn.Conv2d(width, len(CLASSES), 1)
        self.distance = nn.Conv2d(width, 4, 1)
        # A new network scores everything about 0.01, else the background drowns the first steps.
        nn.init.constant_(self.score.bias, -math.log((1 - 0.01) / 0.01))
        nn.init.constant_(self.distance.bias, 1.5)
        nn.init.normal_(self.score.weight, std=0.01)
        nn.init.normal_(self.distance.weight, std=0.01)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(x)
        return self.score(self.classes(x)), self.distance(self.boxes(x))


class Detector(nn.Module):
    """Backbone, neck and head. Takes RGB 0..1; gives raw maps per level, see :func:`decode`."""

    def __init__(self, shape: Shape = Shape()) -> None:
        super().__init__()
        self.shape = shape
        w1, w2, w3, w4 = shape.widths
        d1, d2, d3, d4 = shape.depths

        def stage(inputs: int, outputs: int, depth: int) -> nn.Sequential:
            down = Conv(inputs, outputs, 3, 2)
            if depth == 0:
                return nn.Sequential(down)
            if shape.csp:
                return nn.Sequential(down, Split(outputs, outputs, depth, shape.inner))
            return nn.Sequential(down, Plain(outputs, depth, shape.inner))

        self.stem = Conv(3, shape.stem, 3, 2)
        self.stage1 = stage(shape.stem, w1, d1)
        self.stage2 = stage(w1, w2, d2)
        self.stage3 = stage(w2, w3, d3)
        self.stage4 = stage(w3, w4, d4)
        neck = shape.neck
        self.lateral2 = Conv(w2, neck, 1)
        self.lateral3 = Conv(w3, neck, 1)
        self.lateral4 = Conv(w4, neck, 1)
        self.down3 = Split(2 * neck, neck, 1, shape.inner, residual=False)
        self.down2 = Split(2 * neck, neck, 1, shape.inner, residual=False)
        if shape.pan:
            self.stride3 = Conv(neck, neck, 3, 2)
            self.stride4 = Conv(neck, neck, 3, 2)
            self.up3 = Split(2 * neck, neck, 1, shape.inner, residual=False)
            self.up4 = Split(2 * neck, neck, 1, shape.inner, residual=False)
        if shape.shared_head:
            self.heads = nn.ModuleList([Head(neck, shape.head, shape.head_depth)])
        else:
            self.heads = nn.ModuleList([Head(neck, shape.head, shape.head_depth) for _ in STRIDES])
        for module in self.modules():
            if isinstance(module, Conv):
                nn.init.kaiming_normal_(module[0].weight, mode="fan_out", nonlinearity="relu")

    def features(self, x: Tensor) -> list[Tensor]:
        """The three maps that the head reads."""
        c2 = self.stage2(self.stage1(self.stem(x)))
        c3 = self.stage3(c2)
        c4 = self.stage4(c3)
        p4 = self.lateral4(c4)
        p3 = self.down3(torch.cat((F.interpolate(p4, scale_factor=2.0), self.lateral3(c3)), 1))
        p2 = self.down2(torch.cat((F.interpolate(p3, scale_factor=2.0), self.lateral2(c2)), 1))
        if self.shape.pan:
            p3 = self.up3(torch.cat((self.stride3(p2), p3), 1))
            p4 = self.up4(torch.cat((self.stride4(p3), p4), 1))
        return [p2, p3, p4]

    def forward(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        return self.read(self.features(x))

    def read(self, maps: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """The heads' raw maps."""
        heads = list(self.heads) * (len(maps) if self.shape.shared_head else 1)
        return [head(m) for head, m in zip(heads, maps)]


def flatten(maps: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Raw maps as [batch, cells, classes] logits and [batch, cells, 4] raw distances, stride 8 first, row by row."""
    logits = torch.cat([score.flatten(2) for score, _ in maps], 2).transpose(1, 2)
    raw = torch.cat([distance.flatten(2) for _, distance in maps], 2).transpose(1, 2)
    return logits, raw


def grid(height: int, width: int, strides: tuple[int, ...] = STRIDES) -> tuple[Tensor, Tensor]:
    """Centres [cells, 2] in pixels and strides [cells, 1] in the order of :func:`flatten`."""
    points, sizes = [], []
    for stride in strides:
        ys, xs = torch.meshgrid(
            torch.arange(height // stride, dtype=torch.float32),
            torch.arange(width // stride, dtype=torch.float32),
            indexing="ij",
        )
        points.append((torch.stack((xs, ys), -1).reshape(-1, 2) + 0.5) * stride)
        sizes.append(torch.full((points[-1].shape[0], 1), float(stride)))
    return torch.cat(points), torch.cat(sizes)


def boxes_of(raw: Tensor, points: Tensor, strides: Tensor) -> Tensor:
    """Corner boxes in pixels: each side lies softplus(raw) strides from the cell's centre."""
    reach = F.softplus(raw) * strides
    return torch.cat((points - reach[..., :2], points + reach[..., 2:]), -1)


class Exported(nn.Module):
    """The network with its float tail: one output [1, 4 + classes, cells], `cx cy w h` in pixels, then scores."""

    def __init__(self, detector: Detector, height: int = HEIGHT, width: int = WIDTH) -> None:
        super().__init__()
        self.detector = detector
        points, strides = grid(height, width)
        self.register_buffer("points", points.t()[None].contiguous())
        self.register_buffer("strides", strides.t()[None].contiguous())

    def forward(self, x: Tensor) -> Tensor:
        maps = self.detector(x)
        logits = torch.cat([score.flatten(2) for score, _ in maps], 2)
        raw = torch.cat([distance.flatten(2) for _, distance in maps], 2)
        reach = F.softplus(raw) * self.strides
        low, high = self.points - reach[:, :2], self.points + reach[:, 2:]
        return torch.cat(((low + high) / 2, high - low, logits.sigmoid()), 1)


def multiplications(shape: Shape, height: int = HEIGHT, width: int = WIDTH) -> tuple[float, float]:
    """Millions of multiply-additions of the convolutions, and millions of parameters."""
    total = 0

    def count(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += output[0].numel() * module.weight[0].numel()

    net = Detector(shape).eval()
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    with torch.no_grad():
        net(torch.zeros(1, 3, height, width))
    return total / 1e6, sum(p.numel() for p in net.parameters()) / 1e6
