"""Random networks: memory against the storages that torch's autograd keeps, and those that live in a run."""

from __future__ import annotations

from typing import Any

import pytest

from archspec.ops import LayerNorm, Softmax
from tests.differential.harness import run_seeds, table
from tests.differential.memory import compare
from tests.support.documents import graph_from

MODULE = "tests.differential.memory"


def test_memory_is_torchs() -> None:
    summary = run_seeds(MODULE, range(25))
    assert not summary.found, table(summary)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 3000, 250))
def test_memory_is_torchs_over_many(first: int) -> None:
    summary = run_seeds(MODULE, range(first, first + 250))
    assert not summary.found, table(summary)


def test_control_another_layout_or_precision_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a norm over channels left a map in order, and as if autocast computed softmax in four bytes."""
    norm: Any = {"layer_norm": {"over": "channels"}}
    network = [{"conv": 4}, "softmax", norm, {"upsample": 2}, "relu", "flatten", {"linear": 2}]
    graph = graph_from({"archspec": 1, "inputs": {"x": [4, 5, 6]}, "network": network})
    assert [*compare(graph)] == []
    monkeypatch.setattr(LayerNorm, "lay", Softmax.lay)
    assert {one.kind for one in compare(graph)} >= {"saved in fp32", "live at inference"}
    monkeypatch.undo()
    monkeypatch.setattr(Softmax, "casting", lambda op, *xs: "full")
    assert {one.kind for one in compare(graph)} == {"saved in bf16", "saved in fp16"}
