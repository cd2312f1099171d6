"""Where numbers that are not finite come from: from what an operation is, or from the type that it is computed in.

The logarithm of zero is infinite in every type, and so is what a mask of -inf is added to; 70,000 is infinite in
float16 alone. So the values of a file are followed from its outputs back to the nodes whose operands are finite and
whose results are not, and each of these is computed again in double precision, from the same operands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from archspec.arrays import Arrays
from archspec.errors import ArchspecError
from archspec.extras import extra
from archspec.finite import has_finite, has_nan, is_finite, mark_alike
from archspec.wording import tell_count
from runtime.verification.checks import UnansweredError
from runtime.verification.model.inside import ModelInside
from runtime.verification.static.stored_numbers import VARIANCE
from runtime.verification.static.training_mode import RANDOM
from runtime.verification.witness.double_precision import compute_wide
from runtime.verification.witness.node_work import count_work
from runtime.verification.witness.witness import Witness

with extra("run"):
    import onnx

    from compiler.onnx_file.nodes import describe_node, find_graphs, list_operands


MAX_VALUES = 64
"""The largest number of values that are read in one run, and so are in memory at the same time."""

LARGEST_FLOAT16 = float(np.finfo(np.float16).max)
LARGEST_FLOAT32 = float(np.finfo(np.float32).max)
"""The largest numbers of float16, and of float32, which is about that of bfloat16."""


@dataclass(frozen=True, slots=True)
class NonfiniteCause:
    """The `reason` why numbers of outputs are not finite, in words; they are `lost` where they should be finite: double
    precision has numbers there, or no input has."""

    reason: str
    lost: bool


def tell_nonfinite(found: Arrays) -> str | None:
    """Tell `3 of 10 numbers of the output 'y' are infinite`, of the first output that is not finite; None if all
    are."""
    name = next((name for name, array in found.items() if not is_finite(array)), None)
    if name is None:
        return None
    undefined, infinite = np.isnan(found[name]), np.isinf(found[name])
    kinds = " or ".join(kind for kind, there in (("infinite", infinite), ("NaN", undefined)) if there.any())
    return f"{np.sum(undefined | infinite):,} of {found[name].size:,} numbers of the output '{name}' are {kinds}"


def find_empty(found: Arrays) -> frozenset[str]:
    """The outputs that have numbers, and not one that is finite."""
    return frozenset(name for name, array in found.items() if array.size and not has_finite(array))


def find_silent(found: Arrays) -> Arrays:
    """Find the channels, along axis 1, of which no number is finite, in the outputs that have such."""
    silent = {
        name: np.asarray(~np.isfinite(array).any(axis=(0, *range(2, array.ndim))))
        for name, array in found.items()
        if array.ndim > 1 and array.size and not is_finite(array)
    }
    return {name: channels for name, channels in silent.items() if channels.any()}


def meet_silent(one: Arrays, other: Arrays) -> Arrays:
    """Keep those channels that are silent in both of two runs; of an axis that has another extent in each, none."""
    both = {name: one[name] & other[name] for name in one.keys() & other.keys() if len(one[name]) == len(other[name])}
    return {name: channels for name, channels in both.items() if channels.any()}


def explain_nonfinite(inside: ModelInside, feed: Arrays) -> NonfiniteCause:
    """Explain why outputs of a file are not finite for these inputs: whether what makes such numbers of finite ones
    does so in double precision too.

    Raises UnansweredError where that cannot be told, and ArchspecError where the file fails.
    """
    causes: list[str] = []
    walk, fixed = _OriginSearch(inside, feed), find_fixed(inside)
    for origin in walk.find_origins():
        if isinstance(origin, str):
            causes.append(f"'{origin}' holds such")
            continue
        if walk.undefined.intersection(origin.output) and fixed.issuperset(_list_rooted(origin)):
            text = f"where {describe_node(origin)} makes NaN of stored numbers, whatever the input is"
            return NonfiniteCause(text, True)
        lost = _find_lost(inside, origin, feed)
        if lost is not None:
            end = LARGEST_FLOAT16 if inside.dtype == "float16" else LARGEST_FLOAT32
            why = f", and {inside.dtype} ends at {end:.6g}" if abs(lost) > end else ""
            return NonfiniteCause(f"where {describe_node(origin)} has {lost:.3g} in double precision{why}", True)
        causes.append(f"{describe_node(origin)} gives such in double precision too")
    first, *others = causes or ["no node makes them of finite numbers"]
    more = f", and {tell_count(len(others), 'other')} alike" if others else ""
    return NonfiniteCause(f"by definition: {first}{more}", False)


class _OriginSearch:
    """The way from the outputs of a file back to where numbers come from that are not finite; `undefined` are values
    that were met and hold NaN."""

    def __init__(self, inside: ModelInside, feed: Arrays) -> None:
        self.inside, self.feed = inside, feed
        self.undefined: set[str] = set()
        self._makers = {name: node for node in inside.model.graph.node for name in node.output if name}

    def find_origins(self) -> Iterator[onnx.NodeProto | str]:
        """The nodes whose operands are finite and whose results are not, and the stored tensors that are not."""
        nonfinite = self._find_nonfinite()
        seen = {name for name in self.inside.outputs if name in nonfinite}
        todo, told = list(seen), set[int]()
        while todo:
            name = todo.pop()
            node = self._makers.get(name)
            if node is None:
                yield name
                continue
            before = [operand for operand in list_operands(node) if operand in nonfinite]
            todo += [operand for operand in before if operand not in seen]
            seen.update(before)
            if not before and id(node) not in told:
                told.add(id(node))
                yield node

    def _find_nonfinite(self) -> set[str]:
        """Find what is not finite of the values and stored tensors that the outputs are computed from."""
        needed = self._list_needed()
        stored = [name for name in self.inside.tensors if name in needed and name not in self._makers]
        nonfinite = {name for name in stored if not is_finite(self.inside.take(name))}
        values = [name for name in self._makers if name in needed]
        for start in range(0, len(values), MAX_VALUES):
            read = _read(self.inside, values[start : start + MAX_VALUES], self.feed)
            nonfinite |= {name for name, value in read.items() if _is_nonfinite(value)}
            self.undefined |= {name for name in nonfinite & read.keys() if _has_nan(read[name])}
        return nonfinite

    def _list_needed(self) -> set[str]:
        todo = list(self.inside.outputs)
        needed = set(todo)
        while todo:
            node = self._makers.get(todo.pop())
            new = {name for name in list_operands(node) if name not in needed} if node else set()
            needed |= new
            todo += new
        return needed


def _read(inside: ModelInside, names: list[str], feed: Arrays) -> dict[str, Any]:
    """Values inside a file that ran. Raises UnansweredError where no array can hold them: it is none of the file's."""
    try:
        return inside.read(names, feed, optimized=False)
    except ArchspecError as error:
        raise UnansweredError(f"it cannot be looked at why numbers are not finite: {error}") from error


