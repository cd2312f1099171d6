"""Networks in plain torch, written from their papers and not from the specs: witnesses for the families of
`test_other_families.py`. Layers are registered in the order in which values pass them, so that state dicts line up."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as f

CONV = {2: nn.Conv2d, 3: nn.Conv3d}
CONV_TRANSPOSE = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
POOL = {2: f.max_pool2d, 3: f.max_pool3d}
Pairs = Sequence[tuple[int, int]]


def two_convs(ins: int, middle: int, out: int, rank: int, pad: int, norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in ((ins, middle), (middle, out)):
        layers.append(CONV[rank](before, after, 3, padding=pad, bias=not norm))
        layers += [NORM[rank](after)] if norm else []
        layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def join(skip: Tensor, x: Tensor) -> Tensor:
    """The skip cut around its centre to x, or x padded to the skip, then both."""
    for axis in range(2, x.ndim):
        more = skip.shape[axis] - x.shape[axis]
        if more > 1:
            skip = skip.narrow(axis, more // 2, x.shape[axis])
    pads = [side for axis in reversed(range(2, x.ndim)) for side in (0, skip.shape[axis] - x.shape[axis])]
    return torch.cat([skip, f.pad(x, pads)], 1)


class UNet(nn.Module):
    """Ronneberger et al., 2015, and its descendants; `levels`, `bottom` and `decoders` give the channels behind the
    first and the second convolution, `ups` those behind a transposed one (none: linear upsampling)."""

    def __init__(
        self,
        channels: int,
        classes: int,
        levels: Pairs,
        bottom: tuple[int, int],
        ups: Sequence[int],
        decoders: Pairs,
        *,
        rank: int = 2,
        pad: int = 1,
        norm: bool = False,
        up_bias: bool = True,
    ) -> None:
        super().__init__()
        self.rank = rank
        self.encoders: Any = nn.ModuleList()
        for middle, out in levels:
            self.encoders.append(two_convs(channels, middle, out, rank, pad, norm))
            channels = out
        self.bottom = two_convs(channels, *bottom, rank, pad, norm)
        self.decoders: Any = nn.ModuleList()
        channels = bottom[1]
        for i, (middle, out) in enumerate(decoders):
            upper: nn.Module = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
            if ups:
                upper = CONV_TRANSPOSE[rank](channels, ups[i], 2, 2, bias=up_bias)
                channels = ups[i]
            block = two_convs(levels[-1 - i][1] + channels, middle, out, rank, pad, norm)
            self.decoders.append(nn.ModuleList([upper, block]))
            channels = out
        self.head = CONV[rank](channels, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for encoder in self.encoders:
            skips.append(encoder(x))
            x = POOL[self.rank](skips[-1], 2)
        x = self.bottom(x)
        for up, block in self.decoders:
            x = block(join(skips.pop(), up(x)))
        return self.head(x)


def unet(channels: int, classes: int, widths: Sequence[int], **options: Any) -> UNet:
    same = [(width, width) for width in widths]
    double = 2 * widths[-1]
    return UNet(channels, classes, same, (double, double), widths[::-1], same[::-1], **options)


def unet_bilinear(channels: int = 3, classes: int = 1) -> UNet:
    """Pytorch-UNet (milesial), `bilinear=True`."""
    levels, decoders = [(w, w) for w in (64, 128, 256, 512)], [(512, 256), (256, 128), (128, 64), (64, 64)]
    return UNet(channels, classes, levels, (512, 512), (), decoders, norm=True)


def unet3d(channels: int, classes: int, widths: Sequence[int]) -> UNet:
    """Çiçek et al., 2016, figure 2."""
    levels, decoders, last = [(w // 2, w) for w in widths], [(w, w) for w in widths[::-1]], widths[-1]
    ups = [2 * w for w in widths[::-1]]
    options: dict[str, Any] = {"rank": 3, "pad": 0, "norm": True, "up_bias": False}
    return UNet(channels, classes, levels, (last, 2 * last), ups, decoders, **options)


class VStage(nn.Module):
    def __init__(self, ins: int, width: int, count: int) -> None:
        super().__init__()
        self.convs: Any = nn.ModuleList()
        for i in range(count):
            conv = nn.Conv3d(ins if i == 0 else width, width, 5, padding=2)
            self.convs.append(nn.ModuleList([conv, nn.PReLU(width)]))

    def forward(self, x: Tensor) -> Tensor:
        start = x
        for i, (conv, activate) in enumerate(self.convs):
            x = conv(x) + start if i == len(self.convs) - 1 else conv(x)
            x = activate(x)
        return x


class VNet(nn.Module):
    """Milletari et al., 2016, figure 2."""

    def __init__(self, widths: Sequence[int], counts: Sequence[int] = (1, 2, 3, 3), classes: int = 2) -> None:
        super().__init__()
        self.left: Any = nn.ModuleList()
        ins = 1
        for width, count in zip(widths, counts, strict=True):
            down = nn.Sequential(nn.Conv3d(width, 2 * width, 2, 2), nn.PReLU(2 * width))
            self.left.append(nn.ModuleList([VStage(ins, width, count), down]))
            ins = 2 * width
        self.bottom = VStage(ins, ins, 3)
        self.right: Any = nn.ModuleList()
        for width, count in zip(reversed(widths), reversed(counts), strict=True):
            up = nn.Sequential(nn.ConvTranspose3d(ins, width, 2, 2), nn.PReLU(width))
            ins = 2 * width
            self.right.append(nn.ModuleList([up, VStage(ins, ins, count)]))
        self.head = nn.Conv3d(ins, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for stage, down in self.left:
            skips.append(stage(x))
            x = down(skips[-1])
        x = self.bottom(x)
        for up, stage in self.right:
            x = stage(torch.cat([skips.pop(), up(x)], 1))
        return self.head(x)


class NestedUNet(nn.Module):
    """UNet++, Zhou et al., 2018, figure 1, with transposed convolutions and without normalization."""

    def __init__(self, widths: Sequence[int], *, deep: bool = True) -> None:
        super().__init__()
        self.widths, self.deep, last = widths, deep, len(widths) - 1
        pairs = pairwise([3, *widths])
        self.backbone: Any = nn.ModuleList(two_convs(ins, out, out, 2, 1, False) for ins, out in pairs)
        self.columns: Any = nn.ModuleList()
        for j in range(1, last + 1):
            column = nn.ModuleDict()
            for i in range(last + 1 - j):
                width = widths[i]
                column[f"up{i}"] = nn.ConvTranspose2d(widths[i + 1], width, 2, 2)
                column[f"node{i}"] = two_convs((j + 1) * width, width, width, 2, 1, False)
            if deep or j == last:
                column["head"] = nn.Conv2d(widths[0], 1, 1)
            self.columns.append(column)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        rows: list[list[Tensor]] = []
        for i, block in enumerate(self.backbone):
            x = block(x if i == 0 else f.max_pool2d(x, 2))
            rows.append([x])
        outputs = {}
        for j, column in enumerate(self.columns, 1):
            for i in range(len(self.widths) - j):
                up = column[f"up{i}"](rows[i + 1][j - 1])
                rows[i].append(column[f"node{i}"](torch.cat([*rows[i], up], 1)))
            if "head" in column:
                outputs[f"mask{j}"] = column["head"](rows[0][j])
        return outputs


class FullScaleUNet(nn.Module):
    """UNet 3+, Huang et al., 2020, figure 1 and section 2.1: what node d of the decoder reads of the larger scales is
    pooled, and of the smaller ones enlarged."""

    def __init__(self, widths: Sequence[int], *, deep: bool = False) -> None:
        super().__init__()
        self.encoder: Any = nn.ModuleList(
            nn.Sequential(one_conv(ins, out), one_conv(out, out)) for ins, out in pairwise([3, *widths])
        )
        self.readers: Any = nn.ModuleList()
        each, last = widths[0], len(widths) - 1
        for depth in reversed(range(last)):
            below = [each * len(widths)] * (last - 1 - depth) + [widths[-1]]
            convs = [one_conv(ins, each) for ins in [*widths[: depth + 1], *below]]
            self.readers.append(nn.ModuleList([*convs, one_conv(each * len(widths), each * len(widths))]))
        ins = [each * len(widths)] * last + [widths[-1]]
        self.masks: Any = nn.ModuleList(nn.Conv2d(channels, 1, 3, padding=1) for channels in ins[: None if deep else 1])

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        encoded: list[Tensor] = []
        for block in self.encoder:
            encoded.append(block(f.max_pool2d(encoded[-1], 2) if encoded else x))
        decoded = [encoded.pop()]
        for *convs, join in self.readers:
            finest = len(encoded) - 1
            read = [f.max_pool2d(value, 2 ** (finest - k)) for k, value in enumerate(encoded)]
            read += [enlarge(value, 2 ** (k + 1)) for k, value in enumerate(decoded)]
            decoded.insert(0, join(torch.cat([conv(value) for conv, value in zip(convs, read, strict=True)], 1)))
            encoded.pop()
        masks = [mask(value) for mask, value in zip(self.masks, decoded, strict=False)]
        return {f"mask{i}": enlarge(mask, 2**i) for i, mask in enumerate(masks)}


def one_conv(ins: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(ins, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU())


def enlarge(x: Tensor, scale: int) -> Tensor:
    return f.interpolate(x, scale_factor=scale, mode="bilinear") if scale > 1 else x


class Unit(nn.Module):
    """The residual unit of an hourglass: BatchNorm, ReLU and a convolution, three times."""

    def __init__(self, ins: int, out: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after, kernel in ((ins, out // 2, 1), (out // 2, out // 2, 3), (out // 2, out, 1)):
            layers += [nn.BatchNorm2d(before), nn.ReLU(), nn.Conv2d(before, after, kernel, padding=kernel // 2)]
        self.body = nn.Sequential(*layers)
        self.shortcut = nn.Identity() if ins == out else nn.Conv2d(ins, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.body(x)


class Hourglass(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.levels: Any = nn.ModuleList(nn.ModuleList([Unit(width, width), Unit(width, width)]) for _ in range(4))
        self.bottom = Unit(width, width)
        self.ups: Any = nn.ModuleList(Unit(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for skip, down in self.levels:
            skips.append(skip(x))
            x = down(f.max_pool2d(x, 2))
        x = self.bottom(x)
        for up in self.ups:
            x = skips.pop() + f.interpolate(up(x), scale_factor=2, mode="nearest")
        return x


class StackedHourglass(nn.Module):
    """Newell et al., 2016."""

    def __init__(self, stacks: int, width: int = 256, joints: int = 16) -> None:
        super().__init__()
        stem = [nn.Conv2d(3, 64, 7, 2, 3), nn.BatchNorm2d(64), nn.ReLU(), Unit(64, 128), nn.MaxPool2d(2)]
        self.stem = nn.Sequential(*stem, Unit(128, 128), Unit(128, width))
        self.stacks: Any = nn.ModuleList()
        for i in range(stacks):
            after = nn.Sequential(nn.Conv2d(width, width, 1), nn.BatchNorm2d(width), nn.ReLU())
            parts = [Hourglass(width), after, nn.Conv2d(width, joints, 1)]
            parts += [nn.Conv2d(width, width, 1), nn.Conv2d(joints, width, 1)] if i < stacks - 1 else []
            self.stacks.append(nn.ModuleList(parts))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x, outputs = self.stem(x), {}
        for i, (hourglass, after, head, *back) in enumerate(self.stacks):
            features = after(hourglass(x))
            outputs[f"heatmap{i}"] = heatmaps = head(features)
            if back:
                x = x + back[0](features) + back[1](heatmaps)
        return outputs


class CifarDenseNet(nn.Module):
    """Huang et al., 2017, sections 3 and 4.2."""

    def __init__(self, layers: int, growth: int = 12, *, bc: bool, classes: int = 10) -> None:
        super().__init__()
        width = 2 * growth if bc else 16
        self.stem = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.stages: Any = nn.ModuleList()
        for stage in range(3):
            block = nn.ModuleList()
            for _ in range(layers):
                narrow = self.conv(width, 4 * growth, 1) if bc else nn.Identity()
                block.append(nn.Sequential(narrow, self.conv(4 * growth if bc else width, growth, 3)))
                width += growth
            out = width // 2 if bc else width
            transition = nn.Sequential(self.conv(width, out, 1), nn.AvgPool2d(2)) if stage < 2 else nn.Identity()
            self.stages.append(nn.ModuleList([block, transition]))
            width = out if stage < 2 else width
        self.norm, self.head = nn.BatchNorm2d(width), nn.Linear(width, classes)

    @staticmethod
    def conv(ins: int, out: int, kernel: int) -> nn.Sequential:
        return nn.Sequential(
            nn.BatchNorm2d(ins), nn.ReLU(), nn.Conv2d(ins, out, kernel, padding=kernel // 2, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block, transition in self.stages:
            for layer in block:
                x = torch.cat([x, layer(x)], 1)
            x = transition(x)
        return self.head(f.relu(self.norm(x)).mean((2, 3)))


class FigureOf11x9(nn.Module):
    """Prince, 2023, figure 11.9 and equation 11.11: y = concat(x, h1, …), h_k = f_k(concat(x, h1, …))."""

    def __init__(self, layers: int = 2) -> None:
        super().__init__()
        self.convs: Any = nn.ModuleList(nn.Conv2d(3 + 32 * i, 32, 3, padding=1) for i in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        values = [x]
        for conv in self.convs:
            values.append(f.relu(conv(torch.cat(values, 1))))
        return torch.cat(values, 1)
