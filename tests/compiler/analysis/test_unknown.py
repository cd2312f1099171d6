"""Unknown operations: how many there are, and which numbers they make bounds or estimates."""

from __future__ import annotations

from dataclasses import replace

from archspec.ops import Relu, Shape
from compiler.analysis.certainty import MarkKind
from compiler.analysis.unknown import OWN, SUMS, UNREAD, find_unknown, mark_unknown, tell_unknown
from tests.support.lowering import graph_of


class Riddle(Relu):
    """An operation of a file that nobody knows."""

    @property
    def unknown(self) -> str:
        return "com.foo:Bar"


KNOWN, STRANGE = graph_of(Relu(), Shape(4)), graph_of(Riddle(), Shape(4))


def test_a_network_of_known_operations_has_no_marks() -> None:
    assert find_unknown(KNOWN) == {}
    assert mark_unknown(KNOWN) == {}


def test_operations_are_counted_by_kind_and_with_those_that_could_not_be_read() -> None:
    unread = replace(STRANGE, unread={"LSTM": 1200, "com.foo:Bar": 1})
    assert find_unknown(STRANGE) == {"com.foo:Bar": 1}
    assert find_unknown(unread) == {"LSTM": 1200, "com.foo:Bar": 2}
    assert tell_unknown(find_unknown(unread)) == "1,200 × LSTM, 2 × com.foo:Bar"


def test_sums_are_the_least_there_is_and_fields_may_be_off_either_way() -> None:
    marks = mark_unknown(STRANGE)
    assert {marks[key].kind for key in (*SUMS, *(f"nodes.{key}" for key in OWN))} == {MarkKind.AT_LEAST}
    assert marks["receptive_field"].kind == marks["operations.intensity"].kind == MarkKind.ESTIMATE
    assert not marks.keys() & {*UNREAD}
    assert mark_unknown(replace(KNOWN, unread={"If": 1})).keys() - marks.keys() == {*UNREAD}
