"""Proof that an ONNX file computes what its torch module computes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError
from runtime.extras import extra
from runtime.modes import device_of, evaluating
from runtime.session import Session

with extra("train"):
    import torch
    from torch import Tensor, nn

Array = npt.NDArray[Any]
Shapes = Mapping[str, tuple[int, ...]]

TINY = 1e-12

MOST_FLIPS = 1e-3
"""The share of positions in which votes may differ: where two channels are nearly equal, rounding decides."""


@dataclass(frozen=True, slots=True)
class ProofCase:
    """One comparison: the shapes of the inputs, and per output the shape and max |torch - onnx| / max |torch|; of an
    output of votes, the share of positions in which they differ."""

    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    differences: dict[str, float]

    @property
    def worst(self) -> float:
        return max(self.differences.values())

    def __str__(self) -> str:
        return f"{_list_shapes(self.inputs)}: torch and ONNX differ by {self.worst:.1e}"


@dataclass(frozen=True, slots=True)
class Proof:
    """What was compared, and that every difference is at most `tolerance`."""

    tolerance: float
    cases: tuple[ProofCase, ...]

    @property
    def worst(self) -> float:
        return max(case.worst for case in self.cases)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"worst": self.worst}


def prove(
    onnx_path: str | Path,
    module: nn.Module,
    cases: Sequence[Shapes],
    *,
    tolerance: float = 1e-4,
    seed: int = 0,
    votes: Collection[str] = (),
) -> Proof:
    """Run torch and ONNX Runtime's CPU provider on the same standard normal inputs, once per case, and compare.

    A case gives the shape of every input by name, batch included; the module takes its inputs in that order. `votes`
    are the outputs (N, C, *S) that count how often each channel was the largest.

    Raises ArchspecError, naming output, case and difference, where a shape differs, a number is not finite, or
    max |torch - onnx| exceeds tolerance · max |torch|; or where votes differ in more than one position of a thousand.
    """
    if not cases:
        raise ArchspecError("a proof needs at least one case")
    session = Session(onnx_path, providers=("cpu",))
    generator = np.random.default_rng(seed)
    limits = {name: MOST_FLIPS if name in votes else tolerance for name in session.outputs}
    proven = (_prove_case(session, module, shapes, limits, votes, generator) for shapes in cases)
    return Proof(tolerance, tuple(proven))


def compare(torch_output: Array, onnx_output: Array) -> float:
    """max |a - b| / max |a| in float64; for an `a` of zeros, max |b| over almost nothing."""
    if not torch_output.size:
        return 0.0
    a, b = torch_output.astype(np.float64), onnx_output.astype(np.float64)
    return float(np.abs(a - b).max() / max(np.abs(a).max(), TINY))


def compare_votes(torch_output: Array, onnx_output: Array) -> float:
    """The share of positions, (N, C, *S) without C, in which any channel has another share of votes."""
    differs = np.abs(torch_output - onnx_output).max(axis=1) > MOST_FLIPS
    return float(differs.mean()) if differs.size else 0.0


def _prove_case(
    session: Session,
    module: nn.Module,
    shapes: Shapes,
    limits: Mapping[str, float],
    votes: Collection[str],
    generator: np.random.Generator,
) -> ProofCase:
    feed = {name: generator.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    expected = _run_torch(module, feed, tuple(session.outputs))
    found = session.run(feed)
    where = f"for the input {_list_shapes(shapes)}"
    measures = {name: compare_votes if name in votes else compare for name in expected}
    differences = {
        name: _check_output(name, expected[name], found[name], limits[name], measures[name], where) for name in expected
    }
    return ProofCase(dict(shapes), {name: array.shape for name, array in found.items()}, differences)


def _run_torch(module: nn.Module, feed: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
    device = device_of(module)
    with evaluating(module):
        found = module(*(torch.from_numpy(array).to(device) for array in feed.values()))
    if isinstance(found, Tensor):
        if len(outputs) != 1:
            raise ArchspecError(
                f"the torch module gives one tensor, the ONNX file {len(outputs)}: {', '.join(outputs)}"
            )
        found = {outputs[0]: found}
    if set(found) != set(outputs):
        raise ArchspecError(f"the torch module gives {', '.join(found)}; the ONNX file {', '.join(outputs)}")
    return {name: found[name].float().cpu().numpy() for name in outputs}


def _list_shapes(shapes: Shapes) -> str:
    return ", ".join(f"{name} {' × '.join(map(str, shape))}" for name, shape in shapes.items())


def _check_output(
    name: str, expected: Array, found: Array, limit: float, measure: Callable[[Array, Array], float], where: str
) -> float:
    if expected.shape != found.shape:
        raise ArchspecError(f"{where} output '{name}' is {expected.shape} in torch and {found.shape} in ONNX")
    for side, array in (("torch", expected), ("ONNX", found)):
        if not np.isfinite(array).all():
            raise ArchspecError(f"{where} output '{name}' holds infinite numbers or NaN in {side}")
    difference = measure(expected, found)
    if difference > limit:
        of = "its positions" if measure is compare_votes else "its largest value"
        raise ArchspecError(
            f"{where} output '{name}' differs by {difference:.3g} of {of} between torch and ONNX; "
            f"at most {limit:.3g} is allowed"
        )
    return difference
