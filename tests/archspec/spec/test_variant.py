"""Variants that are written: they load as their base with other values, or are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.api import elaborate, load
from archspec.errors import ArchspecError
from archspec.spec.variant import write_variant
from archspec.spec.zoo import zoo_specs


def test_a_variant_of_a_zoo_spec(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    write_variant(path, "resnet50", {"classes": 10, "depths": [3, 4, 23, 3]}, {"H": 64})
    spec = load(path)
    assert (spec.name, dict(spec.params), spec.sizes["H"]) == ("mine", {"classes": 10, "depths": [3, 4, 23, 3]}, 64)
    same = elaborate(load("resnet101", {"classes": 10}), {"H": 64})
    assert elaborate(spec).digest() == same.digest()


def test_a_variant_of_a_file_in_a_folder_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tmp_path / "inner" / "base.yaml"
    base.parent.mkdir()
    base.write_bytes(zoo_specs()["residual_mlp"].read_bytes())
    write_variant(tmp_path / "wide.yaml", base, {"width": 144}, {})
    assert load(tmp_path / "wide.yaml").params["width"] == 144
    monkeypatch.chdir(base.parent)
    write_variant("wide.yaml", "base.yaml", {"width": 145}, {})
    assert load("wide.yaml").params["width"] == 145


def test_a_variant_may_have_its_base_s_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the base is the zoo's."""
    monkeypatch.chdir(tmp_path)
    write_variant("resnet18.yaml", "resnet18", {"classes": 5}, {})
    assert load("resnet18.yaml").params["classes"] == 5


def test_what_cannot_extend_its_base_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = tmp_path / "inner" / "base.yaml"
    base.parent.mkdir()
    base.write_bytes(zoo_specs()["residual_mlp"].read_bytes())
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnet50.yaml").write_bytes(base.read_bytes())  # stands for the zoo's, beside it
    for path, meant in (
        ("other/wide.yaml", base),  # not in its folder or below
        ("inner/base.yaml", base),  # the base itself
        ("deeper.yaml", zoo_specs()["resnet50"]),  # a file of the zoo, but not by its name
    ):
        before = base.read_bytes()
        with pytest.raises(ArchspecError, match="give it another name than its base, in the folder of its base"):
            write_variant(path, meant, {"width": 8}, {})
        assert base.read_bytes() == before
    with pytest.raises(ArchspecError, match=r"should end in \.yaml"):
        write_variant("wide.json", "residual_mlp", {}, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["inner", "other", "resnet50.yaml"]
