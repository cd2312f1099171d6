"""Modules that torch does not have: scales, paddings, votes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from archspec.api import to_torch
from archspec.ops import Scale, Shape, Shift, Vote
from tests.support.documents import graph_from
from tests.support.lowering import TOLERANCE, compare, export, graph_of, run_onnx, run_torch


def test_a_learned_scale_starts_at_its_value() -> None:
    state = to_torch(graph_of(Scale(value=0.25, trainable=True), Shape(4))).state_dict()
    assert state["op.factor"].item() == 0.25
    assert state["op.factor"].shape == ()


@pytest.mark.parametrize("shape", [Shape(3), Shape(3, 4, 5)])
def test_scales_and_shifts_by_channel(shape: Shape) -> None:
    """Layer scale, and a bias that starts at -2: the channel's own number at every position."""
    factor, term = Scale(value=1e-2, trainable=True, per="channel"), Shift(value=-2, trainable=True, per="channel")
    for op, name, start in ((factor, "factor", 1e-2), (term, "term", -2.0)):
        module = to_torch(graph_of(op, shape))
        learned = module.get_parameter(f"op.{name}")
        assert learned.tolist() == pytest.approx([start] * 3)
        with torch.no_grad():
            learned.copy_(torch.tensor([1.0, 2.0, 3.0]))
            result = module(torch.full((2, *shape), 5.0))
        for channel, number in enumerate((1.0, 2.0, 3.0)):
            assert result[:, channel].unique().tolist() == [5 * number if op is factor else 5 + number]


def test_padding_follows_dynamic_sizes(tmp_path: Path) -> None:
    """Behind a pooling and an upsampling an odd extent has lost a pixel; the pads are the file's to compute."""
    document = {
        "archspec": 1,
        "inputs": {"image": [2, "H", "W"]},
        "sizes": {"H": 9, "W": 8},
        "network": [{"add": {"branches": [[], ["max_pool", {"upsample": 2}]], "fit": "pad"}}],
    }
    sizes = [{"H": height, "W": width} for height, width in ((9, 8), (9, 9), (5, 11), (4, 6))]
    assert compare(graph_from(document), tmp_path, sizes=sizes) < TOLERANCE
    for chosen in sizes:
        x = torch.randn(2, 2, *chosen.values(), generator=torch.Generator().manual_seed(0))
        expected = x.clone()
        whole = nn.functional.interpolate(nn.functional.max_pool2d(x, 2), scale_factor=2.0)
        expected[:, :, : whole.shape[2], : whole.shape[3]] += whole  # the odd pixel is at the end
        found = to_torch(graph_from(document, sizes=chosen))(x)
        torch.testing.assert_close(found, expected)


def test_a_vote_counts_and_gives_a_draw_to_the_first(tmp_path: Path) -> None:
    graph = graph_of(Vote(), Shape(3), Shape(3), Shape(3))
    rows = [[[0, 5, 5], [7, 7, 7]], [[0, 9, 0], [1, 1, 0]], [[-1, -2, -1], [0, 3, 3]]]
    inputs = {f"x{i}": torch.tensor(row, dtype=torch.float32).numpy() for i, row in enumerate(rows)}
    expected = torch.tensor([[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0]]).numpy()
    for found in (run_torch(graph, to_torch(graph), inputs), run_onnx(export(graph, {}, tmp_path), inputs)):
        assert found["y"] == pytest.approx(expected)
