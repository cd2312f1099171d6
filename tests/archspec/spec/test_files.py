"""Where specs and their parts come from: the zoo, variants, and what is refused on the way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from archspec.errors import Place, SpecError
from archspec.spec.load import Spec, load, parse_value, read_spec
from archspec.spec.text import to_yaml
from archspec.spec.zoo import ZOO, find_spec, zoo_specs
from compiler.elaborate.elaborate import elaborate
from tests.archspec.spec.texts import HEAD, LIBRARY, check, codes, mistakes_in, shapes, write

# Variants

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
        ("▸inputs: {x: [1]}", "bad-variant", "`inputs` comes from base"),
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


# Parameters and sizes from the caller


def test_caller_sets_params_and_sizes(tmp_path: Path) -> None:
    spec = load(write(tmp_path, BASE), {"a": 2, "wide": False, "list": [7]})
    graph = elaborate(spec, {"W": 6, "H": 5})
    assert graph.sizes == {"H": 5, "W": 6}
    assert list(shapes(graph).values()) == ["2×5×6", "7×5×6", "7×5×6"]


@pytest.mark.parametrize(
    ("params", "sizes", "expected"),
    [
        ({"b": 1}, {"W": 8}, [("unknown-param", "param b", "there is a, wide, list")]),
        ({"a": True}, {"W": 8}, [("bad-param", "param a", "should be a number, found a boolean")]),
        ({"a": "many"}, {"W": 8}, [("bad-param", "param a", "`a` should be a number up to")]),
        ({"a": float("nan")}, {"W": 8}, [("bad-param", "param a", "`a` should be a number up to")]),
        ({"a": 1e300}, {"W": 8}, [("bad-param", "param a", "`a` should be a number up to")]),
        ({"list": [[["x"]]]}, {"W": 8}, [("bad-param", "param list", "found a list with 'x', which is not computed")]),
        ({}, {"W": 8, "Q": 1}, [("unknown-size", "size Q", "no dynamic size 'Q'; there is H, W")]),
        ({}, {"W": 0}, [("bad-size", "size W", "from 1, found 0")]),
        ({}, {"W": 2**31}, [("bad-size", "size W", "found 2147483648")]),
        ({}, {"W": 2.5}, [("bad-size", "size W", "found 2.5")]),
        ({}, {"W": True}, [("bad-size", "size W", "found True")]),
        ({"a": 2.5}, {"W": 8}, [("bad-value", "spec.yaml", "`out` of conv should be a whole number, found 2.5")]),
        (
            {"a": [1], "b": 1},
            {"Q": 1},
            [("bad-param", "param a", ""), ("unknown-param", "param b", ""),
             ("unknown-size", "size Q", ""), ("missing-size", "spec.yaml", "")],
        ),
    ],
)  # fmt: skip
def test_what_a_caller_may_not_set(
    tmp_path: Path, params: dict[str, Any], sizes: dict[str, Any], expected: list[tuple[str, str, str]]
) -> None:
    found = mistakes_in(write(tmp_path, BASE), params=params, sizes=sizes)
    found.sort(key=lambda mistake: mistake.place.file.startswith(str(tmp_path)))
    assert codes(found) == [code for code, _, _ in expected]
    for mistake, (_, origin, message) in zip(found, expected, strict=True):
        assert origin in mistake.place.file
        assert message in mistake.message


def test_caller_cannot_change_the_spec_it_holds(tmp_path: Path) -> None:
    spec = load(write(tmp_path, BASE), {"a": 2})
    with pytest.raises(TypeError):
        spec.params["a"] = 3  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10),
        ("010", 10),
        ("1e-3", 1e-3),
        ("true", True),
        ("[1, [2]]", [1, [2]]),
        ("on", "on"),
        ("{a: 1}", {"a": 1}),
    ],
)
def test_values_on_the_command_line_are_read_as_in_a_spec(text: str, value: Any) -> None:
    assert parse_value(text, "--set a") == value


@pytest.mark.parametrize("text", ["", "[1", "\udcff", ".nan", "!!int 3", "\x00"])
def test_bad_values_on_the_command_line(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_value(text, "--set a")
    assert caught.value.diagnostics[0].place.file == "--set a"


# Finding a spec


def test_a_folder_hides_no_spec_of_the_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run's folder often has the name of its spec; a file of that name does hide it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnet50").mkdir()
    assert find_spec("resnet50") == ZOO / "resnet" / "resnet50.yaml"
    (tmp_path / "resnet18").write_text("archspec: 1\n")
    assert find_spec("resnet18") == Path("resnet18")


def test_zoo_is_found_by_name() -> None:
    assert {"resnet50", "residual_mlp", "unet"} <= set(zoo_specs())
    assert "resnet" not in zoo_specs()  # a library
    assert find_spec("resnet50") == ZOO / "resnet" / "resnet50.yaml"


@pytest.mark.parametrize(
    ("source", "code", "message"),
    [
        ("resnt50", "unknown-spec", "did you mean 'resnet50'?"),
        ("zzzzzzz", "unknown-spec", "`archspec list` shows the zoo"),
        ("nowhere.yaml", "unreadable", "No such file"),
        ("no/where", "unreadable", "No such file"),
        ("", "unreadable", "directory"),
        (".", "unreadable", "this is a directory, not a spec"),
        ("a\0b", "unreadable", "a path holds no NUL"),
        ("n" * 5000, "unreadable", "File name too long"),
        ("n" * 5000 + ".yaml", "unreadable", "File name too long"),
        ("/dev/null", "unreadable", "not a regular file"),
        ("/dev/zero", "unreadable", "not a regular file"),
        ("/etc/passwd/spec.yaml", "unreadable", "Not a directory"),
    ],
)
def test_what_is_no_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, code: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError) as caught:
        read_spec(source)
    (mistake,) = caught.value.diagnostics
    assert (mistake.code, mistake.place.line) == (code, 0)
    assert ":0" not in str(mistake)
    assert message in mistake.message


def test_what_is_no_plain_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.yaml")
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "folder.yaml").mkdir()
    for name in ("fifo.yaml", "loop.yaml", "zero.yaml", "folder.yaml"):
        with pytest.raises(SpecError) as caught:
            read_spec(tmp_path / name)
        assert codes(list(caught.value.diagnostics)) == ["unreadable"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_file_without_the_right_to_read_it(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "network: []\n")
    path.chmod(0)
    with pytest.raises(SpecError, match="Permission denied"):
        read_spec(path)


def test_link_to_a_spec_is_a_spec(tmp_path: Path) -> None:
    write(tmp_path, LIBRARY, "real/lib.yaml")
    write(tmp_path, HEAD + "import: [lib]\nnetwork: [unit: {width: 1}]\n", "real/spec.yaml")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "real" / "spec.yaml")
    assert len(elaborate(load(tmp_path / "link.yaml"))) == 3


@pytest.mark.parametrize("text", ["[]\n", "relu\n", "5\n", "- archspec: 1\n"])
def test_document_that_is_no_mapping(tmp_path: Path, text: str) -> None:
    (mistake,) = mistakes_in(write(tmp_path, text))
    assert (mistake.code, mistake.place.line, mistake.place.column) == ("wrong-type", 1, 1)
    assert "starts with `archspec: 1`" in mistake.message


def test_file_in_the_working_folder_is_shown_by_its_short_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, HEAD + "network: [rellu]\n", "deep/spec.yaml")
    monkeypatch.chdir(tmp_path)
    assert str(mistakes_in(path)[0]).startswith("deep/spec.yaml:3:11: error[unknown-node]")
    assert str(mistakes_in("deep/spec.yaml")[0].place) == "deep/spec.yaml:3:11"


# One piece


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
