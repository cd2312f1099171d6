"""The rules about positions: cases that `test_finding.py` walks, and torch as witness of what they say."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from archspec.api import to_torch
from compiler.analysis.field.receptive_field import measure_receptive_field
from compiler.graph import Graph
from tests.support.lint_texts import (
    IMAGE,
    build,
    graph_with,
    graph_without,
    images,
)


def input_gradient(graph: Graph, size: int) -> Tensor:
    """Where the outputs depend on the input, summed over channels."""
    module = to_torch(graph).eval()
    for parameter in module.parameters():
        torch.nn.init.ones_(parameter)  # so that nothing cancels
    x = torch.ones(1, 4, size, size, requires_grad=True)
    module(x).sum().backward()
    assert x.grad is not None
    return x.grad.abs().sum((0, 1))


@pytest.mark.parametrize(
    ("layer", "size", "lost"),
    [
        ("avg_pool: 2", 9, 1),
        ("conv: {out: 4, kernel: 3, stride: 3, padding: 0}", 8, 2),
        ("avg_pool: {kernel: 3, stride: 3}", 10, 1),
        ("conv: {out: 4, kernel: 3, stride: 2, dilation: 2, padding: 0}", 8, 1),
    ],
)
def test_lost_pixels_get_no_gradient(layer: str, size: int, lost: int) -> None:
    text = f"archspec: 1\ninputs: {{x: [4, H, H]}}\nsizes: {{H: {size}}}\nnetwork:\n  - {layer}\n"
    graph, findings = build(text)
    finding = next(finding for finding in findings if finding.code == "lost-pixels")
    assert ("last position" if lost == 1 else f"last {lost} positions") in finding.message
    seen = input_gradient(graph, size)
    assert not seen[size - lost :].any()
    assert not seen[:, size - lost :].any()
    assert seen[size - lost - 1, size - lost - 1] > 0
    better = int(finding.remedy.removeprefix("at H = ").removesuffix(" none is lost"))
    whole = input_gradient(graph.resize({"H": better}), better)
    assert whole[-1, -1] > 0


def test_windows_with_gaps_never_read_what_lies_between() -> None:
    layer = "conv: {out: 4, stride: 2, dilation: 2, padding: 2}"
    seen = input_gradient(graph_with(IMAGE + f"  - {layer}\n", "lost-pixels"), 8)
    assert not seen[1::2].any()
    assert seen[::2, ::2].all()
    without = graph_without(IMAGE + f"  - {layer.replace('stride: 2', 'stride: 1')}\n", "lost-pixels")
    assert input_gradient(without, 8).all()


def test_misaligned_operands_look_aside() -> None:
    body = "      body: [conv: {out: 4, stride: 2}]\n"
    aside = graph_with(
        IMAGE + "  - residual:\n" + body + "      project: [{conv: {out: 4, kernel: 5, padding: 0}}]\n",
        "misaligned-merge",
    )
    slightly = graph_without(IMAGE + "  - residual:\n" + body + "      project: [avg_pool: 2]\n", "misaligned-merge")
    for graph, other, apart in ((aside, "conv_0", 0.0), (slightly, "avg_pool_0", -0.5)):
        module = to_torch(graph)
        first, second = (f"residual_0.{name}" for name in ("body.conv_0", f"project.{other}"))
        assert centre_of(module, first, 2) - centre_of(module, second, 2) == apart
    module = to_torch(aside)
    assert centre_of(module, "residual_0.body.conv_0", 1) - centre_of(module, "residual_0.project.conv_0", 1) == -1.0


def test_causal_operands_look_back_from_one_place() -> None:
    sound = "archspec: 1\ninputs: {sound: [4, L]}\nsizes: {L: 32}\nnetwork:\n  - residual:\n      body: "
    causal = "[conv: {out: 4, padding: causal}, conv: {out: 4, dilation: 2, padding: causal}]\n"
    aside = "[pad: {before: 2}, slice: {axis: 1, stop: 32}, conv: {out: 4, padding: causal}]\n"
    graph = graph_without(sound + causal, "misaligned-merge")
    graph_with(sound + aside, "misaligned-merge")
    x = torch.randn(1, 4, 32, requires_grad=True)
    result = to_torch(graph)(x)
    result[0, :, 20].sum().backward()
    assert x.grad is not None
    seen = x.grad.abs().sum((0, 1)).nonzero().flatten()
    assert (int(seen[0]), int(seen[-1])) == (14, 20)  # both the body and the input end here


def centre_of(module: torch.fx.GraphModule, name: str, position: int) -> float:
    """The middle of the input rows that a position on a value's diagonal depends on."""

    class Stop(Exception):  # noqa: N818
        pass

    class Recorder(torch.fx.Interpreter):
        def run_node(self, n: torch.fx.Node) -> Any:
            result = super().run_node(n)
            if n.target == name:
                result[0, :, position, position].abs().sum().backward()
                raise Stop
            return result

    x = images(1).requires_grad_()
    with pytest.raises(Stop):
        Recorder(module).run(x)
    assert x.grad is not None
    rows = x.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    return float(rows.min() + rows.max()) / 2


def test_an_unproductive_convolution_reads_what_saw_everything() -> None:
    """The field of its operand is as large as the input, and a position in the middle sees every row."""
    head = "  - conv: 4\n  - gelu\n  - conv: {out: 4, kernel: 7}\n  - gelu\n"
    (finding,) = build(IMAGE + head + "  - conv: 8\n")[1]
    assert finding.nodes == ("conv_2",)
    assert "a receptive field of 9×9 on an input of 8×8" in finding.message
    assert rows_seen(IMAGE + head) == 8
    assert rows_seen(IMAGE + head.replace("kernel: 7", "kernel: 5")) < 8


def rows_seen(text: str) -> int:
    """How many rows of the input a position in the middle depends on."""
    x = images(1).requires_grad_()
    to_torch(build(text)[0])(x)[0, :, 4, 4].abs().sum().backward()
    assert x.grad is not None
    return int((x.grad.abs().sum((0, 1, 3)) > 0).sum())


def test_centres_behind_windows_are_those_of_windows() -> None:
    """Windows of 7 behind a stride: all positions of one see the same, and more before it than behind."""
    attended = "  - windows: {size: 7, body: [residual: {body: [attend]}]}\n"
    text = "archspec: 1\ninputs: {x: [4, 56, 56]}\nnetwork:\n" + attended + "  - conv: {out: 4, stride: 2}\n" + attended
    graph = graph_without(text, "misaligned-merge")
    assert any(not merge.slight for merge in measure_receptive_field(graph).misaligned)
    strides = "  - add: [[conv: 4], [upsample: 2, conv: 4, slice: {axis: 1, stop: 28}, slice: {axis: 2, stop: 28}]]\n"
    graph_with(text + strides, "misaligned-merge")
