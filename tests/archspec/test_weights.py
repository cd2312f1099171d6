"""The Python API of weights: torch's state dicts are the witness of what is read, converted and combined."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from archspec.api import elaborate, load, to_torch
from archspec.errors import ArchspecError, InputError
from archspec.weights import combine_weights, find_rules, match_weights, read_weights, sample_ensemble, write_converted
from compiler.onnx_file.metadata import GRAPH
from runtime.weights.safetensors_file import load_weights
from tests.support.lowering import stir

GRAPH_OF_TWO = elaborate(load("residual_mlp", {"blocks": 2, "width": 8}))


def save_state(path: Path, seed: int = 0) -> dict[str, torch.Tensor]:
    state = dict(stir(to_torch(GRAPH_OF_TWO, seed=seed), seed).state_dict())
    torch.save(state, path)
    return state


def test_a_state_dict_is_read_as_it_was_saved(tmp_path: Path) -> None:
    state, other = save_state(tmp_path / "w.pth"), save_state(tmp_path / "other.pth", seed=1)
    weights, facts = read_weights(tmp_path / "w.pth")
    assert facts == {}
    assert weights.keys() == state.keys()
    assert all(np.array_equal(weights[name], value.numpy()) for name, value in state.items())
    assert not all(np.array_equal(weights[name], value.numpy()) for name, value in other.items())


def test_what_was_converted_says_of_which_network_it_is(tmp_path: Path) -> None:
    state = save_state(tmp_path / "w.pth")
    write_converted(tmp_path / "w.safetensors", GRAPH_OF_TWO, match_weights(tmp_path / "w.pth", GRAPH_OF_TWO))
    weights, facts = load_weights(tmp_path / "w.safetensors")
    assert all(np.array_equal(weights[name], value.numpy()) for name, value in state.items())
    assert GRAPH.read(facts) == GRAPH_OF_TWO.digest()
    other = elaborate(load("residual_mlp", {"blocks": 2, "width": 9}))
    assert GRAPH.read(facts) != other.digest()


def test_a_conversion_with_gaps_leaves_no_file(tmp_path: Path) -> None:
    state = save_state(tmp_path / "w.pth")
    del state["linear_0.bias"]
    torch.save(state, tmp_path / "w.pth")
    conversion = match_weights(tmp_path / "w.pth", GRAPH_OF_TWO)
    assert not conversion.is_whole
    with pytest.raises(ArchspecError, match=r"linear_0\.bias"):
        write_converted(tmp_path / "w.safetensors", GRAPH_OF_TWO, conversion)
    assert [path.name for path in tmp_path.iterdir()] == ["w.pth"]


def test_rules_are_those_of_the_spec() -> None:
    assert [rules.sources for rules in find_rules("resnet18", load("resnet18").params)] == [("torchvision", "timm")]
    assert find_rules("residual_mlp", load("residual_mlp").params) == []


def test_several_files_are_one_ensemble(tmp_path: Path) -> None:
    states = [save_state(tmp_path / f"{seed}.pth", seed) for seed in range(2)]
    ensemble, weights, facts = combine_weights(GRAPH_OF_TWO, [tmp_path / "0.pth", tmp_path / "1.pth"], "mean")
    assert weights.keys() == ensemble.weights.keys()
    for member, state in enumerate(states):
        assert all(np.array_equal(weights[f"member{member}.{name}"], value) for name, value in state.items())
    assert facts == {"archspec.combine": "mean", "archspec.members": "2"}
    with pytest.raises(InputError, match="mean or vote"):
        combine_weights(GRAPH_OF_TWO, [tmp_path / "0.pth", tmp_path / "1.pth"], "median")


def test_members_of_one_network_differ_by_their_seed() -> None:
    graph = elaborate(load("resnet_digits", {"depths": [1, 1, 1], "widths": [2, 2, 2]}))
    state = to_torch(graph).state_dict()
    found = [
        sample_ensemble(graph, state, "mean", data="digits", passes=2, batch=16, seed=seed)[1] for seed in (3, 3, 4)
    ]
    same = [all(np.array_equal(found[0][name], other[name]) for name in found[0]) for other in found]
    assert same == [True, True, False]
    with pytest.raises(ArchspecError, match="batch normalization"):
        sample_ensemble(GRAPH_OF_TWO, to_torch(GRAPH_OF_TWO).state_dict(), "mean", data="digits", passes=2)
