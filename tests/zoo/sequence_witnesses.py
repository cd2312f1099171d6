"""Networks for sequences in plain torch, written from their papers and not from the specs. Layers are registered in the
order in which values pass them, so that state dicts line up. Values are (N, C, L)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as f


class CausalConv(nn.Conv1d):
    """A convolution whose last tap lies on the position itself."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(f.pad(x, (self.dilation[0] * (self.kernel_size[0] - 1), 0)))


class WaveNetLayer(nn.Module):
    def __init__(self, width: int, skip: int, dilation: int, last: bool) -> None:
        super().__init__()
        self.filter, self.gate = (CausalConv(width, width, 2, dilation=dilation) for _ in range(2))
        self.skip = nn.Conv1d(width, skip, 1)
        self.residual: Any = None if last else nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = torch.tanh(self.filter(x)) * torch.sigmoid(self.gate(x))
        return self.skip(z), x if self.residual is None else x + self.residual(z)


class WaveNet(nn.Module):
    """Van den Oord et al., 2016, figures 3 and 4 and equation 2."""

    def __init__(self, levels: int = 256, width: int = 64, skip: int = 256, stacks: int = 3, layers: int = 10) -> None:
        super().__init__()
        self.first = CausalConv(levels, width, 2)
        count = stacks * layers
        self.layers: Any = nn.ModuleList(
            WaveNetLayer(width, skip, 2 ** (i % layers), i == count - 1) for i in range(count)
        )
        self.last = nn.Sequential(nn.ReLU(), nn.Conv1d(skip, skip, 1), nn.ReLU(), nn.Conv1d(skip, levels, 1))

    def forward(self, waveform: Tensor) -> Tensor:
        x, skips = self.first(waveform), []
        for layer in self.layers:
            skip, x = layer(x)
            skips.append(skip)
        return self.last(torch.stack(skips).sum(0))


class NormedCausalConv(CausalConv):
    """Weight normalization (Salimans and Kingma, 2016): each output's kernel has a length of its own."""

    def __init__(self, ins: int, out: int, kernel: int, dilation: int) -> None:
        super().__init__(ins, out, kernel, dilation=dilation, bias=False)
        self.length = nn.Parameter(torch.ones(self.out_channels))
        self.shift = nn.Parameter(torch.zeros(self.out_channels))

    def forward(self, x: Tensor) -> Tensor:
        norm = self.weight.square().sum((1, 2), keepdim=True).sqrt()
        weight = self.length[:, None, None] * self.weight / norm
        x = f.pad(x, (self.dilation[0] * (self.kernel_size[0] - 1), 0))
        return f.conv1d(x, weight, self.shift, dilation=self.dilation)


class TemporalBlock(nn.Module):
    def __init__(self, ins: int, width: int, kernel: int, dilation: int, drop: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before in (ins, width):
            layers += [NormedCausalConv(before, width, kernel, dilation), nn.ReLU(), nn.Dropout(drop)]
        self.body = nn.Sequential(*layers)
        self.shortcut = nn.Identity() if ins == width else nn.Conv1d(ins, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return f.relu(self.body(x) + self.shortcut(x))


class TCN(nn.Module):
    """Bai et al., 2018, section 3 and figure 1; the answer is read at the last position."""

    def __init__(
        self,
        channels: int = 1,
        classes: int = 10,
        width: int = 25,
        levels: int = 8,
        kernel: int = 7,
        drop: float = 0.05,
    ) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(TemporalBlock(width if i else channels, width, kernel, 2**i, drop) for i in range(levels))
        )
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(x)[:, :, -1])


class Attention(nn.Module):
    """Vaswani et al., 2017, section 3.2.2, on (N, L, C)."""

    def __init__(self, width: int, heads: int, causal: bool = False) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2) for layer in (self.q, self.k, self.v))
        scores = q @ k.transpose(2, 3) / q.shape[3] ** 0.5
        if self.causal:
            later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).triu(1)
            scores = scores.masked_fill(later, float("-inf"))
        return self.out((scores.softmax(3) @ v).transpose(1, 2).flatten(2))


