"""Networks for super-resolution and restoration in plain torch, written from their papers and not from the specs.
Layers are registered in the order in which values pass them, so that state dicts line up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as f


def conv(ins: int, out: int, kernel: int = 3, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(ins, out, kernel, padding=kernel // 2, **options)


def espcn(channels: int = 1, scale: int = 3) -> nn.Module:
    """Shi et al., 2016, section 3.2: (f1, n1) = (5, 64), (f2, n2) = (3, 32), f3 = 3, with tanh."""
    layers = [conv(channels, 64, 5), nn.Tanh(), conv(64, 32), nn.Tanh(), conv(32, channels * scale**2)]
    return nn.Sequential(*layers, nn.PixelShuffle(scale))


def srcnn(channels: int = 1, kernels: Sequence[int] = (9, 1, 5)) -> nn.Module:
    """Dong et al., 2015."""
    first, second, third = kernels
    return nn.Sequential(
        conv(channels, 64, first), nn.ReLU(), conv(64, 32, second), nn.ReLU(), conv(32, channels, third)
    )


class Sum(nn.Module):
    """x + factor · body(x)."""

    def __init__(self, *body: nn.Module, factor: float = 1.0) -> None:
        super().__init__()
        self.body, self.factor = nn.Sequential(*body), factor

    def forward(self, x: Tensor) -> Tensor:
        return x + self.factor * self.body(x)


def enlarge(width: int, scale: int, activate: bool = False) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for step in (2, 2) if scale == 4 else (scale,):
        layers += [conv(width, width * step * step), nn.PixelShuffle(step)]
        layers += [nn.PReLU()] if activate else []
    return layers


def edsr(scale: int = 2, width: int = 64, blocks: int = 16, factor: float = 1.0) -> nn.Module:
    """Lim et al., 2017, figures 2c and 3, without the shift by the mean colour."""
    body = [Sum(conv(width, width), nn.ReLU(), conv(width, width), factor=factor) for _ in range(blocks)]
    return nn.Sequential(conv(3, width), Sum(*body, conv(width, width)), *enlarge(width, scale), conv(width, 3))


def srresnet(scale: int = 4, width: int = 64, blocks: int = 16) -> nn.Module:
    """Ledig et al., 2017, figure 4, the generator."""

    def normed() -> list[nn.Module]:
        return [conv(width, width), nn.BatchNorm2d(width)]

    body = [Sum(*normed(), nn.PReLU(), *normed()) for _ in range(blocks)]
    first, last = [conv(3, width, 9), nn.PReLU()], conv(width, 3, 9)
    return nn.Sequential(*first, Sum(*body, *normed()), *enlarge(width, scale, activate=True), last)


class ChannelGate(nn.Module):
    def __init__(self, width: int, narrow: int) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(width, narrow, 1), nn.Conv2d(narrow, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.up(f.relu(self.down(x.mean((2, 3), keepdim=True)))))


def rcan(scale: int = 2, width: int = 64, groups: int = 10, blocks: int = 20, reduction: int = 16) -> nn.Module:
    """Zhang et al., 2018, section 3, without the shift by the mean colour."""

    def block() -> nn.Module:
        return Sum(conv(width, width), nn.ReLU(), conv(width, width), ChannelGate(width, width // reduction))

    body = [Sum(*(block() for _ in range(blocks)), conv(width, width)) for _ in range(groups)]
    return nn.Sequential(conv(3, width), Sum(*body, conv(width, width)), *enlarge(width, scale), conv(width, 3))


class ResidualDense(nn.Module):
    def __init__(self, width: int, growth: int) -> None:
        super().__init__()
        self.convs: Any = nn.ModuleList(conv(width + i * growth, growth if i < 4 else width) for i in range(5))

    def forward(self, x: Tensor) -> Tensor:
        values = [x]
        for layer in self.convs[:-1]:
            values.append(f.leaky_relu(layer(torch.cat(values, 1)), 0.2))
        return x + 0.2 * self.convs[-1](torch.cat(values, 1))


def esrgan(width: int = 64, growth: int = 32, blocks: int = 23) -> nn.Module:
    """Wang et al., 2018, figures 3 and 4."""
    body = [Sum(*(ResidualDense(width, growth) for _ in range(3)), factor=0.2) for _ in range(blocks)]
    ups: list[nn.Module] = []
    for _ in range(2):
        ups += [nn.Upsample(scale_factor=2, mode="nearest"), conv(width, width), nn.LeakyReLU(0.2)]
    last = [conv(width, width), nn.LeakyReLU(0.2), conv(width, 3)]
    return nn.Sequential(conv(3, width), Sum(*body, conv(width, width)), *ups, *last)


class DnCNN(nn.Module):
    """Zhang et al., 2017, section III."""

    def __init__(self, channels: int = 1, depth: int = 17) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv(channels, 64), nn.ReLU()]
        for _ in range(depth - 2):
            layers += [conv(64, 64, bias=False), nn.BatchNorm2d(64, eps=1e-4), nn.ReLU()]
        self.noise = nn.Sequential(*layers, conv(64, channels, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return x - self.noise(x)


class FFDNet(nn.Module):
    """Zhang et al., 2018, figure 1; the channels of the four images as torch's pixel shuffle has them."""

    def __init__(self, channels: int = 1, width: int = 64, depth: int = 15) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv(4 * channels + 1, width), nn.ReLU()]
        for _ in range(depth - 2):
            layers += [conv(width, width), nn.ReLU()]
        self.body = nn.Sequential(*layers, conv(width, 4 * channels))

    def forward(self, x: Tensor, sigma: Tensor) -> Tensor:
        quarters = f.pixel_unshuffle(x, 2)
        level = sigma.expand(-1, 1, *quarters.shape[2:])
        return f.pixel_shuffle(self.body(torch.cat([quarters, level], 1)), 2)


