"""The rules about the signal at initialization: cases for `test_finding.py`, and torch as witness."""

from __future__ import annotations

import torch

from archspec.api import to_torch
from tests.support.lint_texts import (
    build,
    every_value,
)


def test_values_leave_fp16_where_it_is_said() -> None:
    text = "archspec: 1\ninputs: {x: [256]}\nnetwork:\n  - linear: 256\n"
    text += "  - repeat: {n: 34, body: [residual: {body: [relu, linear: 256]}]}\n"
    graph, findings = build(text)
    (node,) = next(finding.nodes for finding in findings if finding.code == "signal-overflow")
    torch.manual_seed(0)
    values = every_value(graph, torch.randn(256, 256))
    sums = [id for id in graph.nodes if id.endswith("residual_0.add")]
    left = next(id for id in sums if not torch.isfinite(values[id].half()).all())
    assert abs(sums.index(left) - sums.index(node)) <= 2


def test_values_vanish_in_fp16() -> None:
    layer = "linear: {out: 64, init: torch, bias: false}"
    text = f"archspec: 1\ninputs: {{x: [64]}}\nnetwork:\n  - repeat: {{n: 30, body: [{layer}, relu]}}\n"
    for init, zero in (("torch", True), ("he", False)):
        graph, findings = build(text.replace("init: torch", f"init: {init}"))
        assert ("signal-vanishes" in {finding.code for finding in findings}) is zero
        values = every_value(graph, torch.randn(256, 64, generator=torch.Generator().manual_seed(0)))
        assert bool((values["repeat_0.i29.relu_0"].half() == 0).all()) is zero


def test_gradients_differ_by_more_than_fp16_holds() -> None:
    text = "archspec: 1\ninputs: {x: [32]}\nnetwork:\n  - linear: {out: 32, gain: 2}\n  - relu\n"
    text += "  - repeat: {n: 50, body: [linear: {out: 32, gain: 2}, relu]}\n"
    for gain, wide in ((2, True), (1, False)):
        graph, findings = build(text.replace("gain: 2", f"gain: {gain}"))
        assert ("gradient-spread" in {finding.code for finding in findings}) is wide
        torch.manual_seed(0)
        module = to_torch(graph)
        gradients = bias_gradients(module)
        assert (max(gradients) / min(gradients) > 65_504 / 2**-24) is wide


def bias_gradients(module: torch.fx.GraphModule) -> list[float]:
    """How large the gradients of all biases are: sums over samples of those of the layers' results."""
    result = module(torch.randn(256, 32, generator=torch.Generator().manual_seed(0)))
    (result * torch.randn_like(result)).sum().backward()
    found = {name: parameter.grad for name, parameter in module.named_parameters() if name.endswith("bias")}
    return [float(grad.square().mean().sqrt()) for grad in found.values() if grad is not None]
