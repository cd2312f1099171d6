"""What is there is not replaced unasked: only a model by a model, and never what is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from archspec.api import elaborate, load, to_onnx, to_torch
from archspec.errors import ArchspecError
from runtime.weights_file import save_weights
from tests.commands import archspec, refuse

EXPORT = ("export", "residual_mlp", "--set", "blocks=1", "--no-verify")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Of the spec's own names."""
    module = to_torch(elaborate(load("residual_mlp", {"blocks": 1})))
    save_weights(tmp_path / "w.safetensors", dict(module.state_dict()), {})
    return tmp_path / "w.safetensors"


@pytest.mark.parametrize("content", [b"what I noted", b"\x89PNG\r\n\x1a\n", b"\x08"], ids=["text", "picture", "a byte"])
def test_a_model_replaces_models_alone(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    refuse(f"{path} is there already, and is no ONNX model; --force replaces it", *EXPORT, "-o", path)
    assert path.read_bytes() == content
    archspec(*EXPORT, "-o", path, "--force")
    onnx.checker.check_model(path)
    archspec(*EXPORT, "-o", path)  # whatever it is called now
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_nor_does_python_replace_a_spec_by_its_model(tmp_path: Path) -> None:
    spec, path = tmp_path / "net.yaml", tmp_path / "net"
    spec.write_text("archspec: 1\nname: net\ninputs: {x: [3]}\nnetwork: [linear: 2]\n")
    before, graph = spec.read_bytes(), elaborate(load(spec))
    path.write_bytes(before)
    weights = to_torch(graph).state_dict()
    with pytest.raises(ArchspecError, match=r"and \.yaml says something else: name it net\.onnx"):
        to_onnx(graph, weights, spec, verify=False, force=True)
    with pytest.raises(ArchspecError, match=r"is no ONNX model; .* in Python force=True"):
        to_onnx(graph, weights, path, verify=False)
    assert path.read_bytes() == before
    to_onnx(graph, weights, path, verify=False, force=True)
    onnx.checker.check_model(path)


@pytest.mark.parametrize("name", ["m.onnx", "empty"])
def test_what_was_made_for_a_model_is_replaced(name: str, tmp_path: Path) -> None:
    """As by mktemp; and a damaged model, as its name says."""
    (tmp_path / name).write_bytes(b"" if name == "empty" else b"cut off")
    archspec(*EXPORT, "-o", tmp_path / name)
    onnx.checker.check_model(tmp_path / name)


def test_weights_are_never_replaced_unasked(weights: Path, tmp_path: Path) -> None:
    """Who knows how long they were trained for."""
    words = ("weights", "convert", weights, "--to", "residual_mlp", "--set", "blocks=1")
    before, other = weights.read_bytes(), tmp_path / "other.safetensors"
    refuse(f"--output would replace {weights}, which is read", *words, "-o", weights)
    archspec(*words, "-o", other)
    trained = other.read_bytes()
    refuse(f"{other} is there already; --force replaces it", *words, "-o", other)
    other.write_bytes(b"mine")
    archspec(*words, "-o", other, "--force")
    assert other.read_bytes() == trained
    assert weights.read_bytes() == before


def test_numbers_do_not_replace_what_they_are_made_from(tmp_path: Path) -> None:
    model, array = tmp_path / "m.onnx", tmp_path / "x.npy"
    archspec(*EXPORT, "-o", model)
    np.save(array, np.ones((1, 100), np.float32))
    before = model.read_bytes(), array.read_bytes()
    for read in (model, array):
        refuse(f"--output would replace {read}, which is read", "run", model, array, "-o", read)
    assert (model.read_bytes(), array.read_bytes()) == before
    archspec("run", model, array, "-o", tmp_path / "y.npz")
    archspec("run", model, array, "-o", tmp_path / "y.npz")
    for other in (tmp_path / "notes.npz", tmp_path / "notes.txt"):
        other.write_text("mine")
        refuse("is there already, and is no .npz: give the arrays another name", "run", model, array, "-o", other)
        assert other.read_text() == "mine"


def test_numbers_do_not_replace_a_picture_of_a_folder_or_data_of_the_model(tmp_path: Path) -> None:
    model, data, folder = tmp_path / "m.onnx", tmp_path / "m.data", tmp_path / "pictures"
    archspec(*EXPORT, "-o", model)
    onnx.save(onnx.load(model), model, save_as_external_data=True, location=data.name)
    folder.mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "real.png")
    (folder / "link.png").symlink_to("../real.png")
    (folder / "loop.png").symlink_to("loop.png")
    before = data.read_bytes(), (tmp_path / "real.png").read_bytes()
    np.save(tmp_path / "x.npy", np.ones((1, 100), np.float32))
    refuse(f"--output would replace {data}, which is read", "run", model, tmp_path / "x.npy", "-o", data)
    for name in (folder / "link.png", tmp_path / "real.png"):
        refuse(f"--output would replace {folder / 'link.png'}, which is read", "run", model, folder, "-o", name)
    assert (data.read_bytes(), (tmp_path / "real.png").read_bytes()) == before
    archspec("run", model, tmp_path / "x.npy", "-o", folder / "y.npz")
    archspec("run", model, tmp_path / "x.npy", "-o", folder / "y.npz")
