"""Random ONNX models against ONNX Runtime, and against counts by definition."""

from __future__ import annotations

import pytest

from compiler.onnx_source.rules import resampling
from compiler.onnx_source.writer import GraphWriter
from tests.differential.harness import run_seeds, table

MODULE = "tests.differential.models"


def test_nothing_disagrees() -> None:
    summary = run_seeds(MODULE, range(150))
    assert not summary.found, table(summary)
    assert summary.words["(batch of 2)"] > 5


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 5000, 1000))
def test_nothing_disagrees_over_many(first: int) -> None:
    summary = run_seeds(MODULE, range(first, first + 1000))
    assert not summary.found, table(summary)


def test_a_wrong_shape_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A control: the ratio of extents is not kept."""
    monkeypatch.setattr(resampling, "_keep_ratio", lambda call, old, sizes: sizes)
    assert any(kind.startswith("shape: ") for kind in run_seeds(MODULE, range(60)).found)


def test_wrong_weights_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A control: nobody remembers which node holds a tensor already."""
    hold = GraphWriter._hold

    def forget(self: GraphWriter, *given: object) -> object:
        self._held.clear()
        return hold(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(GraphWriter, "_hold", forget)
    assert "parameters" in run_seeds(MODULE, range(60)).found
