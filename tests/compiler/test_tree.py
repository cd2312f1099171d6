"""The fold of a tree of scopes, with rules as small as they can be, and the names of layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.ops import Conv, Input, Op, Relu
from compiler.scope_tree import ScopeTree, read_scopes
from compiler.tree import LayerName, fold, name_layer


@dataclass(frozen=True)
class Text:
    """A tree as text: `a`, `s(a b)`, and `2*s(a b)` for two equal neighbours."""

    pairs: bool = False

    def take(self, id: str) -> str:
        return id.rpartition(".")[2].rstrip("0123456789")

    def group(self, branches: Iterable[str]) -> Iterable[str]:
        branches = list(branches)
        size = 2 if self.pairs else 1
        return ["".join(branches[place : place + size]) for place in range(0, len(branches), size)]

    def continues(self, run: Sequence[str], branch: str) -> bool:
        return run[0] == branch

    def join(self, run: Sequence[str]) -> str:
        return f"{len(run)}*{run[0]}"

    def close(self, scope: ScopeTree, branches: Sequence[str]) -> str:
        return f"{scope.title.rstrip('0123456789')}({' '.join(branches)})"


@pytest.mark.parametrize(
    ("ids", "pairs", "text"),
    [
        ("a b a", False, "(a b a)"),
        ("a0 a1 b", False, "(2*a b)"),
        ("s0.a s0.b s1.a s1.b c", False, "(2*s(a b) c)"),
        ("s0.t0.a s0.t1.a s1.t0.a s1.t1.a", False, "(2*s(2*t(a)))"),
        ("s0.t0.a s0.t1.a s1.t0.a", False, "(s(2*t(a)) s(t(a)))"),
        ("a b a b c", True, "(2*ab c)"),
    ],
)
def test_equal_neighbours_are_one(ids: str, pairs: bool, text: str) -> None:
    assert fold(read_scopes(ids.split()), Text(pairs)) == text


@given(st.lists(st.sampled_from("ab"), min_size=1, max_size=30))
def test_every_neighbour_is_in_one_run(letters: list[str]) -> None:
    found = fold(read_scopes(f"{letter}{place}" for place, letter in enumerate(letters)), Text())
    runs = [part.rpartition("*") for part in found[1:-1].split()]
    assert "".join(letter * int(count or 1) for count, _, letter in runs) == "".join(letters)
    assert all(one[2] != other[2] for one, other in pairwise(runs))


@pytest.mark.parametrize(
    ("op", "layer", "text"),
    [
        (Relu(), LayerName("relu"), "relu"),
        (Conv(out=16), LayerName("conv", (("out", 16),)), "conv(out=16)"),
        (Conv(out=16, kernel=5), LayerName("conv", (("out", 16), ("kernel", 5))), "conv(out=16, kernel=5)"),
        (Input(dims=(3, 8, 8)), LayerName("input"), "input"),
    ],
    ids=str,
)
def test_a_layer_is_named_by_what_is_not_usual_of_it(op: Op, layer: LayerName, text: str) -> None:
    assert name_layer(op) == layer
    assert str(layer) == text


def test_several_values_are_a_list_as_in_a_spec() -> None:
    assert LayerName("mean", (("axes", (2, 3)),)).words == "axes=[2, 3]"
