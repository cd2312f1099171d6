"""Tensors of checkpoints are read by safetensors' own reader, bit for bit."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from archspec.errors import ModelError
from runtime.training.tensor_file import TYPES, StoredFile, read_tensors, write_bytes, write_tensors


def make_tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    tensors = {str(dtype): torch.randint(0, 2, (2, 3), generator=generator).to(dtype) for dtype in TYPES}
    tensors["strided"] = torch.arange(24.0).view(2, 3, 4).permute(2, 0, 1)
    tensors["nothing"] = torch.empty(0, 3)
    tensors["a number"] = torch.tensor(3.5)
    tensors["strange"] = torch.tensor([float("nan"), float("inf"), -0.0])
    return tensors


def same(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Bit for bit, NaN too."""
    pair = [tensor.contiguous().view(-1) for tensor in (first, second)]
    return first.shape == second.shape and (not first.numel() or torch.equal(*(one.view(torch.uint8) for one in pair)))


def test_safetensors_reads_what_is_written(tmp_path: Path) -> None:
    """The witness is its reader; what it writes itself has the same content, and a changed tensor not."""
    tensors, path = make_tensors(), tmp_path / "t.safetensors"
    stored = write_tensors(path, tensors)
    for found in (load_file(path), read_tensors(path)):
        assert set(found) == set(tensors)
        assert all(found[name].dtype == value.dtype for name, value in tensors.items())
        assert all(
            torch.equal(found[n].view(-1).view(torch.uint8), t.contiguous().view(-1).view(torch.uint8))
            for n, t in tensors.items()
            if t.numel()
        )
    assert (
        stored == StoredFile(path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()) == StoredFile.of(path)
    )
    tensors["a number"] += 1
    assert write_tensors(tmp_path / "other", tensors).sha256 != stored.sha256


def test_equal_tensors_give_equal_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    assert write_tensors(first, make_tensors()) == write_tensors(second, make_tensors())
    assert first.read_bytes() == second.read_bytes()


def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    with pytest.raises(FileExistsError):
        write_bytes(tmp_path / "there", b"new")
    assert (tmp_path / "there").read_text() == "mine"


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    save_file({"a": torch.ones(100)}, path)
    data = path.read_bytes()
    for length in (0, 7, 8, 40, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(ModelError, match="is not a safetensors file"):
            read_tensors(path)
    with pytest.raises(ModelError, match="is not a safetensors file"):
        read_tensors(tmp_path / "nowhere")
