"""The command report: one page, which tells nothing of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from archspec import __version__
from archspec.api import load
from archspec.cli.main import app
from archspec.errors import ArchspecError
from archspec.spec.zoo import ZOO
from tests.support.models import build_double, save
from tests.support.without import run_without


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


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
    model = save(build_double((1, 4, 8, 8)), tmp_path / "small.onnx")
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
