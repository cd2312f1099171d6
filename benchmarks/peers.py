"""The peers of archspec: networks in plain torch under torchinfo and fvcore, and torch's own ONNX exporter.

The networks are written here because importing torchvision would cost its peer time, and they keep torch's default
initialization, which is cheaper than torchvision's. `python -m benchmarks.peers NAME` builds one and summarizes it;
with `--flops` fvcore counts it too, with `--build` it is only built. On the device "meta" torch neither allocates nor
computes: quicker once torch is warm, slower in a new process.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

IMAGE = (1, 3, 224, 224)


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


class ResNet(nn.Module):
    def __init__(self, depths: tuple[int, ...], width: int = 64, classes: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 7, 2, padding=3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, padding=1),
        )
        channels = width
        stages = []
        for stage, depth in enumerate(depths):
            inner = width << stage
            blocks = [Bottleneck(channels, inner, 2 if stage else 1)]
            blocks += [Bottleneck(4 * inner, inner, 1) for _ in range(depth - 1)]
            stages.append(nn.Sequential(*blocks))
            channels = 4 * inner
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(self.stages(self.stem(x)))
        return result


class DenseLayer(nn.Module):
    """A 1×1 convolution to four times the growth and a 3×3 to the growth, beside what came in."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.relu(self.norm1(x)))
        return torch.cat([x, self.conv2(self.relu(self.norm2(y)))], 1)


class DenseNet(nn.Module):
    def __init__(self, depths: tuple[int, ...], growth: int = 32, classes: int = 1000) -> None:
        super().__init__()
        channels = 2 * growth
        layers: list[nn.Module] = [
            nn.Conv2d(3, channels, 7, 2, padding=3, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, padding=1),
        ]
        for stage, depth in enumerate(depths):
            if stage:
                layers += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
                layers += [nn.Conv2d(channels, channels // 2, 1, bias=False), nn.AvgPool2d(2, 2)]
                channels //= 2
            layers += [DenseLayer(channels + i * growth, growth) for i in range(depth)]
            channels += depth * growth
        layers += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layers(x)
        return result


class DoubleConv(nn.Sequential):
    """Two 3×3 convolutions without padding, each followed by ReLU."""

    def __init__(self, channels: int, width: int) -> None:
        first, second = nn.Conv2d(channels, width, 3), nn.Conv2d(width, width, 3)
        super().__init__(first, nn.ReLU(inplace=True), second, nn.ReLU(inplace=True))


class UNet(nn.Module):
    """The U-Net of 2015: valid convolutions, and what goes across is cropped at its centre."""

    def __init__(self, widths: tuple[int, ...] = (64, 128, 256, 512), channels: int = 1, classes: int = 2) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2)
        self.down = nn.ModuleList(map(DoubleConv, (channels, *widths), widths))
        self.bottom = DoubleConv(widths[-1], 2 * widths[-1])
        self.up: Any = nn.ModuleList()
        for width in reversed(widths):
            convs = nn.ConvTranspose2d(2 * width, width, 2, 2), DoubleConv(2 * width, width)
            self.up.append(nn.ModuleList(convs))
        self.head = nn.Conv2d(widths[0], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        across = []
        for level in self.down:
            x = level(x)
            across.append(x)
            x = self.pool(x)
        x = self.bottom(x)
        for enlarge, level in self.up:
            x = enlarge(x)
            x = level(torch.cat([_crop(across.pop(), x), x], 1))
        result: Tensor = self.head(x)
        return result


def _crop(x: Tensor, like: Tensor) -> Tensor:
    for axis in (2, 3):
        size = like.shape[axis]
        x = x.narrow(axis, (x.shape[axis] - size) // 2, size)
    return x


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "resnet50": lambda: ResNet((3, 4, 6, 3)),
    "resnet152": lambda: ResNet((3, 8, 36, 3)),
    "densenet121": lambda: DenseNet((6, 12, 24, 16)),
    "densenet201": lambda: DenseNet((6, 12, 48, 32)),
    "unet": UNet,
    "narrow": lambda: ResNet((3, 8, 128, 3), width=8),  # a thousand nodes of ONNX, and few weights
}


def build(name: str = "resnet50", device: str = "cpu") -> nn.Module:
    with torch.device(device):
        return NETWORKS[name]()


def take_weights(module: nn.Module, weights: Iterable[Tensor]) -> None:
    """Fill a network with the weights of the zoo's: the same ones in the same order, by other names."""
    state = module.state_dict()
    names = [name for name in state if not name.endswith("num_batches_tracked")]
    module.load_state_dict(state | dict(zip(names, weights, strict=True)))


def summarize(module: nn.Module, device: str = "cpu") -> int:
    """Run torchinfo quietly; gives the number of parameters that it counts."""
    import torchinfo

    return int(torchinfo.summary(module, input_size=IMAGE, device=device, verbose=0).total_params)


def count_flops(module: nn.Module) -> int:
    """Let fvcore count, quietly: its total, multiply-accumulates for the most part. It fails on the meta device."""
    from fvcore.nn import FlopCountAnalysis  # type: ignore[import-untyped]

    analysis = FlopCountAnalysis(module.eval(), torch.zeros(IMAGE))
    return int(analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


def export(
    module: nn.Module,
    path: Path,
    example: Tensor,
    *,
    axes: Sequence[int] = (0,),
    dynamo: bool = True,
    external_data: bool = True,
) -> None:
    """Export a network of one image with one of torch's exporters and its defaults; `axes` of the image are dynamic.

    Dim.DYNAMIC fails where the exporter would freeze an axis, and the batch of the example must not be one. Only the
    first exporter puts weights beside the file, and does so unless told otherwise.
    """
    if dynamo:
        shapes = (dict.fromkeys(axes, torch.export.Dim.DYNAMIC),) if axes else None
        options: dict[str, Any] = {"dynamic_shapes": shapes, "external_data": external_data}
        torch.onnx.export(module, (example,), path, dynamo=True, verbose=False, **options)
        return
    named = {"image": {axis: f"axis{axis}" for axis in axes}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter is deprecated, and tracing warns of every size in Python
        torch.onnx.export(_Traced(module), (example,), path, dynamo=False, input_names=["image"], dynamic_axes=named)


class _Traced(nn.Module):
    """A module as TorchScript traces it: it refuses a torch.fx module at the top, and a dictionary as the result."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        found = self.module(x)
        return tuple(found.values()) if isinstance(found, dict) else found


def slim(path: Path, into: Path) -> None:
    """Let onnxslim simplify a file."""
    import onnxslim

    onnxslim.slim(str(path), str(into))


def main() -> None:
    parser = argparse.ArgumentParser(description="Build a network in torch and let its peers count it.")
    parser.add_argument("name", nargs="?", default="resnet50", choices=NETWORKS)
    parser.add_argument("--flops", action="store_true", help="count with fvcore too")
    parser.add_argument("--build", action="store_true", help="build it and no more")
    options = parser.parse_args()
    module = build(options.name)
    if not options.build:
        print(summarize(module), *([count_flops(module)] if options.flops else []))


if __name__ == "__main__":
    main()
