"""Weights and metrics survive the disk, and what is not theirs is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from archspec.errors import ArchspecError
from runtime.run_folder import MetricsWriter, load_weights, read_metrics, save_weights

STATE = {"b.weight": torch.randn(3, 4).t(), "a": np.arange(5, dtype=np.int64), "scalar": torch.tensor(2.5)}
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
    bad = {"fine": np.zeros(3), "bad": np.array([0, value], np.float16)}
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


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"PK\x03\x04" + bytes(100), b"\xff" * 64, struct.pack("<Q", 2) + b"[]"]
)
def test_foreign_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(ArchspecError, match="is not a safetensors file"):
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
    with pytest.raises(ArchspecError, match="cannot write"):
        save_weights(tmp_path, STATE, {})


def test_metrics_can_be_read_while_they_come(tmp_path: Path) -> None:
    path = tmp_path / "run" / "metrics.jsonl"
    with MetricsWriter(path) as metrics:
        metrics.write({"epoch": 1, "loss": 0.5})
        assert read_metrics(path) == [{"epoch": 1, "loss": 0.5}]
        metrics.write({"test_accuracy": 1.0})
    assert read_metrics(path) == [{"epoch": 1, "loss": 0.5}, {"test_accuracy": 1.0}]
    with MetricsWriter(path) as metrics:
        metrics.write({"epoch": 1})
    assert read_metrics(path) == [{"epoch": 1}]


def test_broken_metrics_are_refused_by_line(tmp_path: Path) -> None:
    (tmp_path / "m").write_text('{"epoch": 1}\n{"epoch":')
    with pytest.raises(ArchspecError, match="m, line 2 is not valid JSON"):
        read_metrics(tmp_path / "m")
    with pytest.raises(ArchspecError, match="cannot write"):
        MetricsWriter(tmp_path / "m" / "below a file")
