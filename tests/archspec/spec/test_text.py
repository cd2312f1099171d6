"""Text to data: YAML 1.2 scalars, JSON, line ends, marks, and what is no text at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from archspec.errors import Diagnostic, Place, SpecError
from archspec.spec.marked import Items, Table, place_in
from archspec.spec.text import MAX_ALIASES, MAX_BYTES, MAX_DEPTH, MAX_NODES, read_bytes, read_file, to_yaml
from tests.archspec.spec.texts import graph_of, unmarked

SCALARS: list[tuple[str, Any]] = [
    ("on", "on"), ("off", "off"), ("yes", "yes"), ("no", "no"), ("y", "y"), ("On", "On"),
    ("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False), ("FALSE", False),
    ("tRue", "tRue"),
    ("~", None), ("null", None), ("Null", None), ("NULL", None), ("", None), ("nULL", "nULL"),
    ("010", 10), ("0o10", 8), ("0x10", 16), ("0xfF", 255), ("0b11", "0b11"), ("0o8", "0o8"), ("-0x1", "-0x1"),
    ("0", 0), ("-0", 0), ("+12", 12), ("-3", -3), ("1_000", "1_000"), ("1:30", "1:30"), ("1 000", "1 000"),
    ("1e-5", 1e-5), ("1e5", 1e5), ("1E+5", 1e5), ("+1.5", 1.5), ("-.5", -0.5), (".5", 0.5), ("5.", 5.0),
    ("1.5e3", 1500.0),
    (".", "."), ("e5", "e5"), ("1e", "1e"), ("+", "+"), ("-", "-"), ("1.2.3", "1.2.3"), ("2001-01-01", "2001-01-01"),
    ("inf", "inf"), ("nan", "nan"), (".INf", ".INf"), ("+.nan", "+.nan"),
    ("'true'", "true"), ('"1"', "1"), ("'~'", "~"), ("=", "="),
    ("9" * 64, int("9" * 64)), ('"\\u00e9\\x41\\U0001F600"', "éA😀"), ('"a\\tb"', "a\tb"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    if text == "-":  # alone it would start a list
        assert read_bytes(b"{a: -}", "f").data == {"a": "-"}
        return
    found = read_bytes(f"a: {text}\n".encode(), "f").data["a"]
    assert (type(found), found) == (type(value), value)


def mistakes(raw: bytes | str, name: str = "f") -> list[Diagnostic]:
    with pytest.raises(SpecError) as caught:
        read_bytes(raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw, name)
    return list(caught.value.diagnostics)


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("▸", "empty", "starts with `archspec: 1`"),
        ("▸# nothing but a comment\n", "empty", "the document is empty"),
        ("▸---\n", "empty", "the document is empty"),
        ("▸~\n", "empty", "the document is empty"),
        ("a: 1\n▸---\nb: 2\n", "many-documents", "a file holds one document"),
        ("a: ▸.inf", "bad-number", ".inf is not a finite number"),
        ("a: ▸-.INF", "bad-number", "not a finite number"),
        ("a: ▸.nan", "bad-number", "not a finite number"),
        ("a: ▸1e999", "bad-number", "1e999 is not a finite number"),
        ("a: ▸" + "9" * 65, "bad-number", "at most 64 characters"),
        ("a: ▸" + "9" * 100_000, "bad-number", "at most 64 characters"),
        ("a: ▸!!python/object/apply:os.system [id]", "tag", "not part of the language: tag:yaml.org,2002:python"),
        ("a: ▸!!python/name:os.system", "tag", "tags are not part of the language"),
        ("a: ▸!!int 3", "tag", "tags are not part of the language"),
        ("a: ▸!thing {b: 1}", "tag", "!thing"),
        ("a: ▸! 1", "tag", "tags are not part of the language: !"),
        ("▸!!map {b: 1}", "tag", "tags are not part of the language"),
        ("▸1: a", "bad-key", "a key should be a name"),
        ("a: {▸true: a}", "bad-key", "quote a number or a word like `true`"),
        ("a: {▸~: a}", "bad-key", "a key should be a name"),
        ("? ▸[a]\n: 1", "bad-key", "a key should be a name"),
        ("? ▸{a: 1}\n: 1", "bad-key", "a key should be a name"),
        ("a: &x {b: 1}\nc:\n  ▸<<: *x", "merge-key", "merge keys are not part of the language"),
        ("a: ▸*x", "unknown-alias", "no finished anchor 'x'"),
        ("a: &x [▸*x]", "unknown-alias", "no finished anchor 'x'"),
        ("a: &x {b: {c: ▸*x}}", "unknown-alias", "no finished anchor 'x'"),
        ("a: [1, 2▸", "syntax", "did not find expected ',' or ']'"),
        ("a: 'b▸", "syntax", "found unexpected end of stream"),
        ("a:\n▸\t- b", "syntax", "cannot start any token"),
        ("a: b: c", "syntax", "mapping values are not allowed"),
        ('a: "\\ud83d"', "syntax", "invalid Unicode character"),
        ("a: x▸\x07y", "control-character", "U+0007"),
        ("a: \"x▸\x1by\"", "control-character", "U+001B"),
        ("a: x\nb: y▸\0z", "control-character", "U+0000"),
        ("a: é▸\x7f", "control-character", "U+007F"),
        ("a: ▸\uffff", "control-character", "U+FFFF"),
        ("- conv: 16 # wide ▸\u2028  - conv: 32", "control-character", "U+2028"),
        ("# see\n# …▸\u2029description: hidden\na: 1", "control-character", "U+2029"),
        ("a: 'x▸\x85y'", "control-character", "U+0085"),
    ],
)  # fmt: skip
def test_bad_text_is_told_where_it_stands(text: str, code: str, message: str) -> None:
    text, places = unmarked(text)
    (mistake,) = mistakes(text)
    assert mistake.code == code, mistake
    assert message in mistake.message
    if places:
        assert [(mistake.place.line, mistake.place.column)] == places, mistake


@pytest.mark.parametrize(
    ("raw", "line", "column"),
    [
        (b"\xff\xfea\x00", 1, 1),
        (b"a: \xe9", 1, 4),
        ("a: é\nbé: ".encode() + b"\xff", 2, 5),
        (b"a: x\r\nb: \xc3(", 2, 4),
        (b"\xed\xa0\x80", 1, 1),
        (b"a: \xf8\x88", 1, 4),
    ],
)
def test_bytes_that_are_not_utf8(raw: bytes, line: int, column: int) -> None:
    (mistake,) = mistakes(raw)
    assert (mistake.code, mistake.place) == ("not-utf8", Place("f", line, column))
    assert "is not UTF-8" in mistake.message


def test_line_ends_and_byte_order_mark_change_nothing() -> None:
    text = "archspec: 1\ninputs:\n  x: [4]\nnetwork:\n- relu\n- linear: 3\n"
    digests = {
        graph_of(variant).digest()
        for variant in (text, text.replace("\n", "\r\n"), text.replace("\n", "\r"), "\ufeff" + text, text.rstrip("\n"))
    }
    assert len(digests) == 1


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_by_any_line_end(end: str) -> None:
    marked = read_bytes(f"a: 1{end}b:{end}  - é: [x, y]{end}".encode(), "f").data
    assert marked.keys_at == {"a": Place("f", 1, 1), "b": Place("f", 2, 1)}
    assert place_in(marked, ("b", 0, "é"), marked.at, key=True) == Place("f", 3, 5)
    assert place_in(marked, ("b", 0, "é", 1), marked.at) == Place("f", 3, 12)


def test_places_of_parts() -> None:
    data = read_bytes(b"a:\n  b: [1, {c: 2}]\n", "f").data
    start = Place("elsewhere")
    assert isinstance(data, Table)
    assert isinstance(data["a"]["b"], Items)
    assert place_in(data, (), start) == start
    assert place_in(data, ("a",), start) == Place("f", 2, 3)
    assert place_in(data, ("a",), start, key=True) == Place("f", 1, 1)
    assert place_in(data, ("a", "b", 1, "c"), start) == Place("f", 2, 14)
    assert place_in(data, ("a", "b", 1, "c"), start, key=True) == Place("f", 2, 11)
    assert place_in(data, ("a", "b", 7, "c"), start, key=True) == Place("f", 2, 6)  # the deepest part that exists
    assert place_in(data, ("a", "b", 0, "c"), start) == Place("f", 2, 7)
    assert place_in(data, ("z",), start) == start


def test_duplicate_keys_are_kept_beside_the_data() -> None:
    marked = read_bytes(b"a: 1\nb: {c: 1, c: 2}\na: 3\n", "f")
    assert marked.data == {"a": 3, "b": {"c": 2}}
    assert [(item.code, item.place) for item in marked.mistakes] == [
        ("duplicate-key", Place("f", 2, 11)),
        ("duplicate-key", Place("f", 3, 1)),
    ]


def test_aliases_stand_for_what_was_anchored() -> None:
    data = read_bytes(b"a: &one [relu]\nb: *one\nc: &two 3\nd: [*two, *one]\ne: &k key\nf: {*k : 1}\n", "f").data
    assert data == {"a": ["relu"], "b": ["relu"], "c": 3, "d": [3, ["relu"]], "e": "key", "f": {"key": 1}}


# Bounds


def test_size_of_a_document() -> None:
    assert read_bytes(b"a: 1\n" + b"#" * (MAX_BYTES - 5), "f").data == {"a": 1}
    (mistake,) = mistakes(b"a: 1\n" + b"#" * (MAX_BYTES - 4))
    assert mistake.code == "too-large"


def test_depth_of_a_document() -> None:
    assert read_bytes(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, "f").data
    for opening in ("[", "{a: ", "- ", "[{a: "):
        (mistake,) = mistakes(opening * 100_000)
        assert (mistake.code, mistake.place.line) == ("too-deep", 1)
    assert mistakes("? " * 100_000)[0].code == "bad-key"
    assert mistakes("[" * 100_000)[0].place.column == MAX_DEPTH + 1
    indented = "\n".join(f"{' ' * i}a:" for i in range(1000))
    (mistake,) = mistakes(indented)
    assert (mistake.code, mistake.place) == ("too-deep", Place("f", MAX_DEPTH + 1, MAX_DEPTH + 1))


def test_number_of_aliases() -> None:
    assert read_bytes(f"a: &a [x]\nb: [{', '.join(['*a'] * MAX_ALIASES)}]".encode(), "f").data
    (mistake,) = mistakes(f"a: &a [x]\nb: [{', '.join(['*a'] * (MAX_ALIASES + 1))}]")
    assert mistake.code == "too-many-aliases"


@pytest.mark.parametrize("wide", [3, 4, 5, 9])
def test_alias_bomb_is_refused_before_it_bursts(wide: int) -> None:
    bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for i in range(1, 12):
        bomb.append(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * wide)}]")
    (mistake,) = mistakes("\n".join(bomb))
    assert mistake.code in ("too-many-aliases", "too-large")


def test_thin_alias_bomb_is_refused_by_its_size() -> None:
    rows = [f"a0: &a0 [{', '.join('x' * 10_000)}]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 16))]
    (mistake,) = mistakes("\n".join(rows))
    assert mistake.code == "too-large"
    assert f"{MAX_NODES:,} nodes" in mistake.message


def test_merge_bomb_is_refused_at_its_first_merge() -> None:
    rows = ["a0: &a0 {k: v}", *(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, 9))]
    (mistake,) = mistakes("\n".join(rows))
    assert (mistake.code, mistake.place) == ("merge-key", Place("f", 2, 10))


def test_number_of_nodes() -> None:
    (mistake,) = mistakes("[" + "1," * MAX_NODES + "]")
    assert (mistake.code, mistake.place.line) == ("too-large", 1)


def test_long_scalars_are_data() -> None:
    long = "word " * 50_000
    assert read_bytes(f"a: {long}\nb: '{long}'\nc: |\n  {long}\n".encode(), "f").data["a"] == long.strip()
    assert mistakes(f"{'k' * 2000}: 1")[0].code == "syntax"  # YAML's own bound on a key


# JSON

DOCUMENT = {
    "archspec": 1,
    "name": "a \"quoted\" / slashed \\ name\t😀 é \u2028 \x7f",
    "params": {"rate": 1e-05, "big": 1e300 / 1e295, "n": -0.0, "flag": True, "list": [1, [2.5, False]]},
    "inputs": {"x": [4]},
    "network": ["relu", {"linear": "n + 3"},
                {"when": {"test": "flag", "then": [{"dropout": "rate"}]}}, "tanh", {"softmax": None}],
}  # fmt: skip


@pytest.mark.parametrize("indent", [None, 2, "\t"])
@pytest.mark.parametrize("separators", [None, (",", ":")])
def test_json_is_read_as_json_means_it(indent: Any, separators: Any) -> None:
    text = json.dumps(DOCUMENT, indent=indent, separators=separators)
    assert read_bytes(text.encode(), "f.json").data == DOCUMENT
    assert read_bytes(text.encode(), "f.json").data == json.loads(text)


def test_json_in_utf8() -> None:
    document = {"a": "é😀 \u2028 \u2029 \x7f \x85 \x9f \ufffe \uffff \ufeff", "ä": ["\u2028 x", "\ud7ff\ue000"]}
    assert read_bytes(json.dumps(document, ensure_ascii=False).encode(), "f.json").data == document


def test_json_escapes() -> None:
    text = r'{"a": "\u00e9\ud83d\ude00\ud83d\ude01\/\b\f\n\r\t\"\\ud83d\\ude00\\\ud83d\ude00"}'
    assert read_bytes(text.encode(), "f.json").data == json.loads(text)
    (mistake,) = mistakes(r'{"a": "\ud83d."}', "f.json")
    assert (mistake.code, mistake.place.line) == ("syntax", 1)


def test_json_and_yaml_are_one_network() -> None:
    document = {**DOCUMENT, "name": "plain"}
    digests = {
        graph_of(json.dumps(document), name="a.json").digest(),
        graph_of(json.dumps(document, indent="\t"), name="b.json").digest(),
        graph_of(json.dumps(document), name="c.yaml").digest(),
        graph_of(to_yaml(document), name="d.yml").digest(),
    }
    assert len(digests) == 1


@pytest.mark.parametrize(("text", "value"), [*SCALARS, ("", ""), ("", " "), ("", "a: b"), ("", "- x"), ("", "#")])
def test_written_data_reads_as_itself(text: str, value: Any) -> None:
    for data in ({"a": value}, {"a": [value, {"b": value}]}, {"a": {str(text): str(value)}}):
        written = to_yaml(data)
        assert read_bytes(written.encode(), "f").data == data, written


def test_what_may_not_stand_raw_is_written_as_an_escape() -> None:
    data = {"a": "x\u2028y", "b": "\x85", "c": "\u2029"}
    assert read_bytes(to_yaml(data).encode(), "f.yaml").data == data


def test_json_has_no_comments() -> None:
    with pytest.raises(SpecError, match=r"JSON has no comments: take YAML, where they start with `#`"):
        read_bytes(b'{\n// why\n"archspec": 1}', "f.json")
    with pytest.raises(SpecError) as caught:
        read_bytes(b'{"source": "https://x"\n"archspec": 1}', "f.json")
    assert "comments" not in str(caught.value)


def test_written_data_has_no_aliases() -> None:
    shared = ["relu"]
    assert to_yaml({"a": shared, "b": shared}) == "a:\n- relu\nb:\n- relu\n"


# Files


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.yaml")
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    (tmp_path / "dangling.yaml").symlink_to(tmp_path / "nothing")
    for path in (
        tmp_path,
        tmp_path / "fifo.yaml",
        Path("/dev/zero"),
        tmp_path / "loop.yaml",
        tmp_path / "dangling.yaml",
    ):
        with pytest.raises(SpecError) as caught:
            read_file(path, "shown.yaml")
        (mistake,) = caught.value.diagnostics
        assert (mistake.code, mistake.place) == ("unreadable", Place("shown.yaml")), path
