"""What archspec is measured against: a ResNet-50 in plain torch under torchinfo, and torch's own ONNX exporter.

The network is written here because importing torchvision would cost its peer time, and it keeps torch's default
initialization, which is cheaper than torchvision's. `python -m benchmarks.peers` builds it and summarizes it. On the
device "meta" torch neither allocates nor computes: quicker once torch is warm, slower in a new process.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

IMAGE = (1, 3, 224, 224)
STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
"""Width, depth and first stride of each stage."""


class Bottleneck(nn.Module):
    """1×1, 3×3 (with the stride) and 1×1 convolutions to four times the width, around a shortcut."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride > 1 or channels != 4 * width:
            project = nn.Conv2d(channels, 4 * width, 1, stride, bias=False)
            self.downsample = nn.Sequential(project, nn.BatchNorm2d(4 * width))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        result: Tensor = self.relu(self.bn3(self.conv3(y)) + shortcut)
        return result


class ResNet50(nn.Module):
    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, padding=1),
        )
        channels = 64
        stages = []
        for width, depth, stride in STAGES:
            blocks = [Bottleneck(channels, width, stride)]
            blocks += [Bottleneck(4 * width, width, 1) for _ in range(depth - 1)]
            stages.append(nn.Sequential(*blocks))
            channels = 4 * width
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(self.stages(self.stem(x)))
        return result


def build(device: str = "cpu") -> nn.Module:
    with torch.device(device):
        return ResNet50()


def summarize(module: nn.Module, device: str = "cpu") -> int:
    """Run torchinfo quietly; gives the number of parameters that it counts."""
    import torchinfo

    return int(torchinfo.summary(module, input_size=IMAGE, device=device, verbose=0).total_params)


def export(module: nn.Module, path: Path) -> None:
    """Export an image network with torch's exporter and its defaults; batch, height and width are dynamic.

    Dim.DYNAMIC fails where the exporter would freeze an axis, and the batch of the example must not be one.
    """
    axes = dict.fromkeys((0, 2, 3), torch.export.Dim.DYNAMIC)
    example = torch.zeros(2, *IMAGE[1:])
    torch.onnx.export(module, (example,), path, dynamo=True, dynamic_shapes=(axes,), verbose=False)


if __name__ == "__main__":
    print(summarize(build()))
