"""Residual and plain networks in plain torch, written from their papers and not from the specs: witnesses for
`test_residual_families.py`. Layers are registered in the order in which values pass them, a body before its shortcut,
so that state dicts line up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as f

STRIDES = (1, 2, 2, 2)


def conv(ins: int, out: int, kernel: int = 3, stride: int = 1, bias: bool = False, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(ins, out, kernel, stride, kernel // 2, groups=groups, bias=bias)


def conv_norm(ins: int, out: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [conv(ins, out, kernel, stride, groups=groups), nn.BatchNorm2d(out)]


def classifier(width: int, classes: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)]


def image_stem(channels: int = 3, bias: bool = False) -> list[nn.Module]:
    return [nn.Conv2d(channels, 64, 7, 2, 3, bias=bias), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]


def stages(widths: Sequence[int], counts: Sequence[int]) -> list[tuple[int, int, int]]:
    """(channels before, channels behind, stride) of each block; the first stage is entered with its own width."""
    rows = []
    for i, (width, count) in enumerate(zip(widths, counts, strict=True)):
        before = widths[max(i - 1, 0)]
        rows += [(before, width, STRIDES[i])] + [(width, width, 1)] * (count - 1)
    return rows


class ZeroChannels(nn.Module):
    """Option A of He et al., 2015: every `stride`-th pixel, and zeros behind the channels."""

    def __init__(self, more: int, stride: int) -> None:
        super().__init__()
        self.more, self.stride = more, stride

    def forward(self, x: Tensor) -> Tensor:
        return f.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))


class Sum(nn.Module):
    """after(shortcut(x) + factor · body(x)), times `whole`."""

    def __init__(
        self,
        body: Sequence[nn.Module],
        shortcut: Sequence[nn.Module] = (),
        after: Sequence[nn.Module] = (nn.ReLU(),),
        factor: float = 1,
        whole: float = 1,
    ) -> None:
        super().__init__()
        self.body, self.shortcut, self.after = nn.Sequential(*body), nn.Sequential(*shortcut), nn.Sequential(*after)
        self.factor, self.whole = factor, whole

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.after(self.whole * (self.factor * self.body(x) + self.shortcut(x)))
        return total


def way(option: str, ins: int, out: int, stride: int) -> list[nn.Module]:
    """A shortcut of He et al., 2015, section 4.1."""
    if option == "C" or (option == "B" and ins != out):
        return conv_norm(ins, out, 1, stride)
    return [ZeroChannels(out - ins, stride)] if ins != out else []


def basic(ins: int, out: int, stride: int, option: str) -> Sum:
    body = [*conv_norm(ins, out, 3, stride), nn.ReLU(), *conv_norm(out, out)]
    return Sum(body, way(option, ins, out, stride))


def plain(depths: Sequence[int]) -> nn.Sequential:
    layers = image_stem()
    for ins, out, stride in stages((64, 128, 256, 512), [2 * depth for depth in depths]):
        layers += [*conv_norm(ins, out, 3, stride), nn.ReLU()]
    return nn.Sequential(*layers, *classifier(512, 1000))


def resnet(depths: Sequence[int], option: str) -> nn.Sequential:
    blocks = [basic(*row, option) for row in stages((64, 128, 256, 512), depths)]
    return nn.Sequential(*image_stem(), *blocks, *classifier(512, 1000))


def cifar(count: int, option: str) -> nn.Sequential:
    """He et al., 2015, section 4.2."""
    blocks = [basic(*row, option) for row in stages((16, 32, 64), [count] * 3)]
    return nn.Sequential(*conv_norm(3, 16), nn.ReLU(), *blocks, *classifier(64, 10))


def digits(count: int) -> nn.Sequential:
    """`cifar` for grey images, with projections."""
    return nn.Sequential(*conv_norm(1, 16), *list(cifar(count, "B"))[2:])


def cifar_decaying(count: int) -> nn.Sequential:
    """`cifar` where body l of L counts 1 - l / 2L, as it survives (Huang et al., 2016, equation 4)."""
    network = cifar(count, "A")
    sums = [module for module in network if isinstance(module, Sum)]
    for i, module in enumerate(sums, start=1):
        module.factor = 1 - i / len(sums) / 2
    return network


class Number(nn.Module):
    """A learned number, to multiply or to add."""

    def __init__(self, start: float, times: bool = False) -> None:
        super().__init__()
        self.number, self.times = nn.Parameter(torch.tensor(start)), times

    def forward(self, x: Tensor) -> Tensor:
        return x * self.number if self.times else x + self.number


def cifar_bare(count: int, rule: str) -> nn.Sequential:
    """A residual network for CIFAR without normalization, with biases; `rule` scales its bodies or sums."""
    layers: list[nn.Module] = [conv(3, 16, bias=True), nn.ReLU()]
    for ins, out, stride in stages((16, 32, 64), [count] * 3):
        body = [conv(ins, out, 3, stride, bias=True), nn.ReLU(), conv(out, out, bias=True)]
        body += [Number(0.0, times=True)] if rule == "skip_init" else []
        factor = (3 * count) ** -0.5 if rule == "stable" else 1
        layers.append(Sum(body, way("A", ins, out, stride), factor=factor))
        if rule == "sqrt_half":
            layers[-1] = nn.Sequential(Sum(body, way("A", ins, out, stride), (), whole=0.5**0.5), nn.ReLU())
    return nn.Sequential(*layers, *classifier(64, 10))


def fixup(ins: int, out: int, stride: int) -> Sum:
    """A basic block of Zhang et al., 2019, figure 1 (right)."""
    first, second = conv(ins, out, 3, stride), conv(out, out)
    body = [Number(0.0), first, Number(0.0), nn.ReLU(), Number(0.0), second, Number(1.0, times=True), Number(0.0)]
    return Sum(body, way("A", ins, out, stride))


def cifar_fixup(count: int) -> nn.Sequential:
    blocks = [fixup(*row) for row in stages((16, 32, 64), [count] * 3)]
    return nn.Sequential(conv(3, 16), nn.ReLU(), *blocks, *classifier(64, 10))


class PreActivated(nn.Module):
    """BN, ReLU, convolution, and so on; with `split` the shortcut starts behind the first ReLU: He et al., 2016."""

    def __init__(self, widths: Sequence[int], kernels: Sequence[int], stride: int, split: bool, drop: float) -> None:
        super().__init__()
        self.split, self.drop = split, drop
        self.steps: Any = nn.ModuleList()
        for i, (ins, out) in enumerate(pairwise(widths)):
            kernel = conv(ins, out, kernels[i], stride if i == kernels.index(3) else 1)
            self.steps.append(nn.ModuleList([nn.BatchNorm2d(ins), kernel]))
        changes = stride > 1 or widths[0] != widths[-1]
        self.project = conv(widths[0], widths[-1], 1, stride) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        shortcut, last = x, len(self.steps) - 1
        for i, (norm, kernel) in enumerate(self.steps):
            x = torch.relu(norm(x))
            shortcut = x if i == 0 and self.split else shortcut
            x = kernel(f.dropout(x, self.drop, self.training) if i == last else x)
        total: Tensor = x + self.project(shortcut)
        return total


def pre_activated(blocks: Sequence[nn.Module], stem: Sequence[nn.Module], width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(*stem, *blocks, nn.BatchNorm2d(width), nn.ReLU(), *classifier(width, classes))


def pre_basic(count: int, widen: int = 1, first: bool = True, drop: float = 0) -> nn.Sequential:
    """He et al., 2016, for CIFAR; with `widen`, and where only blocks that change the shape split behind their first
    activation, Zagoruyko and Komodakis, 2016."""
    blocks, ins = [], 16
    for i, (_, out, stride) in enumerate(stages((16, 32, 64), [count] * 3)):
        out *= widen
        split = out != ins or (first and i == 0)
        blocks.append(PreActivated((ins, out, out), (3, 3), stride, split, drop))
        ins = out
    return pre_activated(blocks, [conv(3, 16)], 64 * widen, 10)


def pre_bottleneck(ins: int, width: int, stride: int) -> PreActivated:
    return PreActivated((ins, width, width, 4 * width), (1, 3, 1), stride, ins != 4 * width, 0)


def pre_bottlenecks(count: int) -> nn.Sequential:
    blocks, ins = [], 16
    for _, width, stride in stages((16, 32, 64), [count] * 3):
        blocks.append(pre_bottleneck(ins, width, stride))
        ins = 4 * width
    return pre_activated(blocks, [conv(3, 16)], 256, 10)


def pre_image(depths: Sequence[int], classes: int = 1000) -> nn.Sequential:
    blocks, ins = [], 64
    for _, width, stride in stages((64, 128, 256, 512), depths):
        blocks.append(pre_bottleneck(ins, width, stride))
        ins = 4 * width
    return pre_activated(blocks, image_stem(), 2048, classes)


class SqueezeExcite(nn.Module):
    """Hu et al., 2018, section 3, with fully connected layers."""

    def __init__(self, width: int, ratio: int) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Linear(width, width // ratio), nn.Linear(width // ratio, width)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.excite(torch.relu(self.squeeze(x.mean((2, 3))))))
        return x * gate[:, :, None, None]


def narrowing(ins: int, inner: int, out: int, stride: int, groups: int, ratio: int = 0) -> Sum:
    """A bottleneck, of groups or with a gate."""
    body = [*conv_norm(ins, inner, 1), nn.ReLU(), *conv_norm(inner, inner, 3, stride, groups), nn.ReLU()]
    body += [*conv_norm(inner, out, 1), *([SqueezeExcite(out, ratio)] if ratio else [])]
    return Sum(body, way("B", ins, out, stride))


def se_resnet(depths: Sequence[int], ratio: int, classes: int = 1000) -> nn.Sequential:
    blocks, ins = [], 64
    for _, width, stride in stages((64, 128, 256, 512), depths):
        blocks.append(narrowing(ins, width, 4 * width, stride, 1, ratio))
        ins = 4 * width
    return nn.Sequential(*image_stem(), *blocks, *classifier(2048, classes))


def resnext_cifar(count: int, cardinality: int, width: int) -> nn.Sequential:
    """Xie et al., 2017, section 5.2: groups of `width` channels in the first stage, twice that in each further one."""
    blocks, ins = [], 64
    for _, out, stride in stages((256, 512, 1024), [count] * 3):
        blocks.append(narrowing(ins, cardinality * width * out // 256, out, stride, cardinality))
        ins = out
    return nn.Sequential(*conv_norm(3, 64), nn.ReLU(), *blocks, *classifier(1024, 10))


def se_net() -> nn.Sequential:
    """Two basic blocks with gates, of 64 and 128 channels; every convolution has a bias."""
    blocks: list[nn.Module] = []
    for ins, out, stride in ((64, 64, 1), (64, 128, 2)):
        body = [conv(ins, out, 3, stride, bias=True), nn.BatchNorm2d(out), nn.ReLU()]
        body += [conv(out, out, bias=True), nn.BatchNorm2d(out), SqueezeExcite(out, 8)]
        project = [conv(ins, out, 1, stride, bias=True), nn.BatchNorm2d(out)]
        blocks.append(Sum(body, project if ins != out else []))
    return nn.Sequential(conv(3, 64, bias=True), *blocks, *classifier(128, 10))


class Branches(nn.Module):
    """Several bodies of one value, added or concatenated."""

    def __init__(self, bodies: Sequence[nn.Module], joined: bool) -> None:
        super().__init__()
        self.bodies, self.joined = nn.ModuleList(bodies), joined

    def forward(self, x: Tensor) -> Tensor:
        values = [body(x) for body in self.bodies]
        return torch.cat(values, 1) if self.joined else torch.stack(values).sum(0)


def resnext_form(form: str, depths: Sequence[int], cardinality: int, classes: int = 1000) -> nn.Sequential:
    """Xie et al., 2017, figure 3a or 3b, with branches of 4 channels in the first stage."""
    blocks, ins = [], 64
    for _, out, stride in stages((256, 512, 1024, 2048), depths):
        narrow = out // 64
        bodies: list[nn.Module] = []
        for _ in range(cardinality):
            body = [*conv_norm(ins, narrow, 1), nn.ReLU(), *conv_norm(narrow, narrow, 3, stride), nn.ReLU()]
            bodies.append(nn.Sequential(*body, *([conv(narrow, out, 1)] if form == "a" else [])))
        join = [] if form == "a" else [conv(cardinality * narrow, out, 1)]
        body = [Branches(bodies, form == "b"), *join, nn.BatchNorm2d(out)]
        blocks.append(Sum(body, way("B", ins, out, stride)))
        ins = out
    return nn.Sequential(*image_stem(), *blocks, *classifier(2048, classes))


def d2l(depths: Sequence[int]) -> nn.Sequential:
    """Dive into Deep Learning, section 7.6: every convolution has a bias, and a projection stands alone."""
    layers = image_stem(1, bias=True)
    for ins, out, stride in stages((64, 128, 256, 512), depths):
        body = [conv(ins, out, 3, stride, bias=True), nn.BatchNorm2d(out), nn.ReLU()]
        body += [conv(out, out, bias=True), nn.BatchNorm2d(out)]
        layers.append(Sum(body, [conv(ins, out, 1, stride, bias=True)] if ins != out else []))
    return nn.Sequential(*layers, *classifier(512, 10))


def mlp(norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for ins in (1, *[20] * 9):
        layers += [nn.Linear(ins, 20), *([nn.BatchNorm1d(20)] if norm else []), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(20, 1))


def residual_mlp(body: Callable[[], Sequence[nn.Module]]) -> nn.Sequential:
    return nn.Sequential(nn.Linear(100, 100), *(Sum(body(), after=()) for _ in range(4)), nn.Linear(100, 1))


class Highway(nn.Module):
    """y = T(x) · H(x) + (1 - T(x)) · x: Srivastava et al., 2015, equation 3."""

    def __init__(self, layer: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.gate, self.transform = layer(), layer()

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.gate(x))
        return gate * torch.relu(self.transform(x)) + (1 - gate) * x


def highway(layers: int) -> nn.Sequential:
    rest = [Highway(partial(nn.Linear, 50, 50)) for _ in range(layers - 1)]
    return nn.Sequential(nn.Linear(784, 50), nn.ReLU(), *rest, nn.Linear(50, 10))


def highway_conv(layers: int) -> nn.Sequential:
    network: list[nn.Module] = []
    for ins, width, stride in ((3, 16, 1), (16, 32, 2), (32, 64, 2)):
        network += [conv(ins, width, 3, stride, bias=True), nn.ReLU()]
        network += [Highway(partial(conv, width, width, bias=True)) for _ in range(layers)]
    return nn.Sequential(*network, *classifier(64, 10))


class Ordered(nn.Module):
    """A unit of He et al., 2016, figure 4; its letters are the figure's."""

    def __init__(self, ins: int, out: int, stride: int, order: str, first: bool) -> None:
        super().__init__()
        self.order, self.first = order, first
        self.bn0 = nn.BatchNorm2d(ins) if order == "e" and not first else nn.Identity()
        self.conv1, self.bn1 = conv(ins, out, 3, stride), nn.BatchNorm2d(out)
        self.conv2 = conv(out, out)
        self.bn2 = nn.Identity() if order == "e" else nn.BatchNorm2d(out)
        self.way = nn.Sequential(*way("A", ins, out, stride))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.way(x)
        if self.order in "de" and not self.first:
            x = torch.relu(self.bn0(x))
        x = self.conv2(torch.relu(self.bn1(self.conv1(x))))
        if self.order == "a":
            return torch.relu(self.bn2(x) + shortcut)
        if self.order == "b":
            return torch.relu(self.bn2(x + shortcut))
        if self.order == "c":
            return torch.relu(self.bn2(x)) + shortcut
        return self.bn2(x) + shortcut


