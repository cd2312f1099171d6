"""Ids of nodes: none twice, printable, and of bounded length."""

from __future__ import annotations

from compiler.onnx_source.names import MAX_ID_LETTERS, Names


def test_no_id_is_handed_out_twice() -> None:
    names = Names()
    assert [names.claim(name) for name in ("a", "a", "a_1", "a", "b")] == ["a", "a_1", "a_1_1", "a_2", "b"]


def test_any_text_becomes_an_id_of_one_short_word() -> None:
    names = Names()
    assert names.claim("con v\n\x1b1") == "con_v__1"
    assert names.claim("") == "_"
    long = names.claim("x" * 1000)
    assert len(long) == MAX_ID_LETTERS
    assert names.claim("x" * 999) == f"{long}_1"
