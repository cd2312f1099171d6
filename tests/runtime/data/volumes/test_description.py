"""What a folder says of its volumes is read whole, or refused where it stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archspec.errors import InputError
from runtime.data.description import DATA_YAML
from runtime.data.volumes.description import DATASET_JSON, VolumeFacts, read_facts


def read(folder: Path, text: str) -> VolumeFacts:
    (folder / DATA_YAML).write_text(text)
    return read_facts(folder, [DATA_YAML])


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    facts = read(
        tmp_path,
        "classes: {rest: 0, liver: 7}\nignore: [9]\nspacing: [3, 1.5, 1.5]\n"
        "place:\n  train: {width: [0, 0.45]}\n  test: {width: [0.55, 1], depth: [0.1, 0.9]}\n",
    )
    whole = (0.0, 1.0)
    assert facts == VolumeFacts(
        {0: "rest", 7: "liver"},
        (9,),
        (3.0, 1.5, 1.5),
        {"train": (whole, whole, (0.0, 0.45)), "test": ((0.1, 0.9), whole, (0.55, 1.0))},
    )
    assert read(tmp_path, "classes: [a, b]").names == {0: "a", 1: "b"}
    assert read(tmp_path, 'classes: {"5": a, "1": b}').names == {1: "b", 5: "a"}
    assert read_facts(tmp_path, []) == VolumeFacts()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "expected a mapping with classes, ignore, spacing, place"),
        ("klasses: [a, b]", r"data.yaml:1:1: unknown key 'klasses'; did you mean 'classes'"),
        ("ignore: [1]\nclasses: [a]", r"data.yaml:2:10: `classes` are two or more different names"),
        ("classes: [a, a]", "two or more different names"),
        ("classes: {a: 0, b: 0}", "with these numbers, as in {background: 0, liver: 7}"),
        ("classes: 5", "two or more different names"),
        ("classes: {a: 0, b: -1}", "two or more"),
        ("ignore: 255", r"1:9: `ignore` are the numbers"),
        ("spacing: [1, 2]", r"1:10: `spacing` are three positive numbers"),
        ("spacing: [1, 0, 2]", "three positive numbers"),
        ("place: {train: {width: [0, 1]}}", r"1:8: `place` needs train, and test or validation"),
        ("place:", "`place` says for train and test"),
        ("place: {trian: {width: [0, 1]}}", r"1:9: unknown part 'trian'; did you mean 'train'"),
        ("place: {train: {x: [0, 1]}}", r"1:20: unknown axis 'x' .*known: depth, height, width"),
        ("place: {train: {width: [0.5, 0.2]}}", "expected two shares from 0 to 1, the smaller first"),
        ("place: {train: {}}", r"a share along some axes, as in {width: \[0, 0.45\]}"),
        (
            "place:\n  train: {width: [0, 0.5]}\n  test: {width: [0.4, 1]}",
            r"3:9: train and test overlap: what is trained on would be tested on",
        ),
        ("a: [", "data.yaml:"),
    ],
)
def test_what_makes_no_sense(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_places_may_meet(tmp_path: Path) -> None:
    assert len(read(tmp_path, "place: {train: {width: [0, 0.5]}, test: {width: [0.5, 1]}}").places) == 2


@pytest.mark.parametrize(
    ("labels", "facts"),
    [
        ({"0": "background", "1": "edema", "3": "tumour"}, VolumeFacts({0: "background", 1: "edema", 3: "tumour"})),
        ({"background": 0, "tumour": 2, "ignore": 3}, VolumeFacts({0: "background", 2: "tumour"}, (3,))),
        (None, VolumeFacts()),
    ],
)
def test_dataset_json(tmp_path: Path, labels: Any, facts: VolumeFacts) -> None:
    content = {"name": "x", "training": [{"image": "a"}]} | ({"labels": labels} if labels else {})
    (tmp_path / DATASET_JSON).write_text(json.dumps(content))
    assert read_facts(tmp_path, [DATASET_JSON]) == facts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON"),
        ('{"labels": {"0": "a"}}', "names fewer than two classes"),
        ('{"labels": {"background": 0, "whole": [1, 2]}}', r"'whole' is a region of several labels, \[1, 2\]"),
        ('{"labels": {"background": 0, "x": 1.5}}', "'labels' has 'x': 1.5, which is no class"),
    ],
)
def test_a_malformed_dataset_json(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / DATASET_JSON).write_text(text)
    with pytest.raises(InputError, match=message):
        read_facts(tmp_path, [DATASET_JSON])


def test_data_yaml_comes_first(tmp_path: Path) -> None:
    (tmp_path / DATASET_JSON).write_text(json.dumps({"labels": {"background": 0, "a": 1, "ignore": 2}}))
    (tmp_path / DATA_YAML).write_text("spacing: [1, 1, 1]")
    found = read_facts(tmp_path, [DATA_YAML, DATASET_JSON])
    assert (found.names, found.ignored, found.spacing) == ({0: "background", 1: "a"}, (2,), (1.0, 1.0, 1.0))
    (tmp_path / DATA_YAML).write_text("classes: [b, c]")
    assert read_facts(tmp_path, [DATA_YAML, DATASET_JSON]).names == {0: "b", 1: "c"}
