"""A network as written, in one piece: its names, and itself as plain data."""

from __future__ import annotations

import json

from tests.archspec.spec.texts import BASE, graph_of, spec_of


def test_names_are_those_of_params_and_let() -> None:
    spec = spec_of(BASE + "let: {twice: 2 * a}\n", params={"a": 5})
    assert dict(spec.names) == {"a": 5, "wide": True, "list": [1, 2], "twice": 10}


def test_plain_data_are_the_same_network() -> None:
    spec = spec_of(BASE + "let: {twice: 2 * a}\n", params={"a": 5})
    data = spec.to_data()
    assert data["params"] == {"a": 5, "wide": True, "list": [1, 2]}
    text = json.dumps(data)
    assert graph_of(text, sizes={"W": 8}).digest() == graph_of(BASE, params={"a": 5}, sizes={"W": 8}).digest()