class ConvolutionModule(nn.Module):
    """Gulati et al., 2020, figure 2, on (N, L, C)."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        layers = [nn.Conv1d(width, 2 * width, 1), nn.GLU(1), depthwise, nn.BatchNorm1d(width), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Conv1d(width, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.norm(x).transpose(1, 2)).transpose(1, 2)


class ConformerBlock(nn.Module):
    """Gulati et al., 2020, figure 1, with plain attention, on (N, L, C)."""

    def __init__(self, width: int, heads: int, kernel: int) -> None:
        super().__init__()
        self.before = self.feed_forward(width)
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, heads))
        self.convolution = ConvolutionModule(width, kernel)
        self.behind, self.norm = self.feed_forward(width), nn.LayerNorm(width)

    @staticmethod
    def feed_forward(width: int) -> nn.Sequential:
        inner = 4 * width
        return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, inner), nn.SiLU(), nn.Linear(inner, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + 0.5 * self.before(x)
        x = x + self.attention(x)
        x = x + self.convolution(x)
        return self.norm(x + 0.5 * self.behind(x))


class OverTime(nn.Module):
    """Modules for (N, L, C), run on (N, C, L)."""

    def __init__(self, *body: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x.transpose(1, 2)).transpose(1, 2)


def conformer(width: int = 144, heads: int = 4, blocks: int = 16, kernel: int = 31) -> nn.Module:
    return OverTime(*(ConformerBlock(width, heads, kernel) for _ in range(blocks)))


class EncoderLayer(nn.Module):
    """Vaswani et al., 2017, section 3.1, on (N, L, C)."""

    def __init__(
        self, width: int, heads: int, inner: int, eps: float = 1e-5, activation: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.attention, self.norm1 = Attention(width, heads), nn.LayerNorm(width, eps=eps)
        self.mlp = nn.Sequential(nn.Linear(width, inner), activation or nn.ReLU(), nn.Linear(inner, width))
        self.norm2 = nn.LayerNorm(width, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.mlp(x))


def transformer_encoder(width: int = 512, heads: int = 8, inner: int = 2048, layers: int = 6) -> nn.Module:
    return OverTime(*(EncoderLayer(width, heads, inner) for _ in range(layers)))


class LSTMClassifier(nn.Module):
    """Layers of Graves et al., 2013, equations 8 to 11 without peepholes, and a linear layer on the mean over time."""

    def __init__(self, features: int = 123, classes: int = 61, width: int = 250, layers: int = 3) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, width, layers, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x.transpose(1, 2))[0].mean(1))


class TextCNN(nn.Module):
    """Kim, 2014, section 2."""

    def __init__(
        self,
        words: int = 18765,
        classes: int = 2,
        width: int = 300,
        filters: int = 100,
        kernels: Sequence[int] = (3, 4, 5),
    ) -> None:
        super().__init__()
        self.table = nn.Embedding(words, width)
        self.convs: Any = nn.ModuleList(nn.Conv1d(width, filters, kernel) for kernel in kernels)
        self.head = nn.Linear(len(kernels) * filters, classes)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.table(ids[:, 0]).transpose(1, 2)
        return self.head(torch.cat([f.relu(conv(x)).amax(2) for conv in self.convs], 1))


class Bert(nn.Module):
    """Devlin et al., 2019, section 3, with the pooler of the authors' code."""

    def __init__(
        self,
        words: int = 30522,
        longest: int = 512,
        width: int = 128,
        heads: int = 2,
        inner: int = 512,
        layers: int = 2,
    ) -> None:
        super().__init__()
        self.tables: Any = nn.ModuleList(nn.Embedding(rows, width) for rows in (words, 2, longest))
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.layers = nn.Sequential(
            *(EncoderLayer(width, heads, inner, eps=1e-12, activation=nn.GELU()) for _ in range(layers))
        )
        self.pooler = nn.Linear(width, width)

    def forward(self, *numbers: Tensor) -> dict[str, Tensor]:
        rows = [table(given[:, 0]) for table, given in zip(self.tables, numbers, strict=True)]
        hidden = self.layers(self.norm(rows[0] + rows[1] + rows[2]))
        return {"hidden": hidden.transpose(1, 2), "pooled": torch.tanh(self.pooler(hidden[:, 0]))}


