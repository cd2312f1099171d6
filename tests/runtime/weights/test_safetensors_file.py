"""Weights survive the disk, are read where they lie, and what is not theirs is refused."""

from __future__ import annotations

import gzip
import json
import math
import struct
import tracemalloc
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file
from safetensors.torch import save_file

from archspec.arrays import Array
from archspec.errors import ArchspecError
from runtime.weights.safetensors_file import load_weights, save_weights

STATE = {"b.weight": torch.randn(3, 4).t(), "a": np.arange(5, dtype=np.float64), "scalar": torch.tensor(2.5)}
METADATA = {"archspec.classes": '["ä", "b"]', "note": "x" * 1000}


def test_weights_come_back_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "w.safetensors"
    save_weights(path, STATE, METADATA)
    arrays, metadata = load_weights(path)
    assert metadata == METADATA
    witness = load_file(path)
    assert set(arrays) == set(STATE) == set(witness)
    for name, value in STATE.items():
        assert arrays[name].dtype == np.asarray(value).dtype
        assert np.array_equal(arrays[name], np.asarray(value))
        assert np.array_equal(arrays[name], witness[name])
    assert [item.name for item in path.parent.iterdir()] == ["w.safetensors"]


def test_equal_weights_give_equal_bytes(tmp_path: Path) -> None:
    metadata = {f"key {number}": str(number) for number in range(20)}
    contents = set()
    for turn in range(5):
        pairs = list(metadata.items())
        save_weights(tmp_path / "w", STATE, dict(pairs[turn:] + pairs[:turn]))
        contents.add((tmp_path / "w").read_bytes())
    assert len(contents) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_neither_written_nor_read(tmp_path: Path, value: float) -> None:
    bad: dict[str, Array] = {"fine": np.zeros(3), "bad": np.array([0, value], np.float16)}
    with pytest.raises(ArchspecError, match="the weight 'bad' holds infinite numbers or NaN"):
        save_weights(tmp_path / "w", bad, {})
    assert not list(tmp_path.iterdir())
    from safetensors.numpy import save_file

    save_file(bad, tmp_path / "w")
    with pytest.raises(ArchspecError, match="the weight 'bad' holds infinite numbers or NaN"):
        load_weights(tmp_path / "w")


def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    save_weights(tmp_path / "whole", {"a": np.arange(8.0)}, {"k": "v"})
    whole = (tmp_path / "whole").read_bytes()
    for end in range(len(whole)):
        (tmp_path / "w").write_bytes(whole[:end])
        with pytest.raises(ArchspecError, match="is not a safetensors file of weights, or it is cut off"):
            load_weights(tmp_path / "w")


@pytest.mark.parametrize("shape", [[1 << 62, 0], [1] * 65], ids=["too long", "too many axes"])
def test_a_shape_that_no_array_has_is_refused(shape: list[int], tmp_path: Path) -> None:
    """safetensors takes it, since it has as many numbers as it says."""
    size = 4 * math.prod(shape)
    header = json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}).encode()
    (tmp_path / "w").write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
    with safe_open(tmp_path / "w", framework="numpy") as file:
        assert list(file.keys()) == ["a"]
    with pytest.raises(ArchspecError, match="the weight 'a' has a shape that no array has"):
        load_weights(tmp_path / "w")


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff" * 64, struct.pack("<Q", 2) + b"[]"])
def test_foreign_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(ArchspecError, match="is not a safetensors file"):
        load_weights(tmp_path / "w")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"PK\x03\x04" + bytes(100), "is a zip archive, not a safetensors file of weights"),
        (gzip.compress(b"weights", mtime=0), "is a gzip archive, not a safetensors file of weights: unpack it first"),
    ],
)
def test_files_of_a_known_kind_are_named(tmp_path: Path, content: bytes, found: str) -> None:
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(ArchspecError, match=found):
        load_weights(tmp_path / "w")


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    entry = '"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    header = "{" + entry + "," + entry + "}"
    (tmp_path / "w").write_bytes(struct.pack("<Q", len(header)) + header.encode() + bytes(4))
    with pytest.raises(ArchspecError, match=r"'a' stands twice|not a safetensors file"):
        load_weights(tmp_path / "w")


def test_places_that_are_no_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match="does not exist"):
        load_weights(tmp_path / "none")
    with pytest.raises(ArchspecError, match="is not a file"):
        load_weights(tmp_path)
    with pytest.raises(ArchspecError, match="names a folder; give a file in it"):
        save_weights(tmp_path, STATE, {})


def write_by_hand(path: Path, entries: Mapping[str, object], body: bytes, padding: str = "") -> None:
    header = json.dumps(entries).encode() + padding.encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + body)


