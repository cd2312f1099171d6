"""Networks that score each position of a picture in plain torch, written from their papers and not from the specs.
Layers are registered in the order in which values pass them, so that state dicts line up."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn


def unit(channels: int, out: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU()]


class SegNet(nn.Module):
    """Badrinarayanan et al., 2017, section 3: VGG-16's convolutions, and back, with torch's own pooling and
    unpooling by indices."""

    def __init__(self, classes: int = 11, width: int = 64) -> None:
        super().__init__()
        stages = [(1, 2), (2, 2), (4, 3), (8, 3), (8, 3)]
        self.pool, self.unpool = nn.MaxPool2d(2, ceil_mode=True, return_indices=True), nn.MaxUnpool2d(2)
        down, channels = [], 3
        for factor, count in stages:
            down.append(self.make_stage([channels, *[factor * width] * count]))
            channels = factor * width
        self.down = nn.ModuleList(down)
        up = []
        for (factor, count), (after, _) in zip(stages[:0:-1], stages[-2::-1], strict=True):
            up.append(self.make_stage([*[factor * width] * count, after * width]))
        self.up = nn.ModuleList([*up, nn.Sequential(*unit(width, width), nn.Conv2d(width, classes, 3, padding=1))])

    @staticmethod
    def make_stage(widths: Sequence[int]) -> nn.Module:
        return nn.Sequential(*(layer for pair in pairwise(widths) for layer in unit(*pair)))

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for stage in self.down:
            x = stage(x)
            sizes = x.shape
            x, places = self.pool(x)
            kept.append((places, sizes))
        for stage, (places, sizes) in zip(self.up, reversed(kept), strict=True):
            x = stage(self.unpool(x, places, output_size=sizes))
        return x
