"""Networks that look at pictures in plain torch, written from their papers and not from the specs, or around a model of
torchvision. Layers are registered in the order in which values pass them, so that state dicts line up."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as f

from tests.support.torchvision_models import import_torchvision_models


class SimpleBaseline(nn.Module):
    """Xiao et al., 2018, section 2.1, on torchvision's ResNet-50; names are those of the authors' code."""

    def __init__(self, joints: int = 17, width: int = 256, stages: int = 3) -> None:
        super().__init__()
        resnet = import_torchvision_models().resnet50(weights=None)
        for name, layer in resnet.named_children():
            if name not in ("avgpool", "fc"):
                self.add_module(name, layer)
        self.encoder = list(self.children())  # a plain list registers nothing again
        layers: list[nn.Module] = []
        for before in [2048, *[width] * (stages - 1)]:
            layers += [nn.ConvTranspose2d(before, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        self.deconv_layers = nn.Sequential(*layers)
        self.final_layer = nn.Conv2d(width, joints, 1)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.encoder:
            x = layer(x)
        return self.final_layer(self.deconv_layers(x))


def shuffle(x: Tensor, groups: int) -> Tensor:
    """Zhang et al., 2018, section 3.1: (g, n) channels, transposed and flattened."""
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


class ShuffleUnit(nn.Module):
    """Zhang et al., 2018, figures 2b and 2c."""

    def __init__(self, ins: int, out: int, stride: int, first: int, groups: int) -> None:
        super().__init__()
        narrow, self.stride, self.groups = out // 4, stride, groups
        out = out - ins if stride == 2 else out
        self.reduce, self.norm1 = nn.Conv2d(ins, narrow, 1, groups=first, bias=False), nn.BatchNorm2d(narrow)
        self.depthwise = nn.Conv2d(narrow, narrow, 3, stride, 1, groups=narrow, bias=False)
        self.norm2 = nn.BatchNorm2d(narrow)
        self.expand, self.norm3 = nn.Conv2d(narrow, out, 1, groups=groups, bias=False), nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        y = shuffle(f.relu(self.norm1(self.reduce(x))), self.groups)
        y = self.norm3(self.expand(self.norm2(self.depthwise(y))))
        return f.relu(x + y if self.stride == 1 else torch.cat([f.avg_pool2d(x, 3, 2, 1), y], 1))


def shufflenet(classes: int = 1000, groups: int = 3, widths: Sequence[int] = (240, 480, 960)) -> nn.Module:
    """Zhang et al., 2018, table 1."""
    layers = [nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    before = 24
    for width, count in zip(widths, (4, 8, 4), strict=True):
        for i in range(count):
            first = 1 if before == 24 else groups
            layers.append(ShuffleUnit(before, width, 2 if i == 0 else 1, first, groups))
            before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes))
