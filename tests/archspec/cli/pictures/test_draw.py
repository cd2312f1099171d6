"""`archspec draw` and `archspec report`: files in each format, and messages where something is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
import typer
from typer.testing import CliRunner, Result

from archspec import __version__
from archspec.api import load
from archspec.cli.pictures.draw import draw
from archspec.cli.pictures.report import report
from archspec.errors import ArchspecError
from archspec.spec.zoo import ZOO
from tests.support.without import run_without

app = typer.Typer()
app.command()(draw)
app.command()(report)


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


def test_a_report_is_one_page(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "report.html"
    result = run("report", "resnet_digits", "-o", str(file), "--batch", "2", "--optimizer", "adam")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"wrote {file}, which needs no network: ")
    text = file.read_text(encoding="utf-8")
    assert all(f">{head}</h2>" in text for head in ("Cost by stage", "Paths by length", "Signal at initialization"))
    assert "for 2 samples, fp32" in text
    assert f"archspec {__version__}: archspec report resnet_digits --batch 2 --optimizer adam" in text
    assert f"<p>{load('resnet_digits').description.split()[0]}" in text


def test_a_report_tells_nothing_of_the_machine(tmp_path: Path) -> None:
    """Neither where the spec lies, nor where the zoo does."""
    pytest.importorskip("matplotlib")
    spec = tmp_path / "net.yaml"
    spec.write_text(
        "archspec: 1\nimport: [blocks/squeeze_excite]\ninputs: {x: [4, 8, 8]}\n"
        "network: [conv: {out: 8}, batch_norm, residual: {body: [conv: 8, relu, squeeze_excite: {ratio: 2}]}]\n",
        encoding="utf-8",
    )
    result = run("report", str(spec), "-o", str(tmp_path / "report.html"))
    assert result.exit_code == 0, result.output
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "net.yaml:4:" in text
    assert "squeeze_excite.yaml:" in text
    for folder in (str(tmp_path), str(ZOO), str(Path.home())):
        assert folder not in text, folder


def test_a_report_on_a_model_says_nothing_of_its_start(tmp_path: Path) -> None:
    """As `analyze --variance` refuses; the spec's report does."""
    pytest.importorskip("matplotlib")
    pytest.importorskip("onnx")
    model = save_small(tmp_path / "small.onnx")
    result = run("report", str(model), "-o", str(tmp_path / "report.html"))
    assert result.exit_code == 0, result.output
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "second moment" not in text
    assert "initialization" not in text


def test_a_report_where_no_file_can_be_leaves_none(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "report.html").mkdir()
    result = run("report", "mlp", "-o", str(tmp_path / "report.html"))
    assert isinstance(result.exception, ArchspecError)
    assert "names a folder" in str(result.exception)


def test_a_report_without_matplotlib_names_the_extra() -> None:
    code = """
from archspec.cli.pictures.report import report
from archspec.errors import MissingExtra
try:
    report("mlp", "report.html")
except MissingExtra as error:
    print(error)
"""
    needed = "matplotlib is not installed; run: pip install 'archspec-compiler[pictures]'\n"
    assert run_without(["matplotlib"], code) == needed


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
