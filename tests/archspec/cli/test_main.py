"""The command line as a whole: what is said when something is wrong, and nothing but that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import run_process


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("check", "resnt50"), 2, "did you mean 'resnet50'?"),
        (("check", "nowhere.yaml"), 2, "cannot be read: No such file"),
        (("show", "resnet18", "--set", "clases=3"), 2, "did you mean 'classes'?"),
        (("show", "resnet18", "--set", "classes=[1"), 2, "--set classes"),
        (("show", "resnet18", "--set", "classes=!!python/name:os.system"), 2, "tags are not part"),
        (("show", "resnet18", "--set", "depths=3"), 2, "`depths` should be a list"),
        (("show", "resnet18", "--size", "D=3"), 2, "no dynamic size 'D'"),
        (("show", "resnet18", "--size", "H=x"), 2, "whole number"),
        (("show", "resnet18", "--set", "classes"), 2, "NAME=VALUE"),
        (("analyze", "resnet18", "--max-nodes", "10"), 2, "more than 10 nodes"),
        (("analyze", "resnet18", "--precision", "int3"), 2, "'int3' is not one of 'fp32'"),
        (("analyze", "resnet18", "--batch", "9" * 400), 2, "less than or equal to"),
        (("analyze", "resnet18", "--measure"), 2, "goes with --variance or --gradient"),
        (("analyze", "resnet18", "--every"), 2, "goes with --variance"),
        (("analyze", "nowhere.onnx", "--all", "--measure"), 2, "of a spec"),
        (("unravel", "mlp", "-o", "paths.png"), 2, "name it FILE.svg, found 'paths.png'"),
        (("report", "mlp", "-o", "report.pdf"), 2, "name it FILE.html"),
        (("frobnicate",), 2, "No such command"),
        (("train", "resnet_digits", "--data", "digit"), 2, "did you mean 'digits'?"),
        (("train", "resnet_digits", "--data", "digits", "--set", "classes=3"), 2, "digits has 10 classes"),
        (("export", "resnet_digits", "--weights", "nowhere.safetensors"), 2, "nowhere.safetensors"),
        (("run", "nowhere.onnx", "x.png"), 2, "nowhere.onnx does not exist"),
        (("bench", "nowhere.onnx"), 2, "nowhere.onnx does not exist"),
        (("evaluate", "nowhere"), 2, "nowhere"),
        (("init", "net.txt"), 2, "should end in .yaml"),
    ],
)
def test_what_is_wrong_is_said(words: tuple[str, ...], code: int, message: str, tmp_path: Path) -> None:
    assert message in " ".join(run_process(*words, expect=code, cwd=tmp_path).split())


def test_a_full_disk_is_said_without_a_traceback() -> None:
    code = """
import errno
from archspec.cli import main as cli
def fail():
    print("what is buffered")
    raise OSError(errno.ENOSPC, "No space left on device")
cli.app = fail
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "error: No space left on device\n")


def test_an_error_is_one_line_whatever_stands_in_it(tmp_path: Path) -> None:
    code = "import sys; from archspec.cli.main import main; main()"
    for name in ("\x1b[31mred\n.onnx", "m" * 5000 + ".onnx"):
        words: list[str | Path] = [sys.executable, "-c", code, "bench", name]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert "\x1b" not in done.stderr
        assert len(done.stderr) < 2100


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes there")
def test_a_file_name_that_is_no_text_is_printed_all_the_same(tmp_path: Path) -> None:
    code = "from archspec.cli.main import main; main()"
    words: list[str | Path] = [
        sys.executable,
        "-c",
        code,
        "export",
        "mlp",
        "--no-verify",
        "-o",
        tmp_path / os.fsdecode(b"m\xff.onnx"),
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "m\\udcff.onnx" in done.stdout
