"""The rules about attention and shared weights: cases for `test_finding.py`, and torch as witness."""

from __future__ import annotations

import pytest
import torch

from archspec.api import to_torch
from tests.support.lint_cases.attention import KEYS
from tests.support.lint_texts import IMAGE, build, graph_with, images, lint_text

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


HEAD = "archspec: 1\ninputs: {x: [4, 8, 8]}\n"
BLOCKS = "blocks: {u: {body: [v]}, v: {body: [conv: 4, relu]}}\n"
FORMS = {
    "residual": "residual: {SHARE, body: [relu, conv: 4]}",
    "add": "add: {SHARE, branches: [[conv: 4], []]}",
    "attend": "attend: {SHARE, query: [conv: 4]}",
    "bias of attend": "attend: {SHARE, bias: relative}",
    "windows": "windows: {SHARE, size: 4, body: [attend: {value: [conv: {out: 4, kernel: 1}]}]}",
    "call": "u: {SHARE}",
    "nested": "residual: {SHARE, body: [dense: {n: 2, body: [conv: 4]}, conv: 4]}",
    "levels": "encoder_decoder: {SHARE, n: 1, encoder: [conv: 4], down: [max_pool: 2], up: [upsample: 2], merge: add}",
}


@pytest.mark.parametrize("turns", [1, 2])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_label_is_lone_where_torch_has_as_many_weights_without_it(form: str, turns: int) -> None:
    text = f"{HEAD}{BLOCKS}network: [repeat: {{n: {turns}, body: [{form}]}}]\n"
    shared, findings = build(text.replace("SHARE", "share: s"), select=["lone-share"])
    apart, _ = build(text.replace("{SHARE}", "{}").replace("SHARE, ", ""))
    counts = [sum(weight.numel() for weight in to_torch(graph).parameters()) for graph in (apart, shared)]
    assert (len(findings) == 1) == (counts[0] == counts[1]) == (turns == 1)


def test_what_was_handed_to_a_block_may_have_the_weights() -> None:
    block = "blocks: {u: {args: {b: block}, body: [repeat: {n: 2, body: [residual: {share: s, body: [b]}]}]}}\n"
    text = HEAD + block + "network: [u: {b: [conv: 4]}]\n"
    assert lint_text(text, select=["lone-share"]) == ()
    assert len(to_torch(build(text)[0]).state_dict()) == 2
