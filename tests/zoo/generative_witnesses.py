"""Networks that make or translate images in plain torch, written from their papers and not from the specs. Layers are
registered in the order in which values pass them, so that state dicts line up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as f


def dcgan_generator(noise: int = 100, width: int = 64, channels: int = 3) -> nn.Module:
    """Radford et al., 2016, figure 1."""
    layers: list[nn.Module] = [nn.ConvTranspose2d(noise, 8 * width, 4, bias=False), nn.BatchNorm2d(8 * width)]
    for ins, out in pairwise((8 * width, 4 * width, 2 * width, width)):
        layers += [nn.ReLU(), nn.ConvTranspose2d(ins, out, 4, 2, 1, bias=False), nn.BatchNorm2d(out)]
    return nn.Sequential(*layers, nn.ReLU(), nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False), nn.Tanh())


def dcgan_discriminator(width: int = 64, channels: int = 3) -> nn.Module:
    """Radford et al., 2016, section 3."""
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1, bias=False)]
    for ins, out in pairwise((width, 2 * width, 4 * width, 8 * width)):
        layers += [nn.LeakyReLU(0.2), nn.Conv2d(ins, out, 4, 2, 1, bias=False), nn.BatchNorm2d(out)]
    return nn.Sequential(*layers, nn.LeakyReLU(0.2), nn.Conv2d(8 * width, 1, 4, bias=False), nn.Sigmoid())


class Pix2Pix(nn.Module):
    """Isola et al., 2017, section 6.1.1: C64-C128-C256-C512-C512-C512-C512-C512 and a decoder with skips."""

    def __init__(self, channels: int = 3, width: int = 64, drop: float = 0.5) -> None:
        super().__init__()
        widths = [factor * width for factor in (1, 2, 4, 8, 8, 8, 8, 8)]
        self.downs: Any = nn.ModuleList([nn.Conv2d(channels, width, 4, 2, 1, bias=False)])
        for i, (ins, out) in enumerate(pairwise(widths)):
            down = [nn.Conv2d(ins, out, 4, 2, 1, bias=False)]
            self.downs.append(nn.Sequential(*down, *([nn.BatchNorm2d(out)] if i < 6 else [])))
        self.ups: Any = nn.ModuleList()
        ins = widths[-1]
        for i, out in enumerate(reversed(widths[:-1])):
            up: list[nn.Module] = [nn.ConvTranspose2d(ins, out, 4, 2, 1, bias=False), nn.BatchNorm2d(out)]
            self.ups.append(nn.Sequential(*up, *([nn.Dropout(drop)] if 1 <= i <= 3 else [])))
            ins = 2 * out
        self.last = nn.ConvTranspose2d(2 * width, channels, 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for i, down in enumerate(self.downs):
            x = down(x if i == 0 else f.leaky_relu(x, 0.2))
            skips.append(x)
        x = skips.pop()
        for up in self.ups:
            x = torch.cat([skips.pop(), up(f.relu(x))], 1)
        return torch.tanh(self.last(f.relu(x)))


class PatchGAN(nn.Module):
    """Isola et al., 2017, section 6.1.2: C64-C128-C256-C512, the last with stride 1, and one channel."""

    def __init__(self, channels: int = 3, width: int = 64, layers: int = 3) -> None:
        super().__init__()
        widths = [width * min(2**i, 8) for i in range(layers + 1)]
        parts: list[nn.Module] = [nn.Conv2d(2 * channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for i, (ins, out) in enumerate(pairwise(widths), 1):
            stride = 1 if i == layers else 2
            parts += [nn.Conv2d(ins, out, 4, stride, 1, bias=False), nn.BatchNorm2d(out), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*parts, nn.Conv2d(widths[-1], 1, 4, 1, 1))

    def forward(self, image: Tensor, condition: Tensor) -> Tensor:
        return self.body(torch.cat([condition, image], 1))


class Residual(nn.Module):
    def __init__(self, *body: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def mirrored(ins: int, out: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    return [nn.ReflectionPad2d(kernel // 2), nn.Conv2d(ins, out, kernel, stride)]


def cyclegan(channels: int = 3, width: int = 64, blocks: int = 9) -> nn.Module:
    """Zhu et al., 2017, section 7.2: c7s1-64, d128, d256, nine times R256, u128, u64, c7s1-3."""
    norm, wide = nn.InstanceNorm2d, 4 * width
    layers = [*mirrored(channels, width, 7), norm(width), nn.ReLU()]
    for ins, out in ((width, 2 * width), (2 * width, wide)):
        layers += [nn.Conv2d(ins, out, 3, 2, 1), norm(out), nn.ReLU()]
    for _ in range(blocks):
        layers.append(Residual(*mirrored(wide, wide), norm(wide), nn.ReLU(), *mirrored(wide, wide), norm(wide)))
    for ins, out in ((wide, 2 * width), (2 * width, width)):
        layers += [nn.ConvTranspose2d(ins, out, 3, 2, 1, 1), norm(out), nn.ReLU()]
    return nn.Sequential(*layers, *mirrored(width, channels, 7), nn.Tanh())


def style(width: int = 32, blocks: int = 5) -> nn.Module:
    """Johnson et al., 2016, table 1 of the supplement, with PyTorch's example's normalization and upsampling."""
    norm: Callable[[int], nn.Module] = partial(nn.InstanceNorm2d, affine=True)
    wide = 4 * width
    layers = [*mirrored(3, width, 9), norm(width), nn.ReLU()]
    for ins, out in ((width, 2 * width), (2 * width, wide)):
        layers += [*mirrored(ins, out, 3, 2), norm(out), nn.ReLU()]
    for _ in range(blocks):
        layers.append(Residual(*mirrored(wide, wide), norm(wide), nn.ReLU(), *mirrored(wide, wide), norm(wide)))
    for ins, out in ((wide, 2 * width), (2 * width, width)):
        layers += [nn.Upsample(scale_factor=2, mode="nearest"), *mirrored(ins, out), norm(out), nn.ReLU()]
    return nn.Sequential(*layers, *mirrored(width, 3, 9))


class Autoencoder(nn.Module):
    """Hinton and Salakhutdinov, 2006, figure 1, unrolled."""

    def __init__(self, pixels: int = 784, widths: Sequence[int] = (1000, 500, 250), code: int = 30) -> None:
        super().__init__()
        self.encoder: Any = nn.ModuleList(nn.Linear(*pair) for pair in pairwise((pixels, *widths, code)))
        self.decoder: Any = nn.ModuleList(nn.Linear(*pair) for pair in pairwise((code, *reversed(widths), pixels)))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        for layer in self.encoder[:-1]:
            x = torch.sigmoid(layer(x))
        code = x = self.encoder[-1](x)
        for layer in self.decoder:
            x = torch.sigmoid(layer(x))
        return {"code": code, "image_again": x}


class VAE(nn.Module):
    """Kingma and Welling, 2014, appendix C: one hidden layer on each side, Bernoulli means."""

    def __init__(self, pixels: int = 784, width: int = 400, code: int = 20) -> None:
        super().__init__()
        self.hidden, self.mean, self.log_variance = (
            nn.Linear(pixels, width),
            nn.Linear(width, code),
            nn.Linear(width, code),
        )
        self.decoder = nn.Sequential(nn.Linear(code, width), nn.ReLU(), nn.Linear(width, pixels), nn.Sigmoid())

    def forward(self, x: Tensor, noise: Tensor) -> dict[str, Tensor]:
        hidden = f.relu(self.hidden(x))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        image = self.decoder(mean + noise * torch.exp(0.5 * log_variance))
        return {"mean": mean, "log_variance": log_variance, "image_again": image}
