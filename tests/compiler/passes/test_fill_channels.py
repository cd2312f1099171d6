"""Pieces of dense blocks are filled up to blocks of channels and packed, with equal results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.ops import Concat
from compiler.graph import Graph
from compiler.passes.base import run_passes
from compiler.passes.fill_channels import FillChannels
from tests.support.documents import graph_from
from tests.support.forms import compare_form
from tests.support.lowering import TOLERANCE, Arrays
from tests.support.rewriting import FOLDED_TOLERANCE, run, stirred

HEAD: list[Any] = ["norm", "relu", "global_avg_pool", "flatten", {"linear": 3}]


def dense(layers: int, growth: int, stem: int, *, between: int | None = None, head: list[Any] = HEAD) -> Graph:
    layer = ["norm", "relu", {"conv": {"out": growth, "kernel": 3}}]
    block: list[Any] = [{"dense": {"n": layers, "body": layer}}]
    pass_on = [{"conv": {"out": between, "kernel": 1}}, {"avg_pool": 2}, *block] if between else []
    network = [{"conv": stem}, *block, *pass_on, *head]
    return graph_from({"archspec": 1, "inputs": {"x": [3, "H", "W"]}, "sizes": {"H": 6, "W": 6}, "network": network})


def blocks_alone(graph: Graph) -> bool:
    """Whether every concatenation has pieces of whole blocks only."""
    joined = [node for node in graph if isinstance(node.op, Concat)]
    return all(graph[id].shape.channels % 16 == 0 for node in joined for id in node.inputs)


@pytest.mark.parametrize(
    ("layers", "growth", "stem", "between"),
    [(9, 12, 24, None), (6, 12, 16, 22), (4, 12, 7, 30), (5, 4, 3, None), (3, 1, 1, 5), (8, 15, 16, None)],
)
def test_equals_the_dense_block(layers: int, growth: int, stem: int, between: int | None) -> None:
    after, found = compare_form(dense(layers, growth, stem, between=between), [FillChannels()])
    assert blocks_alone(after)
    assert found < TOLERANCE


@settings(max_examples=15)
@given(layers=st.integers(2, 7), growth=st.integers(1, 15), stem=st.integers(1, 40), between=st.integers(1, 40))
def test_equals_at_any_widths(layers: int, growth: int, stem: int, between: int) -> None:
    after, found = compare_form(dense(layers, growth, stem, between=between), [FillChannels()], batch=1)
    assert blocks_alone(after)
    assert found < TOLERANCE


def test_packs_four_pieces_of_twelve() -> None:
    after = compare_form(dense(8, 12, 16), [FillChannels()])[0]
    widths = [node.shape.channels for node in after if isinstance(node.op, Concat)]
    kept = [width for width in widths if width != 64]
    assert max(kept) == 16 + 8 * 12
    assert sum(node.id.endswith(".packed") for node in after) == 2


@pytest.mark.parametrize(("growth", "stem"), [(12, 16), (12, 24), (5, 3)])
def test_the_journal_says_which_values_are_as_before(growth: int, stem: int) -> None:
    _, step, off = run(FillChannels(), dense(6, growth, stem, between=20))
    assert off < FOLDED_TOLERANCE
    assert any(f"its {growth} channels filled up to 16" in note.text for note in step.done)
    assert any("packed to" in note.text for note in step.done)


def test_flattened_maps_and_no_normalization() -> None:
    head: list[Any] = ["relu", {"max_pool": 2}, "flatten", {"linear": 4}]
    graph = dense(3, 6, 5, head=head)
    fixed = graph_from(
        {
            "archspec": 1,
            "inputs": {"x": [3, 4, 4]},
            "network": [{"conv": 5}, {"dense": {"n": 3, "body": [{"conv": 6}, "leaky_relu"]}}, *head],
        }
    )
    assert compare_form(fixed, [FillChannels()])[1] < TOLERANCE
    assert compare_form(graph, [FillChannels()])[1] < TOLERANCE


def test_vectors_are_not_packed() -> None:
    """A 1×1 convolution takes maps alone."""
    pool: list[Any] = ["relu", "global_avg_pool", "flatten"]
    head: list[Any] = [{"concat": [pool, [{"max_pool": 2}, *pool]]}, {"concat": [[], [{"linear": 4}]]}, {"linear": 3}]
    after, off = compare_form(dense(4, 12, 24, head=head), [FillChannels()])
    assert any(node.op.kind == "conv" and node.shape.channels == 16 for node in after)
    assert off < TOLERANCE


def test_control_channels_in_other_places_show() -> None:
    def shift(arrays: Arrays) -> None:
        name = next(name for name in arrays if name.endswith(".packed.weight"))
        arrays[name] = np.roll(arrays[name], 1, axis=0)

    assert compare_form(dense(8, 12, 16), [FillChannels()], shift)[1] > 100 * TOLERANCE


@pytest.mark.parametrize(("growth", "stem"), [(16, 32), (24, 48), (32, 64)])
def test_leaves_wide_layers(growth: int, stem: int) -> None:
    graph = dense(3, growth, stem)
    assert FillChannels()(graph, stirred(graph))[0] is graph


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (["sigmoid", "global_avg_pool", "flatten", {"linear": 3}], "sigmoid_0 cannot take"),
        ([{"max_pool": 2}], "the output output cannot take"),
    ],
)
def test_leaves_networks_in_which_something_else_reads_it(head: list[Any], why: str) -> None:
    graph = dense(3, 12, 16, head=head)
    after, _, (step,) = run_passes([FillChannels()], graph, stirred(graph))
    assert after is graph
    assert why in step.left[0].text


def test_single_concatenations_are_left() -> None:
    branches = [{"conv": 12}, {"conv": 20}]
    document = {
        "archspec": 1,
        "inputs": {"x": [3, "H", "W"]},
        "sizes": {"H": 4, "W": 4},
        "network": [{"concat": [[branches[0]], [branches[1]]]}, {"conv": 3}],
    }
    graph = graph_from(document)
    assert FillChannels()(graph, stirred(graph))[0] is graph
