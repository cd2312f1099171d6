"""What is printed of an export: the file, its proof, and what the passes did."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.api import to_onnx, to_torch
from archspec.cli.tables.export import print_explanation, print_export
from runtime.export.export import Export
from tests.support.documents import graph_from

BLOCKS = 5


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    unit = [{"conv": {"out": 4, "bias": False}}, "batch_norm", "relu"]
    network = [*unit * BLOCKS, {"conv": {"out": 4, "bias": False, "name": "last"}}, "batch_norm"]
    graph = graph_from({"archspec": 1, "name": "net", "inputs": {"x": [4, 8, 8]}, "network": network})
    path = tmp_path_factory.mktemp("export") / "net.onnx"
    return to_onnx(graph, to_torch(graph, seed=0).state_dict(), path)


def test_the_file_and_its_proof(export: Export, capsys: pytest.CaptureFixture[str]) -> None:
    print_export(export, {"batch": "any"}, trained=False)
    lines = capsys.readouterr().out.splitlines()
    size = export.path.stat().st_size
    assert lines[0] == f"wrote {export.path}: {size:,} bytes, fp32, with fresh weights: it has not been trained"
    assert lines[1] == "  batch: any"
    assert export.proof is not None
    assert lines[2:-1] == [f"  {case}" for case in export.proof.cases]
    assert lines[-1].endswith(f"of which {export.proof.tolerance:g} is allowed")


def test_what_is_not_proven_says_so(export: Export, capsys: pytest.CaptureFixture[str]) -> None:
    print_export(Export((Path("net.onnx"), Path("net.data")), 10, export.model), {}, trained=True)
    assert capsys.readouterr().out.splitlines() == [
        "wrote net.onnx: 10 bytes, fp32",
        "  its weights lie beside it, in net.data: move both together",
        "  not proven: --no-verify",
    ]


def test_what_a_pass_did_alike_is_one_line(export: Export, capsys: pytest.CaptureFixture[str]) -> None:
    """Of nodes whose names differ in numbers alone."""
    print_explanation(export)
    lines = capsys.readouterr().out.splitlines()
    folded = lines[lines.index("fold affine back") + 2 :][:2]
    assert folded == [f"  {BLOCKS} × folded into conv: batch_norm_*", "  1 × folded into last: batch_norm_*"]
    assert any(line.startswith("nothing to do for: ") for line in lines)
    assert lines[-1] == "all of it stays on the fast path of ONNX Runtime's CPU provider"