def test_arrays_are_views_of_the_file(tmp_path: Path) -> None:
    save_weights(tmp_path / "w", {"a": np.zeros(1 << 22)}, {})
    tracemalloc.start()
    try:
        array = load_weights(tmp_path / "w")[0]["a"]
        assert tracemalloc.get_traced_memory()[1] < 1 << 20  # of 32 MiB
    finally:
        tracemalloc.stop()
    assert not array.flags.owndata


def test_what_is_written_to_an_array_does_not_reach_the_file(tmp_path: Path) -> None:
    save_weights(tmp_path / "w", {"a": np.arange(6.0).reshape(2, 3)}, {})
    before = (tmp_path / "w").read_bytes()
    array = load_weights(tmp_path / "w")[0]["a"]
    torch.from_numpy(array).add_(1)  # without a warning, as from any array
    assert np.array_equal(array, np.arange(1.0, 7.0).reshape(2, 3))
    assert (tmp_path / "w").read_bytes() == before


def test_a_file_may_be_replaced_while_its_weights_are_in_use(tmp_path: Path) -> None:
    save_weights(tmp_path / "w", {"a": np.arange(6.0)}, {})
    array = load_weights(tmp_path / "w")[0]["a"]
    save_weights(tmp_path / "w", {"a": np.zeros(3)}, {})
    assert np.array_equal(array, np.arange(6.0))


@pytest.mark.parametrize("padding", range(5))
def test_bytes_may_begin_anywhere(tmp_path: Path, padding: int) -> None:
    values = np.arange(5, dtype=np.float32)
    entries = {"a": {"dtype": "F32", "shape": [5], "data_offsets": [0, 20]}}
    write_by_hand(tmp_path / "w", entries, values.tobytes(), " " * padding)
    array = load_weights(tmp_path / "w")[0]["a"]
    assert np.array_equal(array, values)
    assert array.flags.aligned


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1, 2, 3)])
def test_every_shape_comes_back(tmp_path: Path, shape: tuple[int, ...]) -> None:
    save_weights(tmp_path / "w", {"a": np.full(shape, 7, np.float16)}, {})
    array = load_weights(tmp_path / "w")[0]["a"]
    assert array.shape == shape
    assert (array == 7).all()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_type_is_read_as_torch_wrote_it(tmp_path: Path, kind: torch.dtype) -> None:
    tensor = torch.linspace(-3, 100, 50).to(kind)
    save_file({"a": tensor}, tmp_path / "w")
    array = load_weights(tmp_path / "w")[0]["a"]
    assert np.array_equal(array, tensor.float().numpy() if kind is torch.bfloat16 else tensor.numpy())


def test_bfloat16_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    save_file({"a": torch.tensor([1.0, torch.nan]).bfloat16()}, tmp_path / "w")
    with pytest.raises(ArchspecError, match="'a' holds infinite numbers or NaN"):
        load_weights(tmp_path / "w")


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (torch.float8_e4m3fn, "F8_E4M3"),
        (torch.int8, "I8"),
        (torch.uint8, "U8"),
        (torch.int64, "I64"),
        (torch.bool, "BOOL"),
    ],
)
def test_numbers_of_quantized_checkpoints_are_refused(kind: torch.dtype, word: str, tmp_path: Path) -> None:
    save_file({"a": torch.ones(4).to(kind)}, tmp_path / "w")
    with pytest.raises(ArchspecError, match=f"'a' is of type {word}, and weights are of .*without their scales"):
        load_weights(tmp_path / "w")


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    save_file({"a": torch.ones(4, dtype=torch.complex64)}, tmp_path / "w")
    with pytest.raises(ArchspecError, match=r"'a' is of type C64, and weights are of [a-z0-9, ]*$"):
        load_weights(tmp_path / "w")


def test_counters_of_batches_are_left_out(tmp_path: Path) -> None:
    module = torch.nn.BatchNorm2d(3)
    save_file(module.state_dict(), tmp_path / "w")
    assert sorted(load_weights(tmp_path / "w")[0]) == ["bias", "running_mean", "running_var", "weight"]


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]},
        {"dtype": "F32", "shape": [1], "data_offsets": [0, 1 << 62]},
        {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]},
        {"dtype": "F32", "shape": [1 << 62, 1 << 62], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": "x", "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1]},
        [],
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, entry: object) -> None:
    write_by_hand(tmp_path / "w", {"a": entry}, bytes(4))
    with pytest.raises(ArchspecError, match="is not a safetensors file"):
        load_weights(tmp_path / "w")
