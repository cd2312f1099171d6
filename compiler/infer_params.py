"""The search for params with which a spec has weights of given shapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from archspec.errors import ArchspecError
from archspec.spec.spec import Spec
from compiler.elaborate.elaborate import elaborate
from compiler.mismatch import WeightShapes

MAX_TRIALS = 24
"""The largest number of networks that are compiled for one message, in 13 ms each for ResNet-18."""
MAX_TRIAL_NODES = 20_000
"""The largest number of nodes of a network that is compiled for a trial."""


def infer_params(
    spec: Spec, expected: WeightShapes, found: WeightShapes, sizes: Mapping[str, int]
) -> dict[str, Any] | None:
    """Find the params that give weights of the shapes in `found`, where those of the spec give the `expected`; None
    where a few trials find none. Each value that they have is taken for the extent that stands in its place."""
    for number, changed in enumerate(_list_candidates(spec.params, expected, found)):
        if number >= MAX_TRIALS:
            break
        if _shapes(spec, changed, sizes) == found:
            return changed
    return _find_depth(spec, expected, found, sizes)


def _list_candidates(
    params: Mapping[str, Any], expected: WeightShapes, found: WeightShapes
) -> Iterator[dict[str, Any]]:
    """List the changes that may do: all values that stand for an extent at once, then one param at a time, also as a
    factor of the extent."""
    pairs = Counter(
        (before, after)
        for name, shape in expected.items()
        if len(shape) == len(found.get(name, ()))
        for before, after in zip(shape, found[name], strict=True)
        if before != after
    )
    likely: dict[int, int] = {}
    for before, after in (pair for pair, _ in pairs.most_common()):
        likely.setdefault(before, after)
    together = {name: _replace(value, likely) for name, value in params.items()}
    changed = {name: value for name, value in together.items() if value != params[name]}
    if len(changed) > 1:
        yield changed
    yield from ({name: value} for name, value in changed.items())
    for name, value in params.items():
        if isinstance(value, int) and not isinstance(value, bool) and value:
            factors = Counter[int]()
            for (before, after), count in pairs.items():
                if before % value == 0 and value * after % before == 0:
                    factors[value * after // before] += count
            yield from ({name: factor} for factor, _ in factors.most_common(2) if factor != changed.get(name))


def _replace(value: Any, extents: Mapping[int, int]) -> Any:
    """Put other numbers in the place of some."""
    if isinstance(value, list | tuple):
        return [_replace(item, extents) for item in value]
    return extents.get(value, value) if isinstance(value, int) and not isinstance(value, bool) else value


def _find_depth(
    spec: Spec, expected: WeightShapes, found: WeightShapes, sizes: Mapping[str, int]
) -> dict[str, Any] | None:
    """A param of which each step brings as many more weights as it takes to come to those that were found."""
    missing = len(found) - len(expected)
    for name, value in spec.params.items() if missing else ():
        if isinstance(value, int) and not isinstance(value, bool):
            stepped = _shapes(spec, {name: value + 1}, sizes)
            step = len(stepped or expected) - len(expected)
            if step and missing % step == 0:
                changed = {name: value + missing // step}
                if _shapes(spec, changed, sizes) == found:
                    return changed
    return None


def _shapes(spec: Spec, changed: Mapping[str, Any], sizes: Mapping[str, int]) -> WeightShapes | None:
    """The shapes of the weights under other params; None where the spec does not compile with them."""
    try:
        graph = elaborate(spec.with_params(changed), sizes, max_nodes=MAX_TRIAL_NODES)
    except ArchspecError:
        return None
    return {name: weight.shape for name, weight in graph.weights.items()}
