"""The rules about what nothing uses: cases that `test_finding.py` walks, and torch as witness of what they say."""

from __future__ import annotations

from archspec.api import to_torch
from tests.support.lint_texts import (
    IMAGE,
    build,
    images,
)


def test_a_dead_node_gets_no_gradient() -> None:
    text = IMAGE + "  - tap: a\n  - conv: 8\n  - from: a\n  - conv: 4\n"
    graph, findings = build(text)
    (finding,) = findings
    assert finding.nodes == ("conv_0",)
    module = to_torch(graph)
    module(images()).sum().backward()
    got = {name for name, parameter in module.named_parameters() if parameter.grad is not None}
    assert got == {"conv_1.weight", "conv_1.bias"}
