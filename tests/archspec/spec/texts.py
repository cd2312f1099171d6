"""Specs as text, written to a file and read; a `▸` stands before each word at which a mistake should be reported."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from archspec.errors import Diagnostic, Place, SpecError
from archspec.ops import Op
from archspec.spec.body import read_node
from archspec.spec.layers import ErrorNode, SpecNode
from archspec.spec.load import load, read_spec
from archspec.spec.reading import Argument, Reading
from archspec.spec.spec import Spec
from archspec.spec.text import read_bytes
from compiler.elaborate.elaborate import elaborate
from compiler.graph import Graph

MARK = "▸"
HEAD = "archspec: 1\ninputs: {x: [4, 8, 8]}\n"
VECTOR = "archspec: 1\ninputs: {x: [4]}\n"
BASE = """\
archspec: 1
name: base
description: The base.
params: {a: 4, wide: true, list: [1, 2]}
inputs: {x: [4, H, W]}
sizes: {H: 8}
defaults: {conv: {bias: false, kernel: 5}, dropout: {rate: 0.1}}
network:
  - conv: a
  - when: {test: wide, then: [conv: 2 * a]}
  - repeat: {each: {k: list}, body: [conv: k]}
  - dropout
"""
NAMING = (
    HEAD
    + """
blocks:
  gate: {args: {up: value, f: block}, body: [from: up, f]}
network:
  - tap: a
  - repeat: {n: 2, body: [tap: "t{i}", add: [[], [from: "t{i}"]]]}
  - gate: {up: a, f: [from: e.x]}
"""
)
"""A spec whose nodes name values, at any depth."""
LIBRARY = "archspec: 1\nblocks:\n  unit: {args: {width: int}, body: [conv: width, relu]}\n"


def unmarked(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without its marks, and the line and column of each."""
    places = [(i, column) for i, line in enumerate(text.split("\n"), start=1) for column in _columns(line)]
    return text.replace(MARK, ""), places


def _columns(line: str) -> list[int]:
    pieces = line.split(MARK)[:-1]
    return [sum(map(len, pieces[: i + 1])) + 1 for i in range(len(pieces))]


def read_one(text: str) -> tuple[SpecNode | ErrorNode, list[str]]:
    """The node that a text is, where `unit` is a block and `f` a handed body; and the codes of what is wrong."""
    signatures = {"unit": {"width": Argument("int"), "body": Argument("block", "none")}}
    reading = Reading("a.yaml", signatures=dict(signatures), bodies=frozenset({"f"}))
    node = read_node(read_bytes(text.encode(), "a.yaml").data, Place("a.yaml", 1, 1), reading)
    return node, [mistake.code for mistake in reading.mistakes]


def write(folder: Path, text: str | bytes, name: str = "spec.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def graph_of(text: str, *, name: str = "spec.yaml", params: Mapping[str, Any] | None = None, **options: Any) -> Graph:
    with tempfile.TemporaryDirectory() as folder:
        return elaborate(load(write(Path(folder), text, name), params), **options)


def spec_of(text: str, *, name: str = "spec.yaml", params: Mapping[str, Any] | None = None) -> Spec:
    with tempfile.TemporaryDirectory() as folder:
        return load(write(Path(folder), text, name), params)


def mistakes_in(path: str | Path, *, params: Mapping[str, Any] | None = None, **options: Any) -> list[Diagnostic]:
    """Every mistake that reading and elaborating a spec reports; there is at least one."""
    with pytest.raises(SpecError) as caught:
        elaborate(read_spec(path, params), **options)
    assert caught.value.diagnostics
    return list(caught.value.diagnostics)


def mistakes_of(text: str | bytes, *, name: str = "spec.yaml", **options: Any) -> list[Diagnostic]:
    with tempfile.TemporaryDirectory() as folder:
        return mistakes_in(write(Path(folder), text, name), **options)


def places(mistakes: list[Diagnostic]) -> list[tuple[int, int]]:
    return [(mistake.place.line, mistake.place.column) for mistake in mistakes]


def codes(mistakes: list[Diagnostic]) -> list[str]:
    return [mistake.code for mistake in mistakes]


def shapes(graph: Graph) -> dict[str, str]:
    """Every node but the inputs with its shape, `conv_0: 4×8×8`."""
    return {node.id: str(node.shape) for node in graph if node.inputs}


def write_all(folder: Path, files: Mapping[str, str]) -> list[tuple[str, int, int]]:
    """Write the files, and give the places that are marked in them."""
    marks = []
    for name, text in files.items():
        plain, found = unmarked(text)
        path = write(folder, plain, name)
        marks += [(str(path), *place) for place in found]
    return marks


def check(folder: Path, files: Mapping[str, str], code: str, message: str) -> None:
    """The first of the files has one mistake, at the mark."""
    marks = write_all(folder, files)
    (mistake,) = mistakes_in(folder / next(iter(files)))
    assert mistake.code == code, mistake
    assert message in mistake.message
    assert [(mistake.place.file, mistake.place.line, mistake.place.column)] == marks, mistake


BLOCKS = "network: [repeat: {n: 4, body: [residual: {body: [conv: 4, norm, relu, conv: 4, norm]}]}]\n"


def ops_of(graph: Graph) -> dict[str, Op]:
    """The operations of a graph by id, without its inputs."""
    return {node.id: node.op for node in graph if node.inputs}


def build_ops(defaults: str, network: str = "network: [conv: 4, norm, relu]\n") -> dict[str, Op]:
    """The operations of a network with these `defaults`, written as in a spec."""
    return ops_of(graph_of(f"{HEAD}defaults: {defaults}\n{network}"))
