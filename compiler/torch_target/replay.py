"""Weights that passes made, computed in torch from what they were made of, so that gradients pass."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from compiler.passes.recorded import METHODS, UFUNCS, RecordedArray


@dataclass(frozen=True, slots=True)
class _Result:
    """The result of an earlier step, by its number."""

    step: int


@dataclass(frozen=True, slots=True)
class _ReplayedStep:
    function: str
    operands: tuple[Any, ...]
    options: Mapping[str, Any]


class Replay:
    """Computes arrays again as they are recorded, from tensors in the place of those that were given.

    On the CPU the numbers are those that the passes make of such weights, but for the order in which sums are taken.
    The numbers of the record itself are not kept. `given` are the names of the arrays that it goes back to.
    """

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self.steps: list[_ReplayedStep] = []
        self.given: set[str] = set()
        places: dict[int, int] = {}
        self.results = {name: self._add(array, places) for name, array in arrays.items()}

    def __call__(self, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Compute all arrays, by their names, on the device of the given ones."""
        device = next((tensor.device for tensor in given.values()), torch.device("cpu"))
        found: list[Tensor] = []

        def take(operand: Any) -> Any:
            if isinstance(operand, _Result):
                return found[operand.step]
            return torch.from_numpy(operand.copy()).to(device) if isinstance(operand, np.ndarray) else operand

        for step in self.steps:
            if step.function == RecordedArray.GIVEN:
                found.append(given[step.operands[0]])
            else:
                found.append(TORCH[step.function](*map(take, step.operands), **step.options))
        return {name: take(operand) for name, operand in self.results.items()}

    def digest(self) -> str:
        """Compute the SHA-256 of what is computed, of which arrays."""
        rows = [(step.function, list(map(_write, step.operands)), sorted(step.options.items())) for step in self.steps]
        results = [(name, _write(result)) for name, result in self.results.items()]
        return hashlib.sha256(repr((rows, results)).encode()).hexdigest()

    def _add(self, array: Any, places: dict[int, int]) -> Any:
        """Add the steps to an array, and give what stands for it; the plain ones are constants."""
        waiting = [array]
        while waiting:  # no recursion: a record may be as long as a network is deep
            last = waiting[-1]
            before = [item for item in _list_operands(last) if id(item) not in places]
            if before:
                waiting += before
                continue
            waiting.pop()
            if isinstance(last, RecordedArray) and id(last) not in places:
                operands = tuple(self._refer(operand, places) for operand in last.operands)
                places[id(last)] = len(self.steps)
                self.steps.append(_ReplayedStep(last.function, operands, last.options))
                if last.function == RecordedArray.GIVEN:
                    self.given.add(last.operands[0])
        return self._refer(array, places)

    def _refer(self, operand: Any, places: Mapping[int, int]) -> Any:
        if isinstance(operand, RecordedArray):
            return _Result(places[id(operand)])
        return np.asarray(operand) if hasattr(operand, "__array__") else operand


def _write(operand: Any) -> Any:
    """Write what tells an operand from others: of an array all numbers, which its text need not have."""
    if isinstance(operand, np.ndarray):
        return (operand.dtype.str, operand.shape, hashlib.sha256(operand.tobytes()).hexdigest())
    return operand


def _list_operands(array: Any) -> list[RecordedArray]:
    operands = array.operands if isinstance(array, RecordedArray) else ()
    return [operand for operand in operands if isinstance(operand, RecordedArray)]


def _reshape(x: Tensor, *shape: Any) -> Tensor:
    return x.reshape(*shape)


def _transpose(x: Tensor, *axes: Any) -> Tensor:
    return x.permute(*axes)


def _repeat(x: Tensor, times: int, axis: int | None) -> Tensor:
    return x.repeat_interleave(times, dim=axis)


def _sum(x: Tensor, axis: Any, *, keepdims: bool) -> Tensor:
    return x.sum() if axis is None else x.sum(axis, keepdim=keepdims)


def _mean(x: Tensor, axis: Any, *, keepdims: bool) -> Tensor:
    return x.mean() if axis is None else x.mean(axis, keepdim=keepdims)


def _cast(x: Tensor, dtype: np.dtype[Any]) -> Tensor:
    return x.to(torch.from_numpy(np.empty(0, dtype)).dtype)


TORCH: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {
        "add": operator.add,
        "subtract": operator.sub,
        "multiply": operator.mul,
        "divide": operator.truediv,
        "negative": operator.neg,
        "sqrt": torch.sqrt,
        "square": torch.square,
        "astype": _cast,
        "reshape": _reshape,
        "transpose": _transpose,
        "repeat": _repeat,
        "sum": _sum,
        "mean": _mean,
        "__getitem__": operator.getitem,
    }
)
"""Each recorded function in torch."""

assert TORCH.keys() == UFUNCS | METHODS
