"""Splits in random specs: parts of a value, each with a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.differential import layers
from tests.differential.expressions import evaluate, expand
from tests.differential.layers import require
from tests.differential.reading import STRUCTURE_FIELDS

if TYPE_CHECKING:
    from tests.differential.around import Around
    from tests.differential.interpreter import Interpreter


def run_split(walk: Interpreter, fields: dict[str, Any], value: str, name: str, around: Around) -> str:
    names = walk.names(around, value)
    settings = {**STRUCTURE_FIELDS["split"], **fields}
    labels = [expand(label, names) for label in settings["taps"]]
    require(len(set(labels)) == len(labels), "two parts of one name")
    axis, shape, count = walk.axis(settings, value, around), walk.shape(value), len(labels)
    sizes = [shape[axis] // count] * count
    if settings["sizes"] is not None:
        written = evaluate(settings["sizes"], names)
        require(isinstance(written, list), "sizes are a list")
        sizes = [int(layers.whole(1, 1).take(size)) for size in written]
    require(len(sizes) == count and sum(sizes) == shape[axis] and min(sizes) > 0, "parts that make no whole")
    start = 0
    for label, size in zip(labels, sizes, strict=True):
        cut = {"axis": axis, "start": start, "stop": start + size, "step": 1}
        part = (*shape[:axis], size, *shape[axis + 1 :])
        around.taps[label] = walk.put(f"{around.inside(name).path}.{label}", "slice", cut, [value], part)
        start += size
    return value
