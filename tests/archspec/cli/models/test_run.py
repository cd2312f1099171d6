"""run: what stands on the screen, in --json and in the files, also where some files have no answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from typer.testing import CliRunner, Result

from archspec.cli.main import app
from runtime.pictures.file import DAMAGED
from runtime.pictures.preprocess import Preprocess
from runtime.prediction.answer_writer import open_numbers
from runtime.prediction.answered import RawOutputs
from tests.support.models import build_linear, build_model, save
from tests.support.pngs import write_png

METADATA = {
    "archspec.preprocess": Preprocess(1, (8, 8), (0.5,), (0.5,)).to_json(),
    "archspec.classes": json.dumps(["dark", "bright"]),
}


def run(*words: str | Path) -> Result:
    """What the command does; a Python warning is an error in these tests."""
    return CliRunner().invoke(app, ["run", *map(str, words)], catch_exceptions=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network that tells dark pictures from bright ones, and four files of which two are none."""
    weight = np.stack([-np.ones(64), np.ones(64)]).astype(np.float32) / 64
    save(build_linear(weight, np.zeros(2, np.float32), metadata=METADATA), tmp_path / "m.onnx")
    Image.new("L", (8, 8), 255).save(tmp_path / "a.png")
    Image.new("L", (20, 30), 0).save(tmp_path / "d.png")
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_other_files_are_answered(folder: Path) -> None:
    result = run("m.onnx", "a.png", "b.png", "c.png", "d.png", "-o", "kept.npz")
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert [line for line in lines if line.startswith("error:")] == [
        "error: b.png is a broken picture: it begins as a PNG picture, and goes on as none; " + DAMAGED,
        "error: c.png does not exist",
    ]
    assert [line.split()[:2] for line in result.stdout.splitlines()[1:3]] == [["a.png", "bright"], ["d.png", "dark"]]
    assert "pictures: 1 at own size; 1 resized to 8×8 (1 of them to another aspect ratio)" in result.stdout
    assert "wrote kept.npz" in result.stdout
    with np.load("kept.npz") as kept:
        assert sorted(kept) == ["0.answer", "0.logits", "1.answer", "1.logits", "files"]
        assert kept["files"].tolist() == ["a.png", "d.png"]
        assert kept["0.logits"].dtype == np.float32
        assert (kept["0.answer"], kept["1.answer"]) == (1, 0)


def test_json_has_an_entry_for_each_file(folder: Path) -> None:
    result = run("m.onnx", "a.png", "b.png", "d.png", "--json")
    assert result.exit_code == 2
    assert "error:" not in result.stderr
    good, bad, other = json.loads(result.stdout)
    assert (good["label"], good["size"], "resized_to" in good) == ("bright", [8, 8], False)
    assert bad == {
        "path": "b.png",
        "error": "b.png is a broken picture: it begins as a PNG picture, and goes on as none; " + DAMAGED,
    }
    assert (other["size"], other["resized_to"]) == ([30, 20], [8, 8])
    assert run("m.onnx", "a.png", "d.png", "--json").exit_code == 0


@pytest.mark.parametrize("task", ["labels", "raw"])
def test_where_nothing_is_answered_nothing_is_written(folder: Path, task: str) -> None:
    np.savez("kept.npz", older=np.ones(3))
    older = Path("kept.npz").read_bytes()
    result = run("m.onnx", "b.png", "none.npy", "-o", "kept.npz", "--task", task)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert Path("kept.npz").read_bytes() == older


def test_a_folder_is_answered(folder: Path) -> None:
    (folder / ".hidden.png").write_bytes(b"x")
    rows = json.loads(run("m.onnx", folder, "--json").stdout)
    assert [Path(row["path"]).name for row in rows] == ["a.png", "b.png", "d.png"]
    assert [("error" in row) for row in rows] == [False, True, False]
    (folder / "empty").mkdir()
    result = run("m.onnx", "empty", "a.png")
    assert (result.exit_code, "error: empty holds no pictures" in result.stderr) == (2, True)


