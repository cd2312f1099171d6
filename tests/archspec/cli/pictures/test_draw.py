"""`archspec draw`: files in each format, and messages where something is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from archspec.cli.main import app
from archspec.errors import ArchspecError
from tests.support.without import run_without


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.mark.parametrize(
    ("ending", "start"),
    [("svg", "<svg "), ("html", "<!doctype html>"), ("mmd", "%% resnet18"), ("dot", "digraph "), ("json", "{\n")],
)
def test_the_ending_chooses_the_format(ending: str, start: str, tmp_path: Path) -> None:
    file = tmp_path / f"picture.{ending}"
    result = run("draw", "resnet18", "-o", str(file))
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"wrote {file}: ")
    assert "boxes for 69 operations" in result.output
    assert file.read_text(encoding="utf-8").startswith(start)
    assert [*tmp_path.iterdir()] == [file]


def test_a_picture_goes_to_the_standard_output() -> None:
    result = run("draw", "residual_mlp", "-o", "-", "--format", "svg", "--set", "blocks=7")
    assert result.exit_code == 0
    assert ElementTree.fromstring(result.output).tag.endswith("svg")
    assert "repeat_0.residual_0 ×7" in result.output


def test_depth_and_open_choose_what_is_seen() -> None:
    def count(*words: str) -> int:
        return run("draw", "resnet50", "-o", "-", "--format", "svg", *words).output.count("<g ")

    assert count("--depth", "0") < count("--depth", "0", "--open", "repeat_0.i3") < count() < count("--depth", "9")


def test_json_has_what_the_picture_shows() -> None:
    data = json.loads(run("draw", "unet", "-o", "-", "--format", "json").output)
    assert data["name"] == "unet"
    assert data["children"][0]["shape"] == [1, 572, 572]


@pytest.mark.parametrize(
    "words", [("-o", "x.png"), ("-o", "-"), ("-o", "x.svg", "--format", "gif"), ("-o", "noending")]
)
def test_an_unknown_format_is_wrong_usage(words: tuple[str, ...]) -> None:
    result = run("draw", "resnet18", *words)
    assert result.exit_code == 2
    assert "svg, html, mmd, dot or" in result.output


def test_a_pattern_that_fits_nothing_is_said(tmp_path: Path) -> None:
    result = run("draw", "resnet18", "-o", str(tmp_path / "x.svg"), "--open", "nothing*")
    assert isinstance(result.exception, ArchspecError)
    assert "no block of resnet18 fits 'nothing*'" in str(result.exception)
    assert [*tmp_path.iterdir()] == []


def test_drawing_needs_no_extra(tmp_path: Path) -> None:
    code = f"""
from archspec.cli.pictures.draw import draw
draw("residual_mlp", {str(tmp_path / "x.html")!r})
"""
    heavy = ["matplotlib", "torch", "onnx", "onnxruntime", "sklearn", "PIL"]
    assert run_without(heavy, code).startswith("wrote ")


def save_small(path: Path) -> Path:
    onnx = pytest.importorskip("onnx")
    info = onnx.helper.make_tensor_value_info
    value = onnx.helper.make_node
    nodes = [value("Relu", ["x"], ["a"], name="first"), value("Add", ["a", "x"], ["y"], name="sum")]
    ends = [info("x", 1, [1, 4, 8, 8])], [info("y", 1, [1, 4, 8, 8])]
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "small", *ends)), path)
    return path


def test_a_model_in_onnx_is_drawn(tmp_path: Path) -> None:
    result = run("draw", str(save_small(tmp_path / "small.onnx")), "-o", str(tmp_path / "small.svg"))
    assert result.exit_code == 0, result.output
    assert "relu" in (tmp_path / "small.svg").read_text(encoding="utf-8")
