"""Places of maps in windows, as numpy cuts and rolls them."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.onnx_target.emitter import Emitter, ModelEmitter, OnnxValue
from compiler.onnx_target.rules.window_places import WindowPlaces, write_shape
from compiler.onnx_target.shapes import name_shapes
from compiler.onnx_target.whole_numbers import WholeNumbers
from compiler.onnx_target.window_rows import WindowRegion
from tests.support.transformers import build_windows

GRAPH = build_windows(9, 6)


def build_places(sizes: tuple[int, int], shifts: tuple[int, int], grid: bool, space: list[int | str]) -> WindowPlaces:
    emit = Emitter(ModelEmitter(GRAPH, {}, name_shapes(GRAPH, {})), GRAPH["enter"])
    return WindowPlaces(WindowRegion(GRAPH["enter"], sizes, shifts, grid, frozenset()), emit, space, OnnxValue("x"))


def cut(whole: np.ndarray, sizes: tuple[int, int], shifts: tuple[int, int], grid: bool) -> np.ndarray:
    """The windows of a padded map, (windows, places)."""
    counts = [extent // size for extent, size in zip(whole.shape, sizes, strict=True)]
    rolled = np.roll(whole, [-shift if count > 1 else 0 for shift, count in zip(shifts, counts, strict=True)], (0, 1))
    (a, b), (m, n) = sizes, counts
    parts = (
        rolled.reshape(a, m, b, n).transpose(1, 3, 0, 2) if grid else rolled.reshape(m, a, n, b).transpose(0, 2, 1, 3)
    )
    return parts.reshape(m * n, a * b)


@pytest.mark.parametrize(
    ("space", "sizes", "shifts", "grid"),
    [
        ((8, 6), (4, 3), (2, 1), False),
        ((9, 5), (4, 3), (1, 2), False),
        ((4, 9), (4, 3), (2, 0), False),
        ((7, 6), (4, 3), (0, 0), True),
    ],
)
def test_inside_and_outside(
    space: tuple[int, int], sizes: tuple[int, int], shifts: tuple[int, int], grid: bool
) -> None:
    places = build_places(sizes, shifts, grid, list(space))
    stored = places.emit.model.tensors
    padded = [-(-extent // size) * size for extent, size in zip(space, sizes, strict=True)]
    whole = cut(np.arange(np.prod(padded)).reshape(padded), sizes, shifts, grid).reshape(-1)
    inside = np.asarray(stored[places.list_inside(padded=True).name])
    np.testing.assert_array_equal(inside, whole)
    outside = np.asarray(stored[places.list_outside().name])
    np.testing.assert_array_equal(
        whole[outside].reshape(space), np.arange(np.prod(padded)).reshape(padded)[: space[0], : space[1]]
    )
    assert [int(count.value[0]) for count in places.counts] == [p // s for p, s in zip(padded, sizes, strict=True)]  # type: ignore[index]


def test_the_last_positions_are_repeated_where_nobody_reads_the_padding() -> None:
    places = build_places((4, 3), (0, 0), False, [3, 2])
    inside = np.asarray(places.emit.model.tensors[places.list_inside(padded=False).name])
    np.testing.assert_array_equal(inside, np.pad(np.arange(6).reshape(3, 2), ((0, 1), (0, 1)), mode="edge").reshape(-1))


def test_what_is_free_is_computed_once() -> None:
    places = build_places((4, 3), (2, 1), False, ["H", 6])
    first, count = places.list_outside(), len(places.emit.model.nodes)
    assert count > 0
    assert places.list_outside() is first
    assert len(places.emit.model.nodes) == count


def test_a_shape_of_known_numbers_is_a_constant() -> None:
    emit = build_places((4, 3), (0, 0), False, [8, 6]).emit
    known = write_shape(emit, "known", [-1, WholeNumbers(emit, np.array([5]))])
    assert list(np.asarray(emit.model.tensors[known.name])) == [-1, 5]
    joined = write_shape(emit, "joined", [-1, WholeNumbers(emit, OnnxValue("n"))])
    assert joined.producer is not None
    assert joined.producer.kind == "Concat"
