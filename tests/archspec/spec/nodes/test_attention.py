"""The fields of `attend` and `windows`: those of their operations, and expressions in them."""

from __future__ import annotations

from archspec.ops import Attention
from archspec.spec.body import STRUCTURE
from tests.archspec.spec.texts import HEAD, graph_of, mistakes_of


def test_fields_are_those_of_the_operations() -> None:
    assert set(STRUCTURE["attend"].settings) == {*Attention.model_fields} - {"window", "shift", "grid"}
    assert STRUCTURE["windows"].settings == ("size", "shift", "grid")


def test_fields_take_expressions_and_defaults() -> None:
    text = HEAD + "defaults: {attend: {heads: in_channels // 2}, windows: {size: [2, 4], shift: 1}}\n"
    graph = graph_of(text + "network: [attend, windows: {body: [attend: {scale: 1 / 2}]}]\n")
    assert graph["attend_0.attention"].op.chosen == {"heads": 2}
    op = graph["windows_0.body.attend_0.attention"].op
    assert op.chosen == {"heads": 2, "scale": 0.5, "window": (2, 4), "shift": 1}


def test_a_body_is_needed_for_windows_alone() -> None:
    (mistake,) = mistakes_of(HEAD + "network: [attend, windows: {size: 2}]\n")
    assert mistake.code == "missing-field"
