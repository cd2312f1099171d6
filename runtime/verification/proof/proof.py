"""Proof that an ONNX file computes what its torch module computes."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from archspec.arrays import Array
from archspec.errors import ArchspecError, InputError
from archspec.extras import extra
from archspec.finite import is_finite
from compiler.torch_target.modes import device_of, evaluating, unaffected
from runtime.session.inputs import draw_input, list_shapes
from runtime.session.model_file import ModelFile
from runtime.session.session import Session
from runtime.verification.differences import Limits, compare, compare_votes
from runtime.verification.model.half_rounding import RoundedSession, find_half
from runtime.verification.options import DEFAULTS, VerifyOptions

with extra("train"):
    import torch
    from torch import Tensor, nn

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
"""The shapes of inputs, batch included, by name."""

ADVICE = {"float16": ": float16 ends at 65,504, and below at 6e-8; bf16 has the range of fp32"}

ROUNDINGS = 10
"""The largest ratio of a difference to what torch's own rounding does that is laid to rounding: sums are in another
order, and layers folded."""
NEIGHBOURS = 8
"""The number of inputs at which rounding is looked at: at a single one it may happen to cancel."""

ON_CPU = ("float32", "float16")
"""The types for which ONNX Runtime's CPU provider has kernels, or casts to one for which it has."""


@dataclass(frozen=True, slots=True)
class ProofCase:
    """One comparison: the shapes of the inputs, and per output the shape and max |torch - onnx| / max |torch|; of an
    output of votes, the share of positions in which they differ. Of the `predictions`, the largest number of each row
    (N, C), so many are equal."""

    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    differences: dict[str, float]
    predictions: int = 0
    equal_predictions: int = 0

    @property
    def worst(self) -> float:
        return max(self.differences.values())

    def __str__(self) -> str:
        equal = f", {self.equal_predictions} of {self.predictions} predictions are equal" if self.predictions else ""
        return f"{list_shapes(self.inputs)}: torch and ONNX differ by {self.worst:.1e}{equal}"


@dataclass(frozen=True, slots=True)
class Proof:
    """The cases that were compared, of which every difference is at most `tolerance`; `dtype` is what the file computes
    in."""

    tolerance: float
    cases: tuple[ProofCase, ...]
    dtype: str = "float32"

    @property
    def worst(self) -> float:
        return max(case.worst for case in self.cases)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"worst": self.worst}


def prove(
    onnx_path: str | Path,
    module: nn.Module,
    cases: Sequence[Shapes],
    options: VerifyOptions = DEFAULTS,
    *,
    votes: Collection[str] = (),
    rows: Mapping[str, int] = MappingProxyType({}),
    names_in_file: Mapping[str, str] = MappingProxyType({}),
) -> Proof:
    """Run torch and ONNX Runtime on the same standard normal inputs, once per case, and compare.

    A case gives the shape of every input by name, batch included; the module, of float32, takes its inputs in that
    order. `options` give tolerance, seed and providers (the CPU's, where they say nothing). `votes` are the outputs
    (N, C, *S) that count how often each channel was the largest; `rows` are those that the whole numbers of an input
    name; `names_in_file` has the file's name of an input or output that it calls otherwise. A file of half precision
    also runs with every node's result rounded, as GPUs round (bfloat16 runs so alone: the CPU provider has no kernels
    for it), and is compared with what torch
    computes in float32.

    Raises ArchspecError, naming output, case and difference, where a shape differs, a number is not finite, or
    max |torch - onnx| exceeds tolerance · max |torch|; or where votes differ in too many positions.
    """
    if not cases:
        raise InputError("a proof needs at least one case")
    with unaffected():
        half = find_half(ModelFile.open(onnx_path))
        dtype = half or "float32"
        kinds = [*([Session] if dtype in ON_CPU else []), *([RoundedSession] if half else [])]
        sessions = [kind(onnx_path, providers=options.providers, settings="default", as_written=True) for kind in kinds]
        limits = options.limits(dtype)
        prover = _Prover(module, sessions, limits, frozenset(votes), dtype, names_in_file, rows)
        generator = np.random.default_rng(options.seed)
        proven = tuple(prover.prove_case(shapes, generator) for shapes in cases)
    return Proof(limits.numbers, proven, dtype)