class GPT2Layer(nn.Module):
    """Radford et al., 2019, section 2.3, on (N, L, C)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(nn.LayerNorm(width), Attention(width, heads, causal=True))
        mlp = [nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width)]
        self.mlp = nn.Sequential(nn.LayerNorm(width), *mlp)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x)
        return x + self.mlp(x)


class GPT2(nn.Module):
    """Radford et al., 2019, without the products with the vocabulary."""

    def __init__(
        self, words: int = 50257, longest: int = 1024, width: int = 768, heads: int = 12, layers: int = 12
    ) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(longest, width)
        self.layers = nn.Sequential(*(GPT2Layer(width, heads) for _ in range(layers)), nn.LayerNorm(width))

    def forward(self, ids: Tensor, positions: Tensor) -> Tensor:
        x = self.words(ids[:, 0]) + self.places(positions[:, 0])
        return self.layers(x).transpose(1, 2)


class TimeDelay(nn.Module):
    """A convolution over time, a ReLU, and batch normalization behind it."""

    def __init__(self, ins: int, out: int, kernel: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(ins, out, kernel, dilation=dilation, padding=kernel // 2 * dilation)
        self.norm = nn.BatchNorm1d(out)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x).relu())


class FrameBlock(nn.Module):
    """Desplanques et al., 2020, figure 1: an SE-Res2Block, with eight parts."""

    def __init__(self, width: int, bottleneck: int, dilation: int) -> None:
        super().__init__()
        self.first = TimeDelay(width, width)
        self.parts: Any = nn.ModuleList(TimeDelay(width // 8, width // 8, 3, dilation) for _ in range(7))
        self.last = TimeDelay(width, width)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool1d(1), nn.Conv1d(width, bottleneck, 1), nn.ReLU(), nn.Conv1d(bottleneck, width, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        *parts, rest = self.first(x).chunk(8, 1)
        value, found = torch.zeros(()), []
        for part, layer in zip(parts, self.parts, strict=True):
            value = layer(part + value)
            found.append(value)
        y = self.last(torch.cat([*found, rest], 1))
        return x + y * self.gate(y).sigmoid()


class EcapaTDNN(nn.Module):
    """Desplanques et al., 2020, sections 3.1 to 3.3 and figure 2."""

    def __init__(
        self, features: int = 80, width: int = 1024, wide: int = 1536, bottleneck: int = 128, embedding: int = 192
    ) -> None:
        super().__init__()
        self.first = TimeDelay(features, width, 5)
        self.blocks: Any = nn.ModuleList(FrameBlock(width, bottleneck, dilation) for dilation in (2, 3, 4))
        self.join = nn.Conv1d(3 * width, wide, 1)
        self.score = nn.Sequential(nn.Conv1d(3 * wide, bottleneck, 1), nn.Tanh(), nn.Conv1d(bottleneck, wide, 1))
        self.norm, self.linear = nn.BatchNorm1d(2 * wide), nn.Linear(2 * wide, embedding)
        self.last = nn.BatchNorm1d(embedding)

    def forward(self, spectrum: Tensor) -> Tensor:
        values = [self.first(spectrum)]
        for block in self.blocks:
            values.append(block(torch.stack(values).sum(0)))
        h = self.join(torch.cat(values[1:], 1)).relu()
        around = [h.mean(2, keepdim=True), h.var(2, correction=0, keepdim=True).clamp(min=1e-4).sqrt()]
        shares = self.score(torch.cat([h, *(value.expand_as(h) for value in around)], 1)).softmax(2)
        mean = (shares * h).sum(2)
        deviation = ((shares * h.square()).sum(2) - mean.square()).clamp(min=1e-4).sqrt()
        return self.last(self.linear(self.norm(torch.cat([mean, deviation], 1))))
