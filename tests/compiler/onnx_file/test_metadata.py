"""What callers have a model say is text that any reader of ONNX gets back, and no claim of the export's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest

import archspec
from archspec.errors import ArchspecError
from compiler.onnx_file.metadata import EXPORTED, MAX_CHARACTERS, check_metadata, is_exported
from compiler.onnx_target.options import ExportOptions
from runtime.export.plan import Calibration


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"a": 1}, "of 'a' 1 is none"),
        ({1: "a"}, "of 1 1 is none"),
        ({"a": None}, "of 'a' a value of type NoneType is none"),
        ({"a": b"x"}, "of 'a' a value of type bytes is none"),
        ({"a": "\ud800"}, "'a' holds a NUL or half a character"),
        ({"\udfff": "a"}, "holds a NUL or half a character"),
        ({"a": "x\0y"}, "'a' holds a NUL"),
        ({"": "a"}, "or is empty"),
        ([("a", "b")], "found a value of type list"),
        ("a", "found 'a'"),
        ({"a": "x" * (MAX_CHARACTERS + 1)}, "characters; a model holds at most"),
        ({"archspec.optimized.seal": "x"}, "the export writes the metadata 'archspec.optimized.seal' itself"),
        *[({name: "x"}, f"the export writes the metadata '{name}' itself") for name in sorted(EXPORTED)],
    ],
)
def test_what_is_no_metadata_is_refused(metadata: Any, message: str, tmp_path: Path) -> None:
    graph = archspec.elaborate(archspec.load("residual_mlp"))
    with pytest.raises(ArchspecError, match=message):
        archspec.to_onnx(graph, archspec.to_torch(graph).state_dict(), tmp_path / "m.onnx", metadata=metadata)
    assert list(tmp_path.iterdir()) == []


def test_any_text_comes_back(tmp_path: Path) -> None:
    graph = archspec.elaborate(archspec.load("residual_mlp"))
    said = {"licence": "ä 漢字 😀\n\t\x1b", "archspec.note": "", "x" * 1000: "y" * 100_000}
    assert check_metadata(said) == said
    archspec.to_onnx(graph, archspec.to_torch(graph).state_dict(), tmp_path / "m.onnx", verify=False, metadata=said)
    found = {item.key: item.value for item in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert {key: found[key] for key in said} == said


def test_all_that_exports_say_is_known_to_be_theirs(tmp_path: Path) -> None:
    graph = archspec.elaborate(archspec.load("resnet_digits", {"widths": [4, 4, 4]}))
    state = archspec.to_torch(graph).state_dict()
    int8 = {"options": ExportOptions(precision="int8"), "calibration": Calibration(data="digits")}
    for name, choices in (("plain", {"optimized": True}), ("int8", int8)):
        archspec.to_onnx(graph, state, tmp_path / f"{name}.onnx", verify=False, **choices)
    files = list(tmp_path.glob("*.onnx"))
    assert len(files) == 3
    keys = {item.key for path in files for item in onnx.load(path, load_external_data=False).metadata_props}
    assert all(is_exported(key) for key in keys)
    assert {"archspec.int8", "archspec.optimized"} <= keys
