"""The rules about attention and shared weights: cases for `test_finding.py`, and torch as witness."""

from __future__ import annotations

import torch

from archspec.api import to_torch
from tests.support.lint_cases.attention import KEYS
from tests.support.lint_texts import IMAGE, graph_with, images

TEXT = IMAGE + KEYS.replace("▸", "")


def move_bias(text: str, way: str) -> float:
    """How far the output moves with a bias of query or key."""
    module = to_torch(graph_with(text, "idle-key-bias"), seed=0).eval()
    with torch.no_grad():
        before = module(images())
        module.get_parameter(f"attend_0.{way}.conv_0.bias").add_(torch.arange(4.0))
        return float((module(images()) - before).abs().max())


def test_a_bias_of_keys_changes_no_output() -> None:
    assert move_bias(TEXT, "key") < 1e-5
    assert move_bias(TEXT, "query") > 1e-2


def test_a_bias_of_keys_in_shifted_windows_changes_no_output() -> None:
    """Padding and the scores that a shift lowers change nothing in that."""
    windowed = TEXT.replace("  - attend:\n", "  - windows: {size: 3, shift: 1, body: [attend: {")
    windowed = windowed.replace("      heads: 2\n", "heads: 2, bias: relative, ").replace("      query:", "query:")
    windowed = windowed.replace("]\n      key:", "], key:").rstrip("\n") + "}]}\n"
    module = to_torch(graph_with(windowed, "idle-key-bias"), seed=0).eval()
    with torch.no_grad():
        before = module(images())
        module.get_parameter("windows_0.body.attend_0.key.conv_0.bias").add_(torch.arange(4.0))
        assert torch.allclose(module(images()), before, atol=1e-5)
        module.get_parameter("windows_0.body.attend_0.query.conv_0.bias").add_(torch.arange(4.0))
        assert not torch.allclose(module(images()), before, atol=1e-2)
