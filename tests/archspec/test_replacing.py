"""What is there is not replaced unasked: only what a command wrote by what it writes again, and never what is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from archspec.api import elaborate, load, to_onnx, to_torch
from archspec.cli.pictures.draw import FORMATS
from archspec.errors import ArchspecError
from archspec.replacing import DRAWN as KINDS
from runtime.weights.safetensors_file import save_weights
from tests.support.commands import archspec, refuse

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
    refuse(f"{path} is there already, and does not hold an ONNX model; --force replaces it", *EXPORT, "-o", path)
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
    with pytest.raises(ArchspecError, match=r"does not hold an ONNX model; .* in Python force=True"):
        to_onnx(graph, weights, path, verify=False)
    assert path.read_bytes() == before
    to_onnx(graph, weights, path, verify=False, force=True)
    onnx.checker.check_model(path)


DRAWN = {
    **{
        ending: (f"draw mlp --format {ending} -o", f"draw densenet121 --depth 0 --format {ending} -o")
        for ending in FORMATS
    },
    "report": ("report mlp -o", "report residual_mlp --set blocks=1 -o"),
    "unravel": ("unravel residual_mlp --set blocks=2 -o", "draw mlp -o"),
    "shattering": ("shattering mlp --set layers=2 --points 3 --seeds 1 -o", "draw mlp -o"),
}
"""Commands that write a file, each with one that wrote another of its kind before."""

NAMES = {"report": "x.html", "unravel": "x.svg", "shattering": "x.svg"}

MINE = {
    "package.json": b'{\n  "name": "mine",\n  "version": "1"\n}\n',
    "net.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><title>by hand</title></svg>',
    "notes.html": b"<!doctype html>\n<title>archspec, my notes</title>",
    "graph.dot": b'digraph "mine" {\n  a -> b\n}\n',
    "flow.mmd": b"%% mine\nflowchart LR\n",
    "spec.yaml": b"archspec: 1\nname: net\ninputs: {x: [3]}\nnetwork: [linear: 2]\n",
    "weights.safetensors": b"\x10\0\0\0\0\0\0\0{",
}


@pytest.mark.parametrize("case", DRAWN)
def test_what_a_command_wrote_gives_way_and_nothing_else(case: str, tmp_path: Path) -> None:
    command, earlier = (words.split() for words in DRAWN[case])
    own = tmp_path / NAMES.get(case, f"x.{case}")
    archspec(*earlier, own)
    before = own.read_bytes()
    archspec(*command, own)
    assert own.read_bytes() != before
    for name, content in MINE.items():
        mine = tmp_path / f"{name}{own.suffix}"
        mine.write_bytes(content)
        refuse(f"{mine} is there already, and does not hold ", *command, mine)
        assert mine.read_bytes() == content
    archspec(*command, mine, "--force")
    assert mine.read_bytes() == own.read_bytes()
    (tmp_path / "empty").write_bytes(b"")  # as by mktemp
    archspec("draw", "mlp", "--format", "dot", "-o", tmp_path / "empty")


def test_the_kinds_are_told_from_each_other(tmp_path: Path) -> None:
    assert tuple(KINDS) == FORMATS
    for ending in FORMATS:
        archspec("draw", "mlp", "--format", ending, "-o", tmp_path / ending)
    for ending, kind in KINDS.items():
        assert [other for other in FORMATS if kind.is_one(tmp_path / other)] == [ending]


@pytest.mark.parametrize("command", ["draw SPEC --format svg -o", "report SPEC -o", "unravel SPEC -o"])
def test_a_spec_is_not_replaced_by_its_picture_even_by_force(command: str, tmp_path: Path) -> None:
    ending = ".html" if "report" in command else ".svg"
    spec = tmp_path / "net"
    archspec("init", spec.with_suffix(".yaml"))
    spec.with_suffix(".yaml").rename(spec.with_suffix(ending))
    (tmp_path / f"link{ending}").symlink_to(f"net{ending}")
    before = spec.with_suffix(ending).read_bytes()
    words = command.replace("SPEC", str(spec.with_suffix(ending))).split()
    for name in ("net", "link"):
        refuse("--output would replace", *words, tmp_path / f"{name}{ending}", "--force")
    assert spec.with_suffix(ending).read_bytes() == before


@pytest.mark.parametrize("name", ["mlp.yaml", "weights.safetensors", "network.html"])
def test_nor_is_a_picture_called_as_something_else(name: str, tmp_path: Path) -> None:
    words = ("draw", "mlp", "--format", "svg", "-o", tmp_path / name)
    refuse("is to hold an SVG of archspec's, and", *words, "--force")
    assert list(tmp_path.iterdir()) == []


def test_force_without_a_file_is_idle() -> None:
    refuse("--force is read by", "draw", "mlp", "-o", "-", "--format", "svg", "--force")
    refuse("--force is read by", "unravel", "residual_mlp", "--force")


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
        refuse(
            "is there already, and does not hold arrays: give the arrays another name", "run", model, array, "-o", other
        )
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
