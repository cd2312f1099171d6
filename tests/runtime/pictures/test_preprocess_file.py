"""Preprocessing that users write is read whole, or refused with its place."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from archspec.errors import ArchspecError
from runtime.pictures.preprocess import Preprocess
from runtime.pictures.preprocess_file import read_preprocess_file

TEXT = """\
# how our microscope's pictures are read
channels: 1
size: [64, 96]
mean: [0.5]
std: [0.25]
resize: letterbox
fill: [0]
"""
WANTED = Preprocess(1, (64, 96), (0.5,), (0.25,), resize="letterbox", fill=(0.0,))


def write(folder: Path, text: str, name: str = "p.yaml") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_yaml_and_json_say_the_same(tmp_path: Path) -> None:
    assert read_preprocess_file(write(tmp_path, TEXT)) == WANTED
    assert read_preprocess_file(write(tmp_path, WANTED.to_json(), "p.json")) == WANTED


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("mean: [0.5]", "mean: [0.5, 0.5]", r"p\.yaml:4:7: error\[bad-preprocessing\].*'mean' needs 1 values, found 2"),
        ("mean: [0.5]", "mean: 0.5", r"p\.yaml:4:7: .*'mean' must be a list"),
        ("mean: [0.5]", "mean: [.nan]", r"p\.yaml:4:8: .*\.nan is not a finite number"),
        ("mean: [0.5]", "mean: [1e999]", r"p\.yaml:4:8: .*1e999"),
        ("std: [0.25]", "std: [0]", r"p\.yaml:5:6: .*'std' must be positive"),
        ("std: [0.25]", "sdt: [0]", r"p\.yaml:5:1: .*unknown key 'sdt'; did you mean 'std'"),
        ("std: [0.25]", "mean: [0.5]", r"p\.yaml:5:1: .*"),
        ("std: [0.25]\n", "", r"p\.yaml:2:1: .*lacks the key 'std'"),
        ("[64, 96]", "[64, 1e9]", r"p\.yaml:3:7: .*'(height|width)' must be an integer"),
        ("[64, 96]", "[64, 999999999]", r"p\.yaml:.*must be between 1 and 32768"),
        ("[64, 96]", "[30000, 30000]", r"p\.yaml:.*has more than 67,108,864 numbers"),
        ("[64, 96]", "64", r"p\.yaml:3:7: .*'size' must be a list"),
        ("letterbox", "leterbox", r"p\.yaml:6:9: .*'resize' is no 'leterbox'; did you mean 'letterbox'"),
        ("fill: [0]", "fill: [2]", r"p\.yaml:7:7: .*'fill' must lie in"),
        ("channels: 1", "channels: [", r"p\.yaml:\d+:\d+: error"),
        (TEXT, "", r"p\.yaml:1:1: .*the document is empty; a file of preprocessing is wanted"),
        (TEXT, "- 1\n", r"p\.yaml:1:1: .*must be a JSON object, found"),
        (TEXT, "imagenet", r"p\.yaml:1:1: .*must be a JSON object, found"),
        (TEXT, "a: &a [1]\nb: *a\n", r"p\.yaml:.*(unknown key|lacks)"),
        (TEXT, "!!python/object:os.system {}", r"p\.yaml:1:1: error"),
        (TEXT, "a: " + "[" * 1000, r"p\.yaml:.*error"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match=message):
        read_preprocess_file(write(tmp_path, TEXT.replace(old, new)))


def test_other_files_are_named(tmp_path: Path) -> None:
    for name, content, message in (
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(99), r"this is a PNG picture, not a file of preprocessing$"),
        ("a.json", b"\xff\xfe\x00", "is not UTF-8"),
        ("a.yaml", b"a" * (1 << 21), "a file of preprocessing has at most 1,048,576 bytes"),
        ("m.onnx", b"", "this is an ONNX model, not a file of preprocessing"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ArchspecError, match=message):
            read_preprocess_file(tmp_path / name)
    with pytest.raises(ArchspecError, match="this is a directory, not a file of preprocessing"):
        read_preprocess_file(tmp_path)
    with pytest.raises(ArchspecError, match="cannot be read"):
        read_preprocess_file(tmp_path / "missing.yaml")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArchspecError, match="not a regular file"):
        read_preprocess_file(tmp_path / "pipe")


TIMM = {
    "tag": "a1_in1k",
    "input_size": [3, 224, 224],
    "interpolation": "bicubic",
    "crop_pct": 0.95,
    "crop_mode": "center",
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
    "first_conv": "conv1",
}


def test_timms_own_file_is_understood(tmp_path: Path) -> None:
    """`config.json` lies beside the weights that timm publishes; this is that of resnet50.a1_in1k, but for its rest."""

    def read(**changes: object) -> Preprocess:
        said = {"architecture": "resnet50", "num_classes": 1000, "pretrained_cfg": TIMM | changes}
        return read_preprocess_file(write(tmp_path, json.dumps(said), "config.json"))

    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    cut = Preprocess(3, (224, 224), mean, std, resize="shorter", resize_to=235, interpolation="bicubic")
    assert read() == cut
    assert read(crop_mode="squash") == Preprocess(3, (224, 224), mean, std, resize_to=235, interpolation="bicubic")
    assert read(crop_mode="squash", crop_pct=1.0) == Preprocess(3, (224, 224), mean, std, interpolation="bicubic")
    for changes, message in (
        ({"crop_pct": 0}, r"config\.json:1:\d+: .*'crop_pct' must be a number above 0"),
        ({"crop_pct": "0.9"}, "'crop_pct' must be a number"),
        ({"input_size": 224}, "'input_size' must be three integers"),
        ({"crop_mode": "border"}, "'crop_mode' must be center or squash"),
        ({"input_size": [3, 224, 192]}, "'crop_mode' must be center or squash, of a square"),
        ({"interpolation": "lanczos"}, "'interpolation' is no 'lanczos'"),
        ({"mean": [0.5]}, "'mean' needs 3 values"),
        ({"crop_pct": 1e-9}, "'resize_to' must be between"),
    ):
        with pytest.raises(ArchspecError, match=message):
            read(**changes)
