"""Files are what their writers made, whatever they are called."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from safetensors.numpy import save

from archspec.errors import ArchspecError
from archspec.file_types import GZIP, ONNX, SAFETENSORS, TORCH, find_file_type, is_onnx, tell_file_type
from archspec.spec.zoo import zoo_specs
from runtime.export.weights import read_weights
from tests.support.commands import archspec, refuse


def write_onnx(**fields: object) -> bytes:
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    values = [onnx.helper.make_tensor_value_info(name, 1, ["N", 3]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "net", values[:1], values[1:])
    data: bytes = onnx.helper.make_model(graph, **fields).SerializeToString()
    return data


def write_torch(*, zipped: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save({"a": torch.ones(3)}, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def write_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a.txt", "hello")
    return buffer.getvalue()


def write_picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (4, 4)).save(buffer, kind)
    return buffer.getvalue()


def write_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ones(3))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (write_onnx(), ONNX),
        (write_onnx(producer_name="torch", doc_string="hello"), ONNX),
        (write_onnx(ir_version=4, model_version=7), ONNX),
        (save({"a": np.ones(3, np.float32)}), SAFETENSORS),
        (save({"a" * 300: np.ones(3)}, {"k": "v" * 1000}), SAFETENSORS),
        (write_torch(zipped=True), TORCH),
        (write_torch(zipped=False), TORCH),
        (gzip.compress(b"hello", mtime=0), GZIP),
        (write_zip(), "a zip archive"),
        (write_array(), "a NumPy array"),
        (write_picture("PNG"), "a PNG picture"),
        *((write_picture(name), f"a {name} picture") for name in ("JPEG", "GIF", "BMP", "TIFF", "WebP")),
        (write_picture("AVIF"), "an AVIF picture"),
        (bytes(128) + b"DICM", "a DICOM picture"),
        (b"BM: a spec", None),
        (b"RIFF: a spec", None),
        (b"", None),
        (b"archspec: 1\n", None),
        ("\ufeffname: x".encode(), None),
        (b'{"archspec": 1}', None),
        (b"12345678{}", None),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else str(value),
)
def test_a_kind_is_told_by_the_first_bytes(data: bytes, kind: str | None, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(data)
    assert find_file_type(tmp_path / "file") == tell_file_type(data[:512]) == kind
    assert is_onnx(tmp_path / "file") == (kind == ONNX)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_what_holds_no_weights_itself_is_told_with_what_to_do(tmp_path: Path) -> None:
    """TorchScript, torch.export and the index of shards, as their own libraries write them, or document it."""
    network, index = torch.nn.Linear(2, 2), {"metadata": {"total_size": 24}, "weight_map": {"weight": "a.safetensors"}}
    torch.jit.save(torch.jit.script(network), tmp_path / "script.pt")
    torch.export.save(torch.export.export(network, (torch.zeros(1, 2),)), tmp_path / "program.pt2")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")
    for name, message in {
        "script.pt": "is a TorchScript module, not a safetensors file of weights: torch.save(torch.jit.load(",
        "program.pt2": "is a program of torch.export, not a safetensors file of weights: torch.save(torch.exp",
        "model.safetensors.index.json": "is an index of shards, not a safetensors file of weights: the shards hold the",
    }.items():
        with pytest.raises(ArchspecError) as error:
            read_weights(tmp_path / name)
        assert message in str(error.value)
    torch.save(torch.jit.load(tmp_path / "script.pt").state_dict(), tmp_path / "weights.pth")
    np.testing.assert_array_equal(read_weights(tmp_path / "weights.pth")[0]["weight"], network.weight.detach().numpy())
    torch.save(torch.export.load(tmp_path / "program.pt2").state_dict, tmp_path / "weights.pth")
    np.testing.assert_array_equal(read_weights(tmp_path / "weights.pth")[0]["weight"], network.weight.detach().numpy())


def test_no_spec_is_taken_for_another_kind() -> None:
    assert {find_file_type(path) for path in zoo_specs().values()} == {None}


def test_what_cannot_be_read_has_no_kind(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", "x" * 5000, "a\0b"):
        assert find_file_type(path) is None
        assert not is_onnx(path)


def test_an_onnx_model_needs_no_ending(tmp_path: Path) -> None:
    for name in ("net.onnx", "net"):
        (tmp_path / name).write_bytes(write_onnx())
    assert archspec("analyze", tmp_path / "net", "--json") == archspec("analyze", tmp_path / "net.onnx", "--json")
    refuse("this is an ONNX model, not a spec: `archspec analyze`, `diff`, `verify`", "export", tmp_path / "net")


@pytest.mark.parametrize(("command", "input"), [("export", ()), ("run", ("x.npy",))])
@pytest.mark.parametrize("zipped", [True, False, None])
def test_weights_in_place_of_another_file_are_named(
    command: str, input: tuple[str, ...], zipped: bool | None, tmp_path: Path
) -> None:
    weights = tmp_path / "w"
    weights.write_bytes(save({"a": np.ones(3)}) if zipped is None else write_torch(zipped=zipped))
    message = f"`archspec export SPEC --weights {weights}` makes a model of weights"
    refuse(message, command, weights, *input)
