"""Networks that judge moves, pairs and items in plain torch, written from their papers and not from the specs. Layers
are registered in the order in which values pass them, so that state dicts line up."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as f


def dqn(frames: int = 4, actions: int = 4) -> nn.Module:
    """Mnih et al., 2015, methods."""
    convs = [nn.Conv2d(frames, 32, 8, 4), nn.ReLU(), nn.Conv2d(32, 64, 4, 2), nn.ReLU(), nn.Conv2d(64, 64, 3)]
    return nn.Sequential(*convs, nn.ReLU(), nn.Flatten(), nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, actions))


class TowerBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.norm2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return f.relu(x + self.norm2(self.conv2(f.relu(self.norm1(self.conv1(x))))))


class AlphaZero(nn.Module):
    """Silver et al., 2017, methods, neural network architecture."""

    def __init__(self, planes: int = 17, board: int = 19, moves: int = 362, width: int = 256, blocks: int = 19) -> None:
        super().__init__()
        first = [nn.Conv2d(planes, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        self.tower = nn.Sequential(*first, *(TowerBlock(width) for _ in range(blocks)))
        policy = [nn.Conv2d(width, 2, 1, bias=False), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten()]
        self.policy = nn.Sequential(*policy, nn.Linear(2 * board**2, moves))
        value = [nn.Conv2d(width, 1, 1, bias=False), nn.BatchNorm2d(1), nn.ReLU(), nn.Flatten()]
        self.value = nn.Sequential(*value, nn.Linear(board**2, width), nn.ReLU(), nn.Linear(width, 1), nn.Tanh())

    def forward(self, planes: Tensor) -> dict[str, Tensor]:
        x = self.tower(planes)
        return {"policy": self.policy(x), "value": self.value(x)}


class Siamese(nn.Module):
    """Koch et al., 2015, figure 4."""

    def __init__(self, features: int = 4096) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for ins, (out, kernel) in zip((1, 64, 128), ((64, 10), (128, 7), (128, 4)), strict=True):
            layers += [nn.Conv2d(ins, out, kernel), nn.ReLU(), nn.MaxPool2d(2)]
        layers += [nn.Conv2d(128, 256, 4), nn.ReLU(), nn.Flatten(), nn.Linear(9216, features), nn.Sigmoid()]
        self.tower, self.head = nn.Sequential(*layers), nn.Linear(features, 1)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return torch.sigmoid(self.head((self.tower(left) - self.tower(right)).abs()))


class TwoTower(nn.Module):
    """Yi et al., 2019, sections 3 and 6: hidden layers with ReLU, embeddings of length 1, s = ⟨u, v⟩ / τ."""

    def __init__(
        self,
        query: int = 256,
        item: int = 256,
        widths: Sequence[int] = (1024, 512, 128),
        temperature: float = 0.05,
    ) -> None:
        super().__init__()
        self.left, self.right = self.tower(query, widths), self.tower(item, widths)
        self.temperature = temperature

    @staticmethod
    def tower(ins: int, widths: Sequence[int]) -> nn.Sequential:
        layers = [layer for pair in pairwise((ins, *widths)) for layer in (nn.Linear(*pair), nn.ReLU())]
        return nn.Sequential(*layers[:-1])

    def forward(self, query: Tensor, item: Tensor) -> dict[str, Tensor]:
        left, right = f.normalize(self.left(query)), f.normalize(self.right(item))
        score = (left * right).sum(1, keepdim=True) / self.temperature
        return {"query_embedding": left, "item_embedding": right, "score": score}