@pytest.mark.parametrize(("ground", "label"), [("black", "dark"), ("white", "bright"), ("#ffffff", "bright")])
def test_transparent_pictures_lie_on_the_ground_that_is_named(folder: Path, ground: str, label: str) -> None:
    """White ink in an alpha channel, a quarter of it: dropping alpha would make all of it white."""
    pixels = np.full((8, 8, 2), 255)
    pixels[2:, :, 1] = 0
    write_png(folder / "ink.png", pixels)
    result = run("m.onnx", "ink.png", "a.png")
    assert result.exit_code == 2
    assert "error: ink.png is transparent in places" in result.stderr
    assert "--ground white" in result.stderr
    assert "a.png" in result.stdout
    (row,) = json.loads(run("m.onnx", "ink.png", "--ground", ground, "--json").stdout)
    assert row["label"] == label
    assert row["ground"] == ("#000000" if ground == "black" else "#ffffff")
    assert f"1 laid on {row['ground']}" in run("m.onnx", "ink.png", "--ground", ground).stdout


def test_a_16_bit_picture_that_is_nearly_black_is_told_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("e.png", "f.png"):
        write_png(folder / name, np.full((8, 8, 1), 1020), 16)
    rows = json.loads(run("m.onnx", "e.png", "f.png", "--json").stdout)
    assert [row["largest_of_65535"] for row in rows] == [1020, 1020]
    assert len([message for message in caplog.messages if "up to 1,020 of 65,535" in message]) == 1


def test_options_that_nothing_reads_are_refused(folder: Path) -> None:
    for words, message in (
        (("--resize",), "--resize is read by maps and joints alone"),
        (("--ground", "red"), "a ground is white, black or a colour such as '#204060', found 'red'"),
        (("--pictures", "out"), "a label has no picture"),
    ):
        result = CliRunner().invoke(app, ["run", "m.onnx", "a.png", *words])
        assert result.exit_code
        assert message in " ".join(f"{result.output} {result.exception}".replace("│", " ").split())


def test_raw_figures_of_any_outputs(folder: Path) -> None:
    """Texts have none, and are kept as texts."""
    nodes = [helper.make_node("Identity", ["x"], ["number"]), helper.make_node("Identity", ["words"], ["text"])]
    model = build_model(nodes, {"x": ["N", 2]}, {"number": ["N", 2]})
    model.graph.initializer.append(numpy_helper.from_array(np.array([b"one", b"two"], object), "words"))
    model.graph.output.append(helper.make_tensor_value_info("text", TensorProto.STRING, [2]))
    save(model, folder / "texts.onnx")
    np.save("x.npy", np.ones((3, 2)))
    result = run("texts.onnx", "x.npy", "-o", "kept.npz")
    assert result.exit_code == 0, result.output
    assert [line.split()[1:3] for line in result.stdout.splitlines()[1:3]] == [["number", "3×2"], ["text", "2"]]
    with np.load("kept.npz") as kept:
        assert sorted(kept) == ["files", "number", "text"]
        assert kept["text"].tolist() == ["one", "two"]
        assert kept["number"].dtype == np.float32
    (row,) = json.loads(run("texts.onnx", "x.npy", "--json").stdout)
    assert row["outputs"]["text"] == ["one", "two"]


@pytest.mark.parametrize("name", ["files", "file", "a/b", "x\x1b[31m", "0.x"])
def test_any_name_of_an_output_is_kept(tmp_path: Path, name: str) -> None:
    """numpy's own savez takes `file` for a parameter of its own."""
    result: dict[str, Any] = {name: np.arange(3, dtype=np.int16)}
    for count in (1, 2):
        with open_numbers(tmp_path / "kept.npz") as numbers:
            for number in range(count):
                numbers.add(RawOutputs(f"\udcff{number}", result))
        with np.load(tmp_path / "kept.npz") as kept:
            key = name.replace("\x1b", r"\x1b")
            found = kept[key if count == 1 else f"1.{key}"]
            assert (found.dtype, found.tolist()) == (np.int16, [0, 1, 2])
            if name != "files" or count == 2:
                assert kept["files"].tolist() == [f"\udcff{number}" for number in range(count)]


def test_what_fails_in_the_middle_leaves_the_older_file(tmp_path: Path) -> None:
    (tmp_path / "kept.npz").write_bytes(b"older")

    def fail() -> None:
        with open_numbers(tmp_path / "kept.npz") as numbers:
            for number in range(3):
                numbers.add(RawOutputs(str(number), {"x": np.zeros(2)}))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["kept.npz"]
    assert (tmp_path / "kept.npz").read_bytes() == b"older"
