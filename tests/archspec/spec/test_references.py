"""References to values: what the nodes of a body read by name, at any depth."""

from __future__ import annotations

from archspec.spec.references import list_references
from tests.archspec.spec.texts import HEAD, NAMING, spec_of


def test_taps_are_read_by_from_and_by_arguments_and_not_by_tap() -> None:
    spec = spec_of(NAMING)
    assert sorted(label.text for label in list_references(spec.network)) == ["a", "e.x", "t{i}"]


def test_labels_of_weights_are_no_references_and_operands_of_extensions_are() -> None:
    spec = spec_of(HEAD + "network: [conv: {out: 4, share: w}, ext: {use: e, with: [a, b]}]\n")
    assert [label.text for label in list_references(spec.network)] == ["a", "b"]
