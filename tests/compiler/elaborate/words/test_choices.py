"""The network's normalization, read off the graph."""

from __future__ import annotations

import pytest

from archspec.ops import GroupNorm
from tests.archspec.spec.texts import HEAD, graph_of
from tests.support.listing import listed


@pytest.mark.parametrize(
    ("kind", "row"), [("batch", "batch_norm(x)"), ("layer", "layer_norm(x)"), ("instance", "instance_norm(x)")]
)
def test_norm_is_the_layer_of_its_kind(kind: str, row: str) -> None:
    assert listed(f"[norm: {kind}]") == [f"norm_0 = {row} 4×8×8"]


def test_norm_of_another_kind_leaves_nothing_of_the_first() -> None:
    head = HEAD + "defaults: {norm: {kind: group, groups: in_channels // 2}}\n"
    assert graph_of(head + "network: [norm]\n")["norm_0"].op == GroupNorm(groups=2)
    assert listed("[norm: instance, norm: none]", head) == ["norm_0 = instance_norm(x) 4×8×8"]