class ChannelNorm(nn.LayerNorm):
    """Layer normalization over the channels of a map."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class Learned(nn.Module):
    """Numbers that are learned: a module of their own, so that a state dict has them in their turn."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.zeros(shape))


class NafBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = ChannelNorm(width, eps=1e-6)
        self.widen, self.spread = conv(width, 2 * width, 1), conv(2 * width, 2 * width, groups=2 * width)
        self.attention, self.narrow = conv(width, width, 1), conv(width, width, 1)
        self.beta = Learned(width, 1, 1)
        self.norm2 = ChannelNorm(width, eps=1e-6)
        self.widen2, self.narrow2 = conv(width, 2 * width, 1), conv(width, width, 1)
        self.gamma = Learned(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.spread(self.widen(self.norm1(x))).chunk(2, 1)
        gated = a * b
        x = x + self.beta.values * self.narrow(gated * self.attention(gated.mean((2, 3), keepdim=True)))
        a, b = self.widen2(self.norm2(x)).chunk(2, 1)
        return x + self.gamma.values * self.narrow2(a * b)


class NAFNet(nn.Module):
    """Chen et al., 2022, figure 2 and section 4."""

    def __init__(
        self,
        width: int = 32,
        encoders: Sequence[int] = (1, 1, 1, 28),
        middle: int = 1,
        decoders: Sequence[int] = (1, 1, 1, 1),
    ) -> None:
        super().__init__()
        self.first = conv(3, width)
        self.left: Any = nn.ModuleList()
        for count in encoders:
            blocks = nn.Sequential(*(NafBlock(width) for _ in range(count)))
            self.left.append(nn.ModuleList([blocks, nn.Conv2d(width, 2 * width, 2, 2)]))
            width *= 2
        self.middle = nn.Sequential(*(NafBlock(width) for _ in range(middle)))
        self.right: Any = nn.ModuleList()
        for count in reversed(decoders):
            up = nn.Sequential(conv(width, 2 * width, 1, bias=False), nn.PixelShuffle(2))
            width //= 2
            self.right.append(nn.ModuleList([up, nn.Sequential(*(NafBlock(width) for _ in range(count)))]))
        self.last = conv(width, 3)

    def forward(self, image: Tensor) -> Tensor:
        x, skips = self.first(image), []
        for blocks, down in self.left:
            skips.append(blocks(x))
            x = down(skips[-1])
        x = self.middle(x)
        for up, blocks in self.right:
            x = blocks(up(x) + skips.pop())
        return image + self.last(x)


class WindowAttention(nn.Module):
    """Attention in windows of a map, cut out and put into the batch; shifted windows see a mask of regions."""

    def __init__(self, width: int, heads: int, window: int, shift: int) -> None:
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.table = Learned((2 * window - 1) ** 2, heads)
        self.out = nn.Linear(width, width)

    def cut(self, x: Tensor) -> Tensor:
        """(N, H, W, C) to (N, windows, positions, C)."""
        n, high, wide, width = x.shape
        w = self.window
        x = x.view(n, high // w, w, wide // w, w, width).permute(0, 1, 3, 2, 4, 5)
        return x.reshape(n, -1, w * w, width)

    def bias(self) -> Tensor:
        w = self.window
        axis = torch.arange(w, device=self.table.values.device)
        place = torch.stack(torch.meshgrid(axis, axis, indexing="ij")).flatten(1)
        apart = place[:, :, None] - place[:, None, :] + w - 1
        return self.table.values[apart[0] * (2 * w - 1) + apart[1]].permute(2, 0, 1)

    def mask(self, high: int, wide: int) -> Tensor:
        """-100 between positions of one window that come from different regions of the map."""
        region = torch.zeros(1, high, wide, 1, device=self.table.values.device)
        bounds = (slice(0, -self.window), slice(-self.window, -self.shift), slice(-self.shift, None))
        for i, (row, column) in enumerate((r, c) for r in bounds for c in bounds):
            region[:, row, column] = i
        cut = self.cut(region)[0, :, :, 0]
        return -100.0 * (cut[:, None, :] != cut[:, :, None]).float()

    def forward(self, x: Tensor) -> Tensor:
        n, width, high, wide = x.shape
        rolled = x.permute(0, 2, 3, 1).roll((-self.shift, -self.shift), (1, 2))
        cut = self.cut(rolled)
        q, k, v = (layer(cut).unflatten(-1, (self.heads, -1)).transpose(2, 3) for layer in (self.q, self.k, self.v))
        scores = q @ k.transpose(-1, -2) * (width // self.heads) ** -0.5
        scores = scores + self.bias()
        scores = scores + self.mask(high, wide)[:, None] if self.shift else scores
        y = self.out((scores.softmax(-1) @ v).transpose(2, 3).flatten(3))
        w = self.window
        y = y.view(n, high // w, wide // w, w, w, width).permute(0, 1, 3, 2, 4, 5).reshape(n, high, wide, width)
        return y.roll((self.shift, self.shift), (1, 2)).permute(0, 3, 1, 2)


class SwinIR(nn.Module):
    """Liang et al., 2021, section 3, with the lightweight reconstruction: one convolution and a pixel shuffle."""

    def __init__(
        self, scale: int = 2, width: int = 60, heads: int = 6, groups: int = 4, blocks: int = 6, window: int = 8
    ) -> None:
        super().__init__()
        self.first = conv(3, width)
        self.norm = ChannelNorm(width)

        def block(shift: int) -> nn.Module:
            attention = WindowAttention(width, heads, window, shift)
            mlp = [conv(width, 2 * width, 1), nn.GELU(), conv(2 * width, width, 1)]
            return nn.Sequential(Sum(ChannelNorm(width), attention), Sum(ChannelNorm(width), *mlp))

        shifts = [window // 2 if i % 2 else 0 for i in range(blocks)]
        self.groups = nn.Sequential(*(Sum(*map(block, shifts), conv(width, width)) for _ in range(groups)))
        self.norm_last, self.behind = ChannelNorm(width), conv(width, width)
        self.last = nn.Sequential(conv(width, 3 * scale**2), nn.PixelShuffle(scale))

    def forward(self, image: Tensor) -> Tensor:
        x = self.first(image)
        return self.last(x + self.behind(self.norm_last(self.groups(self.norm(x)))))
