"""`deform_conv`: its bodies, their names, and the mistakes that one can make with the word."""

from __future__ import annotations

from typing import Any

import pytest

from archspec.api import accepted_sizes, analyze
from compiler.analysis.paths.counting import count_paths
from tests.archspec.spec.texts import graph_of, mistakes_of

HEAD = "archspec: 1\ninputs: {x: [8, H, W]}\nsizes: {H: 9, W: 14}\n"
OFFSET, MASK = "offset: [conv: 18]", "mask: [conv: 9, sigmoid]"


def test_names_are_those_of_the_bodies() -> None:
    graph = graph_of(f"{HEAD}network: [deform_conv: {{out: 16, {OFFSET}, {MASK}, name: conv2}}]\n")
    assert list(graph.nodes)[1:] == [
        *("conv2.offset.conv_0", "conv2.mask.conv_0", "conv2.mask.sigmoid_0", "conv2.deform_conv")
    ]
    assert graph["conv2.deform_conv"].inputs == ("x", "conv2.offset.conv_0", "conv2.mask.sigmoid_0")
    assert graph["conv2.deform_conv"].shape == (16, 9, 14)
    assert graph.weights["conv2.deform_conv.weight"].shape == (16, 8, 3, 3)


def test_offsets_may_come_from_elsewhere_and_fields_from_defaults() -> None:
    text = HEAD.replace("{x: [8, H, W]}", "{x: [8, H, W], moves: [8, H, W]}")
    text += "defaults: {deform_conv: {out: in_channels * 2, kernel: 1, bias: false, offset_groups: 4}}\n"
    op = graph_of(f"{text}network: [deform_conv: {{offset: [from: moves]}}]\n")["deform_conv_0.deform_conv"].op
    assert op.chosen == {"out": 16, "kernel": 1, "bias": False, "offset_groups": 4}


def test_sizes_are_free_and_the_field_is_the_whole_map() -> None:
    graph = graph_of(f"{HEAD}network: [deform_conv: {{out: 4, {OFFSET}}}]\n")
    assert {name: str(size) for name, size in accepted_sizes(graph).items()} == {"H": "any from 1", "W": "any from 1"}
    field: Any = analyze(graph, wanted=["receptive_field"]).receptive_field
    assert field.to_dict()["size"] == [9, 14]


def test_ways_through_offsets_and_mask_are_gates() -> None:
    text = f"{HEAD}network: [residual: {{body: [deform_conv: {{out: 8, {OFFSET}, {MASK}}}]}}]\n"
    paths = count_paths(graph_of(text))
    assert (paths.block.total, paths.ungated.total) == (4, 2)


def test_fixup_scales_the_convolution_and_leaves_offsets_alone() -> None:
    body = f"[conv: 8, relu, deform_conv: {{out: 8, {OFFSET}}}]"
    graph = graph_of(f"{HEAD}network: [residual: {{scaling: fixup, body: {body}}}]\n")
    weights = graph.weights
    assert weights["residual_0.body.deform_conv_0.deform_conv.weight"].init == "zeros"
    assert weights["residual_0.body.deform_conv_0.offset.conv_0.weight"].init == "he"
    assert "residual_0.body.deform_conv_0.deform_conv_bias" in graph.nodes


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ("[deform_conv: {out: 4}]", "deform_conv needs `offset`"),
        ("[deform_conv: 4]", "deform_conv takes named fields: "),
        (f"[deform_conv: {{{OFFSET}}}]", "needs `out`"),
        ("[deform_conv: {out: 4, offset: [conv: 9]}]", "the offset should be 18×9×14"),
        ("[deform_conv: {out: 4, offset: [conv: 18, max_pool]}]", "at the result's positions, found 18×4×7"),
        (f"[deform_conv: {{out: 4, {OFFSET}, mask: [conv: 18]}}]", "the mask should be 9×9×14"),
        (f"[deform_conv: {{out: 4, {OFFSET}, offset_groups: 3}}]", "offset_groups: 3 does not divide the 8 input"),
        (f"[deform_conv: {{out: 4, {OFFSET}, deform_groups: 2}}]", "here it is `offset_groups`"),
        ("[flatten, deform_conv: {out: 4, offset: [linear: 18]}]", "needs a map with two spatial axes"),
    ],
)
def test_mistakes_say_what_to_do(node: str, message: str) -> None:
    (mistake,) = mistakes_of(f"{HEAD}network: {node}\n")
    assert message in mistake.message
