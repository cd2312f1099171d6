"""What `data.yaml` says, and what is told, with file, line and column, where that makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archspec.errors import InputError
from archspec.spec.text import to_yaml
from runtime.data.description import DataDescription, read_description
from runtime.data.listing import list_data
from runtime.data.mask_values import COLOUR
from runtime.data.opening import open_source
from tests.support.folders import write_class_folders

RED = COLOUR | 0xFF0000


def describe(folder: Path, text: str) -> DataDescription:
    for name in ("pictures/a.png", "truth/a.png", "pairs.csv", "annotations/one.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")
    (folder / "data.yaml").write_text(text, encoding="utf-8")
    return read_description(list_data(folder))


def test_nothing_said_is_nothing(tmp_path: Path) -> None:
    assert read_description(list_data(tmp_path)) == DataDescription()


def test_all_that_can_be_said(tmp_path: Path) -> None:
    text = """
classes: {background: 0, '#ff0000': vessel, lumen: 7}
ignore: [255, '#ffffff']
images: pictures
masks: ./truth/
table: pairs.csv
annotations: annotations/one.json
joints: [nose, left, right]
flip_idx: [0, 2, 1]
crop: box
"""
    found = describe(tmp_path, text)
    assert found == DataDescription(
        classes={0: "background", RED: "vessel", 7: "lumen"},
        ignored=(255, 255),
        images="pictures",
        masks="truth",
        table="pairs.csv",
        annotations=("annotations/one.json",),
        joints=("nose", "left", "right"),
        flip_idx=(0, 2, 1),
        crop="box",
    )
    assert describe(tmp_path, "classes: [a, b]\nignore: 2\n").name_classes() == ("a", "b")
    assert describe(tmp_path, "classes: {b: 1, a: 0}\n").name_classes() == ("a", "b")


def test_numbers_of_classes_that_no_mask_stores_are_those_from_0_on(tmp_path: Path) -> None:
    for text in ("classes: {a: 0, b: 5}", "classes: {a: 1, b: 2}", "classes: {a: 0, b: '#ff0000'}"):
        with pytest.raises(InputError, match=r"data\.yaml:1:1: `classes` have the numbers .* from 0 to 1;"):
            describe(tmp_path, text).name_classes()


def test_keys_that_say_nothing_of_what_is_read_are_refused(tmp_path: Path) -> None:
    """Whatever layout a folder has: a key that it does not read would be passed over in silence."""
    write_class_folders(tmp_path, {"a": 3, "b": 3})
    for text, told in (
        ("classes: [a, b]\njoints: [nose]", r"data\.yaml:2:1: `joints` says nothing of class folders"),
        ("ignore: 255", r"data\.yaml:1:1: `ignore` says nothing of class folders, .*; `classes` would"),
    ):
        (tmp_path / "data.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=told):
            open_source(tmp_path)
    (tmp_path / "data.yaml").write_text("classes: [b, a]", encoding="utf-8")
    assert open_source(tmp_path).classes == ("b", "a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("klasses: [a]", r"data\.yaml:1:1: unknown key 'klasses'; did you mean 'classes'\? \(known: classes, ignore, "),
        ("[a]", "data.yaml: expected a mapping with classes, ignore"),
        ("a: [", r"data\.yaml:.*"),
        ("crop: box\nclasses: a", r"data\.yaml:2:10: `classes` are names in the order of their numbers"),
        ("classes: []", r"data\.yaml:1:10: `classes` are names"),
        ("classes: [a, 1]", r"data\.yaml:1:10: `classes` are names"),
        ("classes: [a, a]", r"data\.yaml:1:10: `classes` has a name twice"),
        ("classes: {a: 0, '0': b}", r"data\.yaml:1:10: `classes` has a value twice"),
        ("classes: {'0': 1}", r"data\.yaml:1:10: `classes` are names"),
        (
            "classes: {a: red}",
            r"data\.yaml:1:14: a value of a mask is a number up to 65535, or a colour .* found 'red'",
        ),
        ("classes: {a: 70000}", r"data\.yaml:1:14: a value of a mask is a number up to 65535"),
        ("classes: {0: a}", r"data\.yaml:1:11: .*a key should be a name"),
        ("ignore: [x]", r"data\.yaml:1:\d+: a value of a mask is"),
        ("masks: trth", r"data\.yaml:1:8: there is no folder 'trth' in .*; did you mean 'truth'\?"),
        ("masks: ../elsewhere", r"data\.yaml:1:8: there is no folder '\.\./elsewhere' in"),
        ("table: 3", r"data\.yaml:1:8: there is no file 3 in"),
        ("annotations: [annotations/two.json]", r"data\.yaml:1:14: there is no file 'annotations/two\.json' in"),
        ("joints: [a, a]", r"data\.yaml:1:9: `joints` are different names"),
        ("flip_idx: [1, 2, 0]", r"data\.yaml:1:11: `flip_idx` has for each joint the number of the one"),
        ("flip_idx: [0, 5]", r"data\.yaml:1:11: `flip_idx` has for each joint"),
        ("joints: [a, b]\nflip_idx: [0]", r"data\.yaml:2:11: there are 2 joints, and 1 numbers"),
        ("classes: [a, b]\nignore: [1, 9]", r"data\.yaml:2:9: `classes` name 1, which `ignore` leaves out: keep one"),
        ("classes: {a: 0, b: 7}\nignore: 7", r"data\.yaml:2:9: `classes` name 7, which"),
        ("classes: [a, b]\nclasses: [b, a]", r"data\.yaml:2:1: error\[duplicate-key\]"),
        ("", r"data\.yaml:1:1: error\[empty\]: the document is empty; a description of data"),
        ("crop: round", r"data\.yaml:1:7: `crop` is one of auto, box, none, found 'round'"),
    ],
)
def test_what_makes_no_sense(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        describe(tmp_path, text)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 70000) | st.text(max_size=4) | st.sampled_from(["#ff0000", "truth"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["classes", "ignore", "masks", "table", "joints", "flip_idx", "crop"]), PLAIN))
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_anything_else_is_an_error_of_the_input(tmp_path: Path, data: dict[str, object]) -> None:
    try:
        describe(tmp_path, to_yaml(data))
    except InputError as error:
        said = str(error)
        assert "data.yaml" in said
