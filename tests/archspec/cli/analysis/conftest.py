"""What the tests of analyses share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import typer
from onnx import helper

from archspec.cli.analysis.assert_ import assert_
from archspec.cli.analysis.diff import diff
from archspec.cli.analysis.fit import fit
from tests.support.models import build_model

app = typer.Typer()
for _command in (diff, assert_, fit):
    app.command(name=_command.__name__.rstrip("_"))(_command)


@pytest.fixture
def half_known(tmp_path: Path) -> Path:
    """A convolution of 4·3·9 parameters on 8×8, and an operation that nobody knows."""
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Foo", ["c"], ["y"], name="foo", domain="com.acme"),
    ]
    model = build_model(nodes, {"x": [1, 3, 8, 8]}, {"y": [1, 4, 8, 8]}, {"k": np.ones((4, 3, 3, 3), np.float32)})
    model.opset_import.append(helper.make_opsetid("com.acme", 1))
    onnx.save(model, tmp_path / "half.onnx")
    return tmp_path / "half.onnx"
