"""Weights that do not fit are named, with what may have happened to them."""

from __future__ import annotations

import pytest
import torch

from archspec.errors import ArchspecError
from compiler.graph import Graph
from compiler.mismatch import advise_mismatch, list_mismatches
from compiler.torch_target.module import to_torch
from tests.support.documents import graph_from


@pytest.fixture(scope="module")
def graph() -> Graph:
    layers = [{"conv": 4}, "batch_norm", "global_avg_pool", "flatten", {"linear": 2}]
    return graph_from({"archspec": 1, "inputs": {"x": [1, 4, 4]}, "network": layers})


def explain_mismatch(graph: Graph, found: dict[str, tuple[int, ...]]) -> str:
    with pytest.raises(ArchspecError) as error:
        graph.check_weights(found)
    return str(error.value)


def test_what_fits_is_torchs_own_state_dict(graph: Graph) -> None:
    found = {name: tuple(value.shape) for name, value in to_torch(graph).state_dict().items()}
    graph.check_weights(found)
    assert list_mismatches(found, found) == advise_mismatch(found, found) == ""


def test_names_and_shapes_are_told(graph: Graph) -> None:
    found = {name: tuple(value.shape) for name, value in to_torch(graph).state_dict().items()}
    shape = found.pop("linear_0.weight")
    text = explain_mismatch(graph, {**found, "linear_0.wieght": shape, "conv_0.bias": (5,)})
    assert "linear_0.weight is missing; linear_0.wieght is of no layer; did you mean 'linear_0.weight'?" in text
    assert "conv_0.bias should be (4,), found (5,)" in text
    assert text.endswith("were they trained with other params? `--set` says them, and a run's spec.yaml has them")


def test_prefixes_of_wrappers_are_seen(graph: Graph) -> None:
    """As torch itself writes them."""
    found = {name: tuple(value.shape) for name, value in torch.nn.DataParallel(to_torch(graph)).state_dict().items()}
    assert "all names begin with 'module.': `archspec weights convert` takes it away" in explain_mismatch(graph, found)


def test_names_of_others_are_seen(graph: Graph) -> None:
    theirs = torch.nn.Sequential(torch.nn.Linear(2, 2))
    found = {name: tuple(value.shape) for name, value in theirs.state_dict().items()}
    assert "`archspec weights convert` takes the names of others over" in explain_mismatch(graph, found)


def test_a_message_names_a_few(graph: Graph) -> None:
    text = explain_mismatch(graph, {f"x{number}": (1,) for number in range(100)})
    assert "; and 103 more; " in text
