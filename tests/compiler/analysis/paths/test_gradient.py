"""The gradient by path length, predicted: against the closed forms, and against a float-free product of polynomials."""

from __future__ import annotations

import io
import json
from fractions import Fraction
from math import comb, sqrt
from typing import Any

import pytest
from rich.console import Console

from archspec.api import elaborate, load
from archspec.cli.tables.gradient import print_gradient
from archspec.spec.zoo import zoo_specs
from compiler.analysis.paths.gradient import find_effective, predict_path_gradient
from compiler.graph import Graph
from tests.support.documents import graph_from


def residual(blocks: int, body: list[Any], width: int = 100) -> Graph:
    network = [{"linear": width}, {"repeat": {"n": blocks, "body": [{"residual": {"body": body}}]}}]
    return graph_from({"archspec": 1, "inputs": {"x": [width]}, "network": network})


@pytest.mark.parametrize("blocks", [1, 4, 54])
def test_plain_blocks_give_the_binomial_distribution(blocks: int) -> None:
    """He initialization: shortcut and body have equal gains, and M(z) = (1 + z)^n."""
    found = predict_path_gradient(residual(blocks, ["relu", {"linear": 100}]))
    expected = [comb(blocks, k) / 2**blocks for k in range(blocks + 1)]
    assert found.shares == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert found.mean == pytest.approx(blocks / 2)


@pytest.mark.parametrize("blocks", [1, 10, 54])
def test_normalization_first_gives_harmonic_lengths(blocks: int) -> None:
    """De and Smith, 2020: the variance before block l is l, so g_l / s_l = 1 / l. With M(z) = Π (1 + z / l) the mean is
    Σ 1 / (l + 1) = H_(n+1) - 1: 3.59 for 54 blocks. Here with linear bodies, for which that holds exactly."""
    linear = {"linear": {"out": 100, "gain": sqrt(1 / 2)}}
    network = [{"repeat": {"n": blocks, "body": [{"residual": {"body": ["batch_norm", linear]}}]}}]
    found = predict_path_gradient(graph_from({"archspec": 1, "inputs": {"x": [100]}, "network": network}))
    coefficients = [Fraction(1)]
    for block in range(1, blocks + 1):
        through = [Fraction(0), *(c / block for c in coefficients)]
        coefficients = [a + b for a, b in zip([*coefficients, Fraction(0)], through, strict=True)]
    mean = float(sum(Fraction(1, block) for block in range(2, blocks + 2)))
    assert found.mean == pytest.approx(mean, abs=2e-3)
    assert found.shares == pytest.approx([float(c / sum(coefficients)) for c in coefficients], abs=1e-3)
    if blocks == 54:
        assert found.mean == pytest.approx(3.59, abs=0.01)


def test_behind_a_relu_normalization_removes_a_mean_too() -> None:
    """What a unit adds to all samples alike is lost in the next normalization, so the body's gain is above 1 / l: more
    than the harmonic law, and as a real network has it (see the tests of the measurement)."""
    found = predict_path_gradient(residual(54, ["batch_norm", "relu", {"linear": 100}]))
    assert 3.7 < found.mean < 4.3


def test_half_the_variance_after_each_block_changes_no_share() -> None:
    """A factor on the sum scales both of its branches."""
    plain = predict_path_gradient(residual(20, ["relu", {"linear": 100}]))
    network = [
        {"repeat": {"n": 20, "body": [{"residual": {"body": ["relu", {"linear": 100}], "scaling": "sqrt_half"}}]}}
    ]
    scaled = predict_path_gradient(graph_from({"archspec": 1, "inputs": {"x": [100]}, "network": network}))
    assert scaled.shares == pytest.approx(plain.shares, abs=1e-9)


def test_a_scaled_body_has_its_squared_gain() -> None:
    """scale α: M(z) = (1 + α² z)^n."""
    network = [{"repeat": {"n": 6, "body": [{"residual": {"body": ["relu", {"linear": 50}], "scale": 0.5}}]}}]
    found = predict_path_gradient(graph_from({"archspec": 1, "inputs": {"x": [50]}, "network": network}))
    expected = [comb(6, k) * 0.25**k / 1.25**6 for k in range(7)]
    assert found.shares == pytest.approx(expected, rel=1e-5)


