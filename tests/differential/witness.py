"""A written file, what runs it, and what the executor says that it must give."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor

from archspec.arrays import Array
from runtime.export.export import Export
from runtime.session.model_file import ModelFile
from runtime.verification.model.half_rounding import find_half
from tests.differential.documents import Spec
from tests.differential.network import Network
from tests.differential.results import run
from tests.differential.wishes import Wish, mean_weights
from tests.support.rounding import round_file

Inputs: TypeAlias = Mapping[str, Array]
Outputs: TypeAlias = dict[str, Tensor]

VOTE = 5e-3
"""Shares of votes that differ by less are equal."""
TINY = 1e-12


def vote(members: Tensor) -> Tensor:
    """(M, N, C, *S): the share of members in which a channel is the largest."""
    first = torch.nn.functional.one_hot(members.argmax(2), members.shape[2])
    return first.movedim(-1, 2).to(members.dtype).mean(0)


JOIN: dict[str, Callable[[Tensor], Tensor]] = {
    "": lambda members: members[0],
    "mean": lambda members: members.mean(0),
    "vote": vote,
}


class Witness:
    """The executor with the weights of a wish, of which some are another member's."""

    def __init__(self, wish: Wish, weights: Mapping[str, Tensor]) -> None:
        prefixes = [f"member{turn}." for turn in range(wish.members)] if wish.combine else [""]
        self.votes, self.join = wish.combine == "vote", JOIN[wish.combine]
        self.members = [
            {name.removeprefix(of): value for name, value in weights.items() if name.startswith(of)} for of in prefixes
        ]

    def answer(self, network: Network, inputs: Inputs, dtype: torch.dtype, kind: torch.dtype | None = None) -> Outputs:
        """The outputs, computed in `dtype`; with a `kind`, every result rounded to it."""
        return {name: self.join(values) for name, values in self.ask_members(network, inputs, dtype, kind).items()}

    def ask_members(
        self, network: Network, inputs: Inputs, dtype: torch.dtype, kind: torch.dtype | None = None
    ) -> Outputs:
        """The outputs of all members, (M, N, C, *S)."""
        fed = {name: _take(torch.from_numpy(value), dtype) for name, value in inputs.items()}
        with torch.no_grad():
            cast = [{name: value.to(dtype) for name, value in weights.items()} for weights in self.members]
            found = [run(network, weights, fed, kind) for weights in cast]
        return {name: torch.stack([outputs[name] for outputs in found]) for name in found[0]}

    def differ(self, expected: Tensor, found: Tensor) -> float:
        """Relative to the largest value, or the share of positions with other votes; infinite where one is no
        number."""
        if expected.shape != found.shape or not bool(torch.isfinite(expected).all() and torch.isfinite(found).all()):
            return math.inf
        off = (expected - found).abs()
        if self.votes:
            return float((off.amax(1) > VOTE).double().mean())
        return float(off.max()) / max(float(expected.abs().max()), TINY)


class Run:
    """A file in plain ONNX Runtime, fed with float32 whatever it takes."""

    def __init__(self, model: Path | bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.kinds = {item.name: _find_kind(item.type) for item in self.session.get_inputs()}

    def __call__(self, inputs: Inputs) -> Outputs:
        found = self.session.run(None, {name: value.astype(self.kinds[name]) for name, value in inputs.items()})
        names = [item.name for item in self.session.get_outputs()]
        return {name: torch.from_numpy(value).double() for name, value in zip(names, found, strict=True)}


def list_runs(path: Path) -> list[Run]:
    """The file as it is, where ONNX Runtime's CPU provider has kernels for its type, and, of half precision, with every
    result rounded as GPUs round."""
    half = find_half(ModelFile.open(path))
    return [*([Run(path)] if half != "bfloat16" else []), *([Run(round_file(path))] if half else [])]


@dataclass(frozen=True)
class Written:
    """A file that was written, and what it was made from."""

    spec: Spec
    wish: Wish
    given: Mapping[str, Any]
    export: Export

    @property
    def path(self) -> Path:
        return self.export.path

    @cached_property
    def witness(self) -> Witness:
        return Witness(self.wish, mean_weights(self.given))

    @cached_property
    def model(self) -> onnx.ModelProto:
        return onnx.load(self.path, load_external_data=False)

    @cached_property
    def facts(self) -> dict[str, str]:
        """The metadata, as onnx reads them."""
        return {entry.key: entry.value for entry in self.model.metadata_props}

    @cached_property
    def sizes(self) -> dict[str, dict[str, Any]]:
        """What they say of each size."""
        found: dict[str, dict[str, Any]] = json.loads(self.facts["archspec.sizes"])
        return found


def _take(value: Tensor, dtype: torch.dtype) -> Tensor:
    """An input in a type of numbers; whole numbers, which name rows, as they are."""
    return value.to(dtype) if value.is_floating_point() else value


def _find_kind(type: str) -> Any:
    return np.int64 if "int" in type else np.float16 if "16" in type else np.float32
