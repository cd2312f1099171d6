"""Inputs with the type of their numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.api import elaborate, load
from archspec.errors import SpecError
from archspec.spec.inputs import is_size
from tests.support.documents import graph_from

EMBEDDED = {"archspec": 1, "sizes": {"L": 6}, "network": [{"embedding": {"rows": 9, "out": 4}}, {"conv": 2}]}


def test_a_list_is_of_any_numbers_and_a_mapping_says_which() -> None:
    graph = graph_from({**EMBEDDED, "inputs": {"ids": {"shape": [1, "L"], "type": "int"}}})
    assert graph.inputs["ids"].holds_integers
    assert graph.rows == {"ids": 9}
    plain = graph_from({"archspec": 1, "inputs": {"x": {"shape": [1, 6]}}, "network": ["relu"]})
    listed = graph_from({"archspec": 1, "inputs": {"x": [1, 6]}, "network": ["relu"]})
    assert plain.digest() == listed.digest()
    assert not plain.rows


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("{shape: [1, L], type: long}", (2, 37), "should be 'float' or 'int', found 'long'"),
        ("{shape: [1, L], dtype: int}", (2, 31), "unknown field 'inputs.ids.dtype'"),
        ("{shape: 5}", (2, 23), "should be a list of one to four entries"),
        ("{shape: [L, 1], type: int}", (2, 23), "should begin with the number of channels"),
        ("{shape: [q, L], type: int}", (2, 24), "unknown name 'q'"),
        ("{shape: [1, W], type: int}", (2, 27), "the size W of the input 'ids' has no value"),
        ("{type: int}", (2, 15), "needs `inputs.ids.shape`"),
        ("[]", (2, 15), "should be a list of one to four entries"),
    ],
)
def test_mistakes_in_an_input_are_located(text: str, where: tuple[int, int], message: str, tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(
        f"archspec: 1\ninputs: {{ids: {text}}}\nsizes: {{L: 6}}\nnetwork: [embedding: {{rows: 9, out: 4}}]\n"
    )
    with pytest.raises(SpecError) as caught:
        elaborate(load(path))
    found = caught.value.diagnostics[0]
    assert message in found.message
    assert (found.place.line, found.place.column) == where


def test_a_capital_letter_is_a_size() -> None:
    assert [is_size(entry) for entry in ("L", "l", "LL", 1, None)] == [True, False, False, False, False]