def test_a_thousand_blocks_stay_within_floats() -> None:
    found = predict_path_gradient(residual(1000, ["relu", {"linear": 10}], width=10))
    assert sum(found.shares) == pytest.approx(1)
    assert found.mean == pytest.approx(500, rel=1e-6)


def test_skip_init_has_only_the_path_around_all_blocks() -> None:
    found = predict_path_gradient(elaborate(load("resnet110_skip_init")))
    assert found.shares[0] == 1
    assert found.effective.to_dict() == {"from": 0, "to": 0, "energy": 1.0, "paths": 1 / 2**54}


def test_the_effective_lengths_are_the_shortest_run() -> None:
    assert find_effective([0.5, 0.3, 0.16, 0.04], {0: 1, 1: 3, 2: 3, 3: 1}).to_dict() == {
        "from": 0,
        "to": 2,
        "energy": pytest.approx(0.96),
        "paths": 7 / 8,
    }
    found = find_effective([0.01, 0.48, 0.49, 0.02], None)
    assert (found.first, found.last, found.paths) == (1, 2, None)
    assert (find_effective([1.0], {0: 1}).first, find_effective([0, 0, 1.0], None).first) == (0, 2)


def test_54_blocks_of_a_preactivation_resnet() -> None:
    """Veit et al., 2016, found lengths 5 to 17 to carry almost all of the gradient at 54 blocks, while training; at
    initialization the estimate lies there too, and on few of the paths."""
    found = predict_path_gradient(elaborate(load("preresnet110")))
    assert 5 <= found.effective.first < found.effective.last <= 20
    assert found.effective.paths is not None
    assert found.effective.paths < 0.05


@pytest.mark.parametrize("name", sorted(zoo_specs()))
def test_every_network_has_an_estimate(name: str) -> None:
    graph = elaborate(load(name))
    found = predict_path_gradient(graph)
    assert sum(found.shares) == pytest.approx(1)
    assert all(graph[id].op.kind in ("lstm", "gru", "div") for id in found.unknown), "the operations without a law"
    row = json.loads(json.dumps(found.to_dict()))
    assert row["effective"]["energy"] >= 0.95 - 1e-12


def test_the_table_says_that_it_is_an_estimate() -> None:
    text = io.StringIO()
    print_gradient(predict_path_gradient(residual(54, ["relu", {"linear": 100}])), None, Console(file=text, width=120))
    assert "predicted (an estimate): mean length 27.00; lengths 20 to 34 carry 95% of the energy" in text.getvalue()
    assert "more lengths carry less than 0.05% of the energy each" in text.getvalue()


def test_the_gradient_of_a_network_of_whole_numbers_ends_at_the_rows_that_they_name() -> None:
    """The rows start standard normal, as an input is: so both are of one network."""
    blocks: list[Any] = [
        {"repeat": {"n": 3, "body": [{"residual": {"body": ["relu", {"conv": {"out": 6, "kernel": 1}}]}}]}}
    ]
    ids = {"ids": {"shape": [1, 5], "type": "int"}, "more": [6, 5]}
    looked_up = [{"embedding": {"rows": 7, "out": 6}}, {"add": [[], [{"from": "more"}]]}, *blocks]
    words = graph_from({"archspec": 1, "inputs": ids, "network": looked_up})
    given = [{"add": [[], [{"from": "more"}]]}, *blocks]
    values = graph_from({"archspec": 1, "inputs": {"x": [6, 5], "more": [6, 5]}, "network": given})
    assert words.sources == ("more", "embedding_0")
    assert values.sources == ("x", "more")
    found = predict_path_gradient(words)
    assert found.shares == pytest.approx([comb(3, k) / 8 for k in range(4)], rel=1e-6)
    assert found.shares == pytest.approx(predict_path_gradient(values).shares, rel=1e-9)
