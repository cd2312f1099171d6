"""What is known while a document is read: handed bodies are words inside their block, and not behind it."""

from __future__ import annotations

import pytest

from archspec.errors import Place
from archspec.spec.reading import Argument, Reading

PLACE = Place("a.yaml", 1, 1)


def test_a_block_s_bodies_are_words_inside_it_alone() -> None:
    reading = Reading("a.yaml")
    outer = {"f": Argument("block"), "n": Argument("int")}
    with reading.inside(outer):
        assert reading.bodies == {"f"}
        with reading.inside({"g": Argument("block", "none")}):
            assert reading.bodies == {"g"}
        assert reading.bodies == {"f"}
    assert reading.bodies == frozenset()


def test_they_are_no_words_behind_a_block_that_failed() -> None:
    reading = Reading("a.yaml")
    with pytest.raises(ZeroDivisionError), reading.inside({"f": Argument("block")}):
        raise ZeroDivisionError
    assert reading.bodies == frozenset()


def test_an_argument_without_a_default_is_required() -> None:
    assert Argument("int").required
    assert not Argument("block", "none").required


def test_mistakes_are_kept_in_order() -> None:
    reading = Reading("a.yaml")
    reading.report("bad-node", "first", PLACE)
    reading.report("bad-node", "second", PLACE)
    assert [mistake.message for mistake in reading.mistakes] == ["first", "second"]
