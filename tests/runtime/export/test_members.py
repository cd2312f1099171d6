"""Which weights a network is exported with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archspec
from archspec.errors import ArchspecError
from runtime.export.members import Members, MembersError, read_network
from runtime.weights.safetensors_file import save_weights

SPEC = archspec.load("residual_mlp", params={"blocks": 1})
FILES = [Path("a.safetensors"), Path("b.safetensors")]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two files of weights of the network, from other seeds."""
    graph = archspec.elaborate(SPEC)
    for seed, name in enumerate(FILES):
        state = archspec.to_torch(graph, seed=seed + 1).state_dict()
        save_weights(tmp_path / name, {key: value.numpy() for key, value in state.items()}, {})
    return [tmp_path / name for name in FILES]


@pytest.mark.parametrize(
    ("wished", "problem"),
    [
        ({"files": FILES}, "2 files of weights make an ensemble"),
        ({"files": FILES[:1], "combine": "mean"}, "of which one was given"),
        ({"combine": "vote"}, "of which none was given"),
        ({"data": "digits"}, "--data is read by --monte-carlo T alone"),
        ({"mc_batch": 8}, "--mc-batch is read by --monte-carlo T alone"),
        ({"files": FILES[:1], "seed": 1}, "--seed is read by fresh weights and by --monte-carlo T alone"),
        ({"monte_carlo": 3}, "--monte-carlo needs --data"),
        ({"files": FILES, "monte_carlo": 3, "data": "digits"}, "the statistics of one network"),
    ],
)
def test_wishes_that_do_not_go_together(wished: dict[str, Any], problem: str) -> None:
    with pytest.raises(MembersError, match=problem):
        Members(**wished)


def test_fresh_weights_are_those_of_the_seed() -> None:
    graph = archspec.elaborate(SPEC)
    network = read_network(SPEC, Members(seed=3))
    for seed, same in ((3, True), (0, False)):
        expected = archspec.to_torch(graph, seed=seed).state_dict()
        assert list(expected) == list(network.weights)
        assert all(np.array_equal(expected[name], network.weights[name]) for name in expected) is same


def test_weights_of_a_file_and_of_several(files: list[Path]) -> None:
    first, other = (archspec.read_weights(path)[0] for path in files)
    single = read_network(SPEC, Members(files=files[:1]))
    assert all(np.array_equal(single.weights[name], first[name]) for name in first)
    network = read_network(SPEC, Members(files=files, combine="mean"))
    assert len(network.weights) == 2 * len(first)
    for name in first:
        assert np.array_equal(network.weights[f"member0.{name}"], first[name])
        assert np.array_equal(network.weights[f"member1.{name}"], other[name])
    assert network.metadata["archspec.combine"] == "mean"
    assert (len(Members(files=files, combine="mean")), len(Members()), len(Members(files=files[:1]))) == (2, 1, 1)


def test_weights_of_another_network_are_refused(files: list[Path]) -> None:
    with pytest.raises(ArchspecError, match="they fit with --set blocks=1"):
        read_network(archspec.load("residual_mlp", params={"blocks": 2}), Members(files=files[:1]))


def test_statistics_of_mini_batches() -> None:
    """Members share their parameters, and differ in their statistics."""
    spec = archspec.load("resnet_digits", params={"depths": [1, 1, 1], "widths": [4, 4, 4]})
    network = read_network(spec, Members(monte_carlo=2, data="digits", mc_batch=16, seed=5))
    one, other = (
        {name.partition(".")[2]: value for name, value in network.weights.items() if name.startswith(f"member{n}.")}
        for n in (0, 1)
    )
    different = {name for name in one if not np.array_equal(one[name], other[name])}
    assert different == {name for name in one if name.endswith(("running_mean", "running_var"))}
    assert different
