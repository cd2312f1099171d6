"""From text to a spec: what a caller may set, and a spec in one piece."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.spec.load import load
from archspec.spec.text import to_yaml
from archspec.spec.zoo import zoo_specs
from compiler.elaborate.elaborate import elaborate
from tests.archspec.spec.texts import BASE, LIBRARY, shapes, write


def test_caller_sets_params_and_sizes(tmp_path: Path) -> None:
    spec = load(write(tmp_path, BASE), {"a": 2, "wide": False, "list": [7]})
    graph = elaborate(spec, {"W": 6, "H": 5})
    assert graph.sizes == {"H": 5, "W": 6}
    assert list(shapes(graph).values()) == ["2×5×6", "7×5×6", "7×5×6"]


def test_caller_cannot_change_the_spec_it_holds(tmp_path: Path) -> None:
    spec = load(write(tmp_path, BASE), {"a": 2})
    with pytest.raises(TypeError):
        spec.params["a"] = 3  # type: ignore[index]


def test_whole_spec_as_data_is_the_same_network(tmp_path: Path) -> None:
    write(tmp_path, LIBRARY, "lib.yaml")
    write(tmp_path, BASE.replace("network:", "import: [lib]\nnetwork:\n  - unit: {width: a}"), "base.yaml")
    text = "archspec: 1\nextends: base\ndescription: '1e5'\nparams: {a: 6}\ndefaults: {conv: {init: torch}}\n"
    spec = load(write(tmp_path, text), {"list": [2]})
    data = spec.to_data()
    assert "extends" not in data
    assert "import" not in data
    assert data["params"] == {"a": 6, "wide": True, "list": [2]}
    whole = load(write(tmp_path / "elsewhere", to_yaml(data)))
    assert whole.to_data() == data
    assert whole.name == spec.name
    assert elaborate(whole, {"W": 8}).digest() == elaborate(spec, {"W": 8}).digest()


@pytest.mark.parametrize("name", sorted(zoo_specs()))
def test_every_spec_of_the_zoo_fits_in_one_piece(tmp_path: Path, name: str) -> None:
    spec = load(name)
    whole = load(write(tmp_path, to_yaml(spec.to_data())))
    assert elaborate(whole).digest() == elaborate(spec).digest()