@dataclass(frozen=True, slots=True)
class _Prover:
    """One module, and the sessions that must agree with it."""

    module: nn.Module
    sessions: Sequence[Session]
    limits: Limits
    votes: frozenset[str]
    dtype: str
    names_in_file: Mapping[str, str]
    rows: Mapping[str, int]

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs, as the module calls them."""
        own = {there: name for name, there in self.names_in_file.items()}
        return tuple(own.get(name, name) for name in self.sessions[0].outputs)

    def run_session(self, session: Session, feed: Mapping[str, Array]) -> dict[str, Array]:
        """Run the session; its outputs are named as the module calls them."""
        fed = {self.names_in_file.get(name, name): array for name, array in feed.items()}
        found = session.run({name: array.astype(session.dtypes[name]) for name, array in fed.items()})
        return dict(zip(self.outputs, found.values(), strict=True))

    def prove_case(self, shapes: Shapes, generator: np.random.Generator) -> ProofCase:
        feed = draw_feed(generator, shapes, self.rows)
        where = f"for the input {list_shapes(shapes)}"
        try:
            expected = _run_torch(self.module, torch.float32, feed, self.outputs)
        except (ArchspecError, MemoryError):
            raise
        except Exception as error:  # a module of the caller's own may raise anything
            raise ArchspecError(f"{where} torch fails: {type(error).__name__}: {error}") from error
        worst = dict.fromkeys(expected, 0.0)
        for session in self.sessions:
            found = self.run_session(session, feed)
            for name, array in found.items():
                worst[name] = max(worst[name], self._check_output(name, expected[name], array, where, feed))
        outputs = {name: array.shape for name, array in found.items()}
        return ProofCase(dict(shapes), outputs, worst, *_count_equal(expected, found))

    def _check_output(self, name: str, expected: Array, found: Array, where: str, feed: Mapping[str, Array]) -> float:
        if expected.shape != found.shape:
            raise ArchspecError(f"{where} output '{name}' is {expected.shape} in torch and {found.shape} in ONNX")
        for side, array in (("torch", expected), ("ONNX", found)):
            if not is_finite(array):
                advice = ADVICE.get(self.dtype, "") if side == "ONNX" else ""
                raise ArchspecError(f"{where} output '{name}' holds infinite numbers or NaN in {side}{advice}")
        voted = name in self.votes
        difference = self._measure(name, expected, found)
        limit = self.limits.flips if voted else self.limits.numbers
        if difference > limit:
            of = "its positions" if voted else "its largest value"
            advice = ADVICE.get(self.dtype, "") + self._explain(name, feed, difference)
            raise ArchspecError(
                f"{where} output '{name}' differs by {difference:.3g} of {of} between torch and ONNX; "
                f"at most {limit:.3g} is allowed{advice}"
            )
        return difference

    def _measure(self, name: str, expected: Array, found: Array) -> float:
        return (compare_votes if name in self.votes else compare)(expected, found)

    def _explain(self, name: str, feed: Mapping[str, Array], difference: float) -> str:
        """Explain that the network magnifies rounding, where torch in the file's type contradicts torch in double
        precision nearly as much, at these inputs or at others that differ in the last digit alone."""
        dtypes = torch.float64, getattr(torch, self.dtype)
        modules = [copy.deepcopy(self.module).to(dtype) for dtype in dtypes]
        rounding = 0.0
        try:
            for near in _draw_near(feed):
                exact, own = (_run_torch(*pair, near, self.outputs)[name] for pair in zip(modules, dtypes, strict=True))
                rounding = max(rounding, self._measure(name, exact, own))
        except RuntimeError:  # torch has not each of its operations in half precision
            return ""
        if not difference <= ROUNDINGS * rounding:
            return ""
        of = "its positions" if name in self.votes else "its largest value"
        return (
            f". torch in {self.dtype} is itself off by up to {rounding:.3g} of {of}, held against double precision for "
            "inputs that differ in their last digit: the network magnifies rounding, and the file need not be wrong; "
            "`--no-verify` writes it all the same"
        )


def draw_feed(generator: np.random.Generator, shapes: Shapes, rows: Mapping[str, int]) -> dict[str, Array]:
    """Draw inputs of these shapes, by name: whole numbers that name one of so many rows, and normal ones else."""
    types = {name: np.int64 if name in rows else np.float32 for name in shapes}
    return {name: draw_input(generator, shape, types[name], rows.get(name, 1)) for name, shape in shapes.items()}


def _draw_near(feed: Mapping[str, Array]) -> Iterator[dict[str, Array]]:
    """The inputs, and others that differ from them in the last digit of float32."""
    yield dict(feed)
    generator, step = np.random.default_rng(0), np.finfo(np.float32).eps
    for _ in range(NEIGHBOURS - 1):
        factors = {name: 1 + step * generator.choice((-1, 0, 1), array.shape) for name, array in feed.items()}
        yield {
            name: (array * factors[name]).astype(np.float32) if array.dtype == np.float32 else array
            for name, array in feed.items()
        }


def _count_equal(expected: Mapping[str, Array], found: Mapping[str, Array]) -> tuple[int, int]:
    """Count how many rows of several numbers there are, and in how many the largest stands at the same place."""
    pairs = [(expected[name], found[name]) for name in expected if expected[name].ndim == 2]
    rows = [a.argmax(1) == b.argmax(1) for a, b in pairs if a.shape[1] > 1]
    return sum(map(len, rows)), int(sum(equal.sum() for equal in rows))


def _run_torch(
    module: nn.Module, dtype: torch.dtype, feed: Mapping[str, Array], outputs: Sequence[str]
) -> dict[str, Array]:
    """Outputs by name of a module of this type; those of half precision become float32."""
    device = device_of(module)
    with evaluating(module):
        given = map(torch.from_numpy, feed.values())
        found = module(*(x.to(device, dtype if x.is_floating_point() else None) for x in given))
    if isinstance(found, Tensor):
        if len(outputs) != 1:
            raise ArchspecError(
                f"the torch module gives one tensor, the ONNX file {len(outputs)}: {', '.join(outputs)}"
            )
        found = {outputs[0]: found}
    if set(found) != set(outputs):
        raise ArchspecError(f"the torch module gives {', '.join(found)}; the ONNX file {', '.join(outputs)}")
    wide = torch.promote_types(dtype, torch.float32)
    return {name: found[name].cpu().to(wide).numpy() for name in outputs}
