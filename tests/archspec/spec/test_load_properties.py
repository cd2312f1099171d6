"""What holds of every document: valid ones compile to one network however they are written, others end in messages."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.errors import Diagnostic, SpecError
from archspec.file_types import HEAD, tell_file_type
from archspec.spec.load import load, read_spec
from archspec.spec.marked import Marked
from archspec.spec.spec import Spec
from archspec.spec.text import read_bytes, to_yaml
from compiler.elaborate.elaborate import elaborate
from compiler.graph_check import verify
from tests.support.damage import JUNK, broken
from tests.support.strategies import MODERATE, Document, as_json, specs


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def read(folder: Path, name: str, text: str) -> Spec:
    path = folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return load(path)


@settings(MODERATE, max_examples=120)
@given(specs())
def test_valid_document_is_one_network_in_every_spelling(folder: Path, document: Document) -> None:
    spec = read(folder, "spec.yaml", to_yaml(document))
    graph = elaborate(spec)
    assert verify(graph) is graph
    spellings = {
        "a.json": as_json(document),
        "b.json": as_json(document, indent="\t", ascii_only=False),
        "c.yml": as_json(document, indent=1, ascii_only=False),
        "d.yaml": "\ufeff" + to_yaml(document).replace("\n", "\r\n"),
        "e.yaml": to_yaml(spec.to_data()),
        "f.json": as_json(spec.to_data()),
    }
    for name, text in spellings.items():
        again = elaborate(read(folder, name, text))
        assert again.digest() == graph.digest(), name
        assert list(again.weights) == list(graph.weights)


@settings(MODERATE, max_examples=60)
@given(specs())
def test_same_sizes_are_the_same_graph(folder: Path, document: Document) -> None:
    spec = read(folder, "spec.yaml", to_yaml(document))
    graph = elaborate(spec)
    assert graph.infer({}) == {node.id: node.shape for node in graph}
    assert graph.resize(graph.sizes).digest() == graph.digest()
    assert elaborate(spec, graph.sizes).digest() == graph.digest()


@settings(MODERATE, max_examples=60)
@given(specs())
def test_data_of_a_spec_is_stable(folder: Path, document: Document) -> None:
    data = read(folder, "spec.yaml", to_yaml(document)).to_data()
    assert {key: value for key, value in data.items() if key != "name"} == {
        key: value for key, value in document.items() if key != "name" and value not in ("", {})
    }
    assert read(folder, "spec.yaml", to_yaml(data)).to_data() == data


ODD = re.compile(r"[\x7f-\x9f\u2028\u2029\ufffe\uffff]|\\u[dD]")
"""What JSON may hold and YAML may not is escaped before YAML's parser sees it; columns after it count the escapes."""
LINE_ENDS = re.compile(r"\r\n|[\n\r]")


def check_messages(found: tuple[Diagnostic, ...]) -> None:
    assert found
    for mistake in found:
        assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", mistake.code)
        assert mistake.message
        assert mistake.message.isprintable()
        assert str(mistake).startswith(f"{mistake.place}: error[{mistake.code}]: ")


def check_mistakes(found: tuple[Diagnostic, ...], name: str, raw: bytes) -> None:
    """There are some, each with a message and a place inside the text, if it is one: random bytes may be those that a
    picture begins with."""
    check_messages(found)
    lines = LINE_ENDS.split(raw.decode("utf-8-sig", "surrogateescape"))
    for mistake in found:
        assert Path(mistake.place.file).name == name
        if tell_file_type(raw[:HEAD]):
            continue
        assert 1 <= mistake.place.line <= len(lines), mistake
        assert mistake.place.column >= 1
        if not (name.endswith(".json") and ODD.search(raw.decode("utf-8", "replace"))):
            assert mistake.place.column <= len(lines[mistake.place.line - 1]) + 1, mistake


@settings(MODERATE, max_examples=250)
@given(broken())
def test_broken_document_ends_in_messages_with_places(folder: Path, file: tuple[str, bytes]) -> None:
    name, raw = file
    path = folder / name
    path.write_bytes(raw)
    try:
        verify(elaborate(read_spec(path)))
    except SpecError as error:
        check_mistakes(error.diagnostics, name, raw)


PIECES = [
    *("archspec: 1\n", "inputs: {x: [3, H, W]}\n", "network:\n", "  - conv: 4\n", "- relu\n", "a: &a [x]\n", "*a"),
    *("[", "]", "{", "}", ",", ": ", "- ", "? ", "\n", "\r\n", "\t", " ", "  ", "#", "|\n", ">-\n", "---\n", "...\n"),
    *("%YAML 1.2\n", "!!python/object:os.system", "!", "!!str", "'", '"', "\\", "\\x", "\\ud83d", "\\u00e9", "é", "😀"),
    *("\u2028", "\x85", "\ufeff", ".inf", ".nan", "~", "0o7", "1e5", "010", "on", "true", "null", "&a", "*b", "<<: *a"),
    *("@", "`", "\0", "\x1b"),
]


@settings(MODERATE, max_examples=300)
@given(
    st.binary(max_size=60)
    | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.lists(st.sampled_from(PIECES), max_size=25).map(lambda pieces: "".join(pieces).encode()),
    st.sampled_from(["f.yaml", "f.json"]),
)
def test_any_bytes_are_data_or_end_in_messages(raw: bytes, name: str) -> None:
    try:
        marked = read_bytes(raw, name)
    except SpecError as error:
        check_mistakes(error.diagnostics, name, raw)
    else:
        assert isinstance(marked, Marked)
        if marked.mistakes:
            check_mistakes(marked.mistakes, name, raw)
        elif isinstance(marked.data, dict | list):
            assert read_bytes(to_yaml(plain(marked.data)).encode(), "again").data == marked.data


def plain(data: object) -> object:
    if isinstance(data, dict):
        return {key: plain(value) for key, value in data.items()}
    return [plain(item) for item in data] if isinstance(data, list) else data


@settings(MODERATE, max_examples=60)
@given(specs(), st.sampled_from(["a", "width", "table", "on", "nothing"]), st.sampled_from(JUNK))
def test_any_param_of_a_caller_is_taken_or_ends_in_messages(
    folder: Path, document: Document, name: str, value: object
) -> None:
    path = folder / "spec.yaml"
    path.write_text(to_yaml(document), encoding="utf-8")
    try:
        verify(elaborate(load(path, {name: value})))
    except SpecError as error:
        check_messages(error.diagnostics)
