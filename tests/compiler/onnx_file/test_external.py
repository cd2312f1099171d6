"""Tensors in other files are found wherever they hide, and their places are those of plain files of the folder."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from archspec.errors import ArchspecError, ModelError
from compiler.onnx_file.external import (
    check_external_data,
    find_external,
    gather_data,
    is_external,
    list_data,
    read_external,
    read_place,
)
from tests.support.models import build_linear

WEIGHT = np.arange(320, dtype=np.float32).reshape(5, 64)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    model = build_linear(WEIGHT, np.zeros(5, np.float32))
    path = tmp_path / "m.onnx"
    onnx.save(model, path, save_as_external_data=True, size_threshold=0, location="m.data")
    return path


def load(path: Path) -> onnx.ModelProto:
    return onnx.load(path, load_external_data=False)


def test_places_are_those_that_onnx_wrote(path: Path) -> None:
    external = check_external_data(load(path), path)
    assert [tensor.name for tensor in external] == ["weight", "bias"]
    assert list_data(external) == ("m.data",)
    place = read_place(external[0])
    stored = (path.parent / place.location).read_bytes()[place.offset :][: place.length]
    assert stored == WEIGHT.tobytes()
    assert list(find_external(onnx.load(path))) == []  # the control: they are in the model then
    assert not is_external(TensorProto(name="w"))


@pytest.mark.parametrize("location", ["../m.data", "sub/../../m.data", "missing.data", "", "link.data"])
def test_other_places_are_refused(path: Path, location: str) -> None:
    outside = path.parent.parent / "outside.data"
    outside.write_bytes(bytes(2000))
    os.symlink(outside, path.parent / "link.data")
    model = load(path)
    for tensor in model.graph.initializer:
        next(entry for entry in tensor.external_data if entry.key == "location").value = location
    with pytest.raises(ArchspecError):
        check_external_data(model, path)


def test_a_model_elsewhere_finds_its_data(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere" / "linked.onnx"
    link.parent.mkdir()
    os.symlink(path.parent / "m.data", link.parent / "m.data")
    model = load(path)
    folder = gather_data(model, link)
    assert folder == os.path.realpath(path.parent)
    assert {read_place(tensor).location for tensor in find_external(model)} == {"m.data"}
    assert gather_data(onnx.load(path), path) is None


@pytest.mark.parametrize("mapped", [False, True])
def test_numbers_are_read_from_their_file_unless_it_is_too_short(path: Path, mapped: bool) -> None:
    tensor = next(find_external(load(path)))
    found = read_external(tensor, path.parent, np.float32, mapped=mapped)
    np.testing.assert_array_equal(found, WEIGHT)
    assert isinstance(found, np.memmap) == mapped
    del found
    os.truncate(path.parent / "m.data", WEIGHT.nbytes - 1)
    with pytest.raises(ModelError, match=r"m\.data is too short for 'weight'"):
        read_external(tensor, path.parent, np.float32, mapped=mapped)
