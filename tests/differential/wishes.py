"""What is asked of an export at random: precision, runtime, files, members, and weights that nobody wishes for."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor

from archspec.api import to_torch
from compiler.ensemble import combine, describe_ensemble, member_weights
from compiler.graph import Graph
from compiler.onnx_target.options import ExportOptions, Io, Precision, Target
from tests.support.lowering import stir

Change = Callable[[Tensor], Any]


@dataclass(frozen=True)
class Wish:
    """One export: how, and what its weights are like. The defaults are what nobody has to think about."""

    precision: Precision = "fp32"
    io: Io = "same"
    target: Target = "any"
    verify: bool = True
    optimized: bool = False
    two_files: bool = False
    combine: str = ""
    """Of two members; of none where it is empty."""
    tells: bool = False
    """Metadata of the caller's own."""
    replaces: bool = False
    """Another model stands there."""
    weights: str = "plain"
    everywhere: bool = False
    """All tensors are changed so, not one."""
    seed: int = 0

    @property
    def options(self) -> ExportOptions:
        return ExportOptions(precision=self.precision, io=self.io, target=self.target)

    @property
    def members(self) -> int:
        return 2 if self.combine else 1

    @property
    def metadata(self) -> dict[str, str]:
        told = {"of.mine": "é 漢 \n\t\"'", "archspec.data": "öne"} if self.tells else {}
        return told | (describe_ensemble(self.combine, self.members) if self.combine else {})

    def shape(self, graph: Graph) -> Graph:
        """The network that is exported."""
        return combine(graph, self.members, self.combine) if self.combine else graph

    def words(self) -> list[str]:
        flags = ("verify", "optimized", "two_files", "tells", "replaces")
        chosen = [f"{flag}: {getattr(self, flag)}" for flag in flags]
        some = [f"weights: {self.weights}{' everywhere' if self.everywhere else ''}", f"members: {self.combine or 1}"]
        return [f"precision: {self.precision}", f"io: {self.io}", f"for: {self.target}", *chosen, *some]


def draw_wish(random: Random) -> Wish:
    return Wish(
        precision=random.choice(("fp32", "fp32", "fp16", "bf16")),
        io=random.choice(("same", "fp32")),
        target=random.choice(("any", "cpu", "tensorrt")),
        verify=random.random() < 0.7,
        optimized=random.random() < 0.25,
        two_files=random.random() < 0.3,
        combine=random.choice(("", "", "", "", "mean", "vote")),
        tells=random.random() < 0.3,
        replaces=random.random() < 0.3,
        weights=random.choice(("plain",) * len(CHANGES) + tuple(CHANGES)),
        everywhere=random.random() < 0.2,
        seed=random.randrange(1000),
    )


def give_weights(graph: Graph, wish: Wish) -> dict[str, Any]:
    """The weights of a wish, by name as the export takes them; `graph` is that of one member."""
    members = [
        {name: value.detach().clone() for name, value in stir(to_torch(graph), wish.seed + turn).state_dict().items()}
        for turn in range(wish.members)
    ]
    weights: dict[str, Any] = member_weights(members) if wish.combine else members[0]
    change = CHANGES.get(wish.weights)
    if change is None or not weights:
        return weights
    chosen = list(weights) if wish.everywhere else [pick(weights, wish.seed)]
    found = {name: change(value) if name in chosen else value for name, value in weights.items()}
    return {name: value for name, value in found.items() if value is not MISSING}


def pick(weights: Mapping[str, Any], seed: int) -> str:
    """A name that hangs on as little as possible, so that a smaller network keeps it."""
    return min(weights, key=lambda name: zlib.crc32(f"{seed}{name}".encode()))


def mean_weights(given: Mapping[str, Any]) -> dict[str, Tensor]:
    """The numbers that weights stand for: what float32 makes of them."""
    return {name: value.detach().float() if isinstance(value, Tensor) else read(value) for name, value in given.items()}


def read(array: Any) -> Tensor:
    with np.errstate(over="ignore"):
        return torch.from_numpy(np.ascontiguousarray(array.astype(np.float32)))


def with_one(value: float) -> Change:
    """A single number of the tensor is this one."""

    def change(tensor: Tensor) -> Tensor:
        tensor = tensor.clone()
        tensor.view(-1)[-1:] = value
        return tensor

    return change


def stride(tensor: Tensor) -> Any:
    """Every second number of a wider array."""
    wide = np.zeros((*tensor.shape, 2), np.float32)
    wide[..., 1] = tensor.numpy()
    return wide[..., 1]


MISSING = object()

SAME: dict[str, Change] = {
    "zeros": torch.zeros_like,
    "constant": lambda tensor: torch.full_like(tensor, 0.5),
    "huge": lambda tensor: tensor * 1e30,
    "large": lambda tensor: tensor * 300,
    "tiny": lambda tensor: tensor * 1e-42,
    "beyond fp16": with_one(1e5),
    "negative": lambda tensor: -tensor.abs(),
    "float64": lambda tensor: tensor.double() * (1 + 1e-12),
    "float16": lambda tensor: tensor.half(),
    "bfloat16": lambda tensor: tensor.bfloat16(),
    "big-endian": lambda tensor: tensor.numpy().astype(">f4"),
    "strided": stride,
    "Fortran's order": lambda tensor: np.array(tensor.numpy(), order="F"),
    "read-only": lambda tensor: np.frombuffer(tensor.numpy().tobytes(), np.float32).reshape(tensor.shape),
    "parameter": lambda tensor: torch.nn.Parameter(tensor),
    "turned": lambda tensor: tensor.mT.contiguous().mT if tensor.dim() > 1 else tensor,
}
"""What is odd about weights that are numbers all the same."""

NONSENSE: dict[str, Change] = {
    "int8": lambda tensor: (tensor * 10).to(torch.int8),
    "int64": lambda tensor: (tensor * 10).long().numpy(),
    "bool": lambda tensor: tensor > 0,
    "NaN": with_one(float("nan")),
    "infinite": with_one(float("-inf")),
    "beyond float32": lambda tensor: with_one(1e300)(tensor.double()),
    "complex": lambda tensor: tensor * (1 + 1j),
    "text": lambda tensor: np.full(tuple(tensor.shape), "a"),
    "objects": lambda tensor: np.full(tuple(tensor.shape), None),
    "missing": lambda tensor: MISSING,
    "longer": lambda tensor: torch.cat([tensor.reshape(-1), torch.zeros(1)]),
    "one axis more": lambda tensor: tensor[None],
}
"""What is refused at any rate; integers may be those of a quantized model, without their scales."""

CHANGES = {**SAME, **NONSENSE}