def find_fixed(inside: ModelInside) -> set[str]:
    """Stored tensors, and the values that are computed of these alone, by nodes that hold no others."""
    fixed = set(inside.tensors)
    for node in inside.model.graph.node:
        if node.op_type not in RANDOM and not find_graphs(node) and fixed.issuperset(filter(None, node.input)):
            fixed.update(filter(None, node.output))
    return fixed


def _list_rooted(node: onnx.NodeProto) -> list[str]:
    """The operands that decide whether a result is NaN, of which others are finite: a normalization takes the root of
    its variance."""
    return [node.input[VARIANCE]] if node.op_type == "BatchNormalization" else list_operands(node)


def _find_lost(inside: ModelInside, node: onnx.NodeProto, feed: Arrays) -> float | None:
    """The largest number that a node has in a wider type where it has none in its own; None where it has none there
    either."""
    results = {name: inside.name_unrounded(name) for name in node.output if name}
    operands = inside.find_known(list_operands(node), feed)
    values = [name for name in list_operands(node) if name not in operands and inside.computes(name)]
    read = _read(inside, list(dict.fromkeys((*results, *results.values(), *values))), feed)
    found = _find_contrasts((read[name], read[before]) for name, before in results.items())
    if not found:  # float32 may be not wide enough
        try:
            operands |= {name: read[name] for name in values}
            work = _count_work(inside, node, operands, [read[name] for name in results], feed)
            nonfinite = {name: read[before] for name, before in results.items() if _is_nonfinite(read[before])}
            wide = compute_wide(inside.model, node, operands, nonfinite, work)
        except ArchspecError as error:
            who = f"{inside.path}: {describe_node(node)} makes numbers that are not finite of finite ones"
            raise UnansweredError(f"{who}, and cannot be computed in double precision: {error}") from error
        found = _find_contrasts((read[before], wide[name]) for name, before in results.items())
    return max(found, key=abs, default=None)


def _count_work(inside: ModelInside, node: onnx.NodeProto, operands: Arrays, found: list[Any], feed: Arrays) -> int:
    """Count what the node takes for these operands, of which these are results; of one that holds others, what the file
    takes."""
    functions = {(function.domain, function.name) for function in inside.model.functions}
    if find_graphs(node) or (node.domain, node.op_type) in functions:
        return Witness(inside).count_work(feed)
    size = sum(getattr(result, "size", 0) for result in found)
    return count_work(node, [operands.get(name) for name in node.input], size)


def _find_contrasts(pairs: Iterable[tuple[Any, Any]]) -> list[float]:
    return [lost for pair in pairs if (lost := _contrast(*pair)) is not None]


def _contrast(mine: Any, wide: Any) -> float | None:
    """The largest number of `wide` where `mine` is not finite and something else; None where both are alike.

    Where `wide` is infinite itself, no type is wide enough for what was computed: then it is alike to lie between the
    largest number of float32 and that of a wider type.
    """
    if not _is_nonfinite(mine):
        return None
    if isinstance(mine, list):
        return max(_find_contrasts(zip(mine, wide, strict=True)), key=abs, default=None)
    mine, wide = mine.astype(np.float64), wide.astype(np.float64)
    alike = mark_alike(mine, wide)
    if np.isinf(wide).any():
        alike |= (np.abs(wide) > LARGEST_FLOAT32) & (np.sign(mine) == np.sign(wide))
    lost = wide[~np.isfinite(mine) & ~alike]
    return float(lost[np.argmax(np.abs(np.nan_to_num(lost)))]) if lost.size else None


def _is_nonfinite(value: Any) -> bool:
    """Tell whether a value, an array or a sequence of them, has numbers that are not finite; of a map that is not
    known, and an optional may be nothing."""
    return (
        any(map(_is_nonfinite, value)) if isinstance(value, list) else hasattr(value, "dtype") and not is_finite(value)
    )


def _has_nan(value: Any) -> bool:
    return any(map(_has_nan, value)) if isinstance(value, list) else has_nan(value)
