"""Lesions against the network with zeros in a body's place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from archspec.errors import ArchspecError
from compiler.passes.remove_bodies import RemovablePart, find_bodies
from compiler.torch_target.module import build_module
from runtime.experiments.lesion import list_parts, measure_lesion
from runtime.training.run import Run
from tests.support.runs import build


def score_with_zeros(run: Run, part: RemovablePart) -> float:
    """The accuracy on held-out images of the whole network in torch, in which a body's last layer gives zeros."""
    module = build_module(run.graph, run.weights).eval()
    last = module.get_submodule(run.graph[part.result].inputs[-1])
    last.register_forward_hook(lambda layer, inputs, output: torch.zeros_like(output))
    with torch.no_grad():
        answers = module(torch.from_numpy(run.data.held_out.images)).argmax(1).numpy()
    return float((answers == run.data.held_out.labels).mean())


def test_each_removal_is_the_network_with_zeros(run: Run) -> None:
    told: list[tuple[int, int]] = []
    found = measure_lesion(run, on_step=lambda *step: told.append(step))
    parts = find_bodies(run.graph)
    assert [item.name for item in found.removals] == list(parts)
    assert [item.score for item in found.removals] == [score_with_zeros(run, part) for part in parts.values()]
    assert len({item.score for item in found.removals} | {found.score}) > 1, "the control: bodies are not alike"
    assert told == [(done, 6) for done in range(1, 7)]
    assert (found.metric, found.images, found.data) == ("accuracy", 360, "digits")


def test_what_goes_with_a_body(run: Run) -> None:
    """Two 3×3 convolutions with their normalizations: 2 · (9 · 8 · 8 + 2 · 8) parameters; at 8×8, 4×4 and 2×2."""
    found = measure_lesion(run)
    assert [item.parameters for item in found.removals] == [2 * (9 * 8 * 8 + 2 * 8)] * 6
    assert [item.macs for item in found.removals] == [2 * 9 * 8 * 8 * side * side for side in (8, 8, 4, 4, 2, 2)]
    assert found.to_dict()["removals"][2]["stays"] == "shortcut", "its stride changes the shape"


def test_nothing_can_be_left_out(run: Run, tmp_path: Path) -> None:
    graph = build(tmp_path, ["flatten", {"linear": 10}], [1, 8, 8])
    with pytest.raises(ArchspecError, match="net has no residual or dense bodies, and no layer that keeps the shape"):
        list_parts(replace(run, graph=graph))