def ordered(count: int, order: str) -> nn.Sequential:
    units = [Ordered(*row, order, i == 0) for i, row in enumerate(stages((16, 32, 64), [count] * 3))]
    ends: dict[str, list[nn.Module]] = {"d": [nn.ReLU()], "e": [nn.BatchNorm2d(64), nn.ReLU()]}
    end = ends.get(order, [])
    return nn.Sequential(*conv_norm(3, 16), nn.ReLU(), *units, *end, *classifier(64, 10))


class Shortcut(nn.Module):
    """A unit of He et al., 2016, figure 2; its letters are the figure's."""

    def __init__(self, ins: int, out: int, stride: int, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.gate = conv(ins, out, 1, stride, bias=True) if kind in "cd" else nn.Identity()
        self.body = nn.Sequential(*conv_norm(ins, out, 3, stride), nn.ReLU(), *conv_norm(out, out))
        self.way = nn.Sequential(*way("C" if kind == "e" else "A", ins, out, stride))

    def forward(self, x: Tensor) -> Tensor:
        body, shortcut = self.body(x), self.way(x)
        if self.kind == "b":
            body, shortcut = body / 2, shortcut / 2
        if self.kind in "cd":
            gate = torch.sigmoid(self.gate(x))
            body, shortcut = body * gate if self.kind == "c" else body, shortcut * (1 - gate)
        if self.kind == "f":
            shortcut = f.dropout(shortcut, 0.5, self.training)
        return torch.relu(body + shortcut)


def with_shortcuts(count: int, kind: str) -> nn.Sequential:
    units = [Shortcut(*row, kind) for row in stages((16, 32, 64), [count] * 3)]
    return nn.Sequential(*conv_norm(3, 16), nn.ReLU(), *units, *classifier(64, 10))
