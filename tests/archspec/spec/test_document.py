"""Documents: variants that replace parts of their base, and what a document may be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archspec.errors import Place, SpecError
from archspec.spec.load import load
from archspec.spec.spec import Spec
from compiler.elaborate.elaborate import elaborate
from tests.archspec.spec.texts import BASE, HEAD, LIBRARY, check, mistakes_in, shapes, write


def variant(folder: Path, text: str, **options: Any) -> Spec:
    write(folder, BASE, "base.yaml")
    return load(write(folder, "archspec: 1\nextends: base\n" + text, "variant.yaml"), **options)


def test_variant_replaces_key_by_key_and_field_by_field(tmp_path: Path) -> None:
    spec = variant(
        tmp_path,
        "name: other\nparams: {a: 6, list: [3]}\nsizes: {W: 9}\n"
        "defaults: {conv: {kernel: 3, groups: 2}, linear: {bias: false}}\n",
    )
    assert (spec.name, spec.description) == ("other", "The base.")
    assert spec.params == {"a": 6, "wide": True, "list": [3]}
    assert spec.sizes == {"H": 8, "W": 9}
    conv = {"bias": False, "kernel": 3, "groups": 2}
    assert spec.defaults == {"conv": conv, "dropout": {"rate": 0.1}, "linear": {"bias": False}}
    with pytest.raises(SpecError, match="groups: 2 does not divide"):
        elaborate(spec)
    graph = elaborate(variant(tmp_path, "params: {a: 6, list: [3]}\nsizes: {W: 9}\n"))
    assert list(shapes(graph).values()) == ["6×8×9", "12×8×9", "3×8×9", "3×8×9"]
    assert graph["conv_0"].op.model_dump()["kernel"] == 5


def test_variant_of_a_variant(tmp_path: Path) -> None:
    variant(tmp_path, "params: {a: 6}\nsizes: {W: 9}\n")
    spec = load(write(tmp_path, "archspec: 1\nextends: variant\nparams: {wide: false}\n", "third.yaml"), {"list": []})
    assert spec.name == "third"
    assert spec.params == {"a": 6, "wide": False, "list": []}
    assert list(shapes(elaborate(spec)).values()) == ["6×8×9", "6×8×9"]


def test_variant_keeps_the_blocks_of_its_base(tmp_path: Path) -> None:
    write(tmp_path, LIBRARY, "lib.yaml")
    write(tmp_path, HEAD + "params: {w: 3}\nimport: [lib]\nnetwork: [unit: {width: w}]\n", "base.yaml")
    spec = load(write(tmp_path, "archspec: 1\nextends: base\nparams: {w: 5}\n"))
    assert shapes(elaborate(spec))["unit_0.conv_0"] == "5×8×8"


def test_variant_of_the_zoo(tmp_path: Path) -> None:
    spec = load(write(tmp_path, "archspec: 1\nextends: resnet50\nparams: {depths: [1, 1, 1, 1]}\n"))
    assert len(elaborate(spec)) < len(elaborate(load("resnet50")))


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("▸let: {b: 1}", "bad-variant", "`let` comes from base"),
        ("▸network: [relu]", "bad-variant", "`network` comes from base"),
        ("▸blocks: {}", "bad-variant", "`blocks` comes from base"),
        ("▸import: []", "bad-variant", "`import` comes from base"),
        ("params: {▸b: 1}", "unknown-param", "the spec has no `b` in params; there is a, wide, list"),
        ("params: {▸wild: true}", "unknown-param", "did you mean 'wide'?"),
        ("params: {a: ▸true}", "bad-param", "`a` should be a number, found a boolean"),
        ("params: {wide: ▸1}", "bad-param", "`wide` should be a boolean, found a number"),
        ("params: {list: ▸1}", "bad-param", "`list` should be a list, found a number"),
        ("sizes: {▸Z: 1}", "unknown-size", "the spec has no `Z` in sizes"),
        ("defaults: {conv: ▸3}", "wrong-type", "should be a mapping of fields"),
        ("▸depths: {}", "unknown-field", "unknown field 'depths'"),
    ],
)
def test_what_a_variant_may_not_have(tmp_path: Path, text: str, code: str, message: str) -> None:
    base = BASE.replace("{H: 8}", "{H: 8, W: 8}")
    check(tmp_path, {"v.yaml": f"archspec: 1\nextends: base\n{text}\n", "base.yaml": base}, code, message)


def test_size_that_is_missing_in_a_variant_is_told_at_the_input(tmp_path: Path) -> None:
    write(tmp_path, BASE, "base.yaml")
    (mistake,) = mistakes_in(write(tmp_path, "archspec: 1\nextends: base\n"))
    assert (mistake.code, mistake.place) == ("missing-size", Place(str(tmp_path / "base.yaml"), 5, 20))


@pytest.mark.parametrize("text", ["[]\n", "relu\n", "5\n", "- archspec: 1\n"])
def test_document_that_is_no_mapping(tmp_path: Path, text: str) -> None:
    (mistake,) = mistakes_in(write(tmp_path, text))
    assert (mistake.code, mistake.place.line, mistake.place.column) == ("wrong-type", 1, 1)
    assert "starts with `archspec: 1`" in mistake.message
