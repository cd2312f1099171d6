"""The command analyze: numbers of any length, the largest batch, and operations that nobody knows."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from tests.support.commands import run_process


def test_totals_with_unknown_operations_are_the_least(half_known: Path) -> None:
    from archspec.cli.main import app as whole

    def say(*words: str) -> str:
        return CliRunner().invoke(whole, list(words)).stdout

    for words in (("analyze", str(half_known), "--cost", "--memory"), ("show", str(half_known))):
        text = say(*words)
        assert "≥ 108" in text
        assert "≥ 6,912" in text
        assert "unknown operations: 1 × com.acme:Foo" in text
    marks = json.loads(say("analyze", str(half_known), "--memory", "--json"))["marks"]
    assert {"parameters", "macs", "memory.training_total_bytes"} <= marks.keys()
    assert not {"lint", "receptive_field", "activations"} & marks.keys()
    tree = json.loads(say("show", str(half_known), "--json"))
    assert (tree["unknown"], [child.get("unknown") for child in tree["children"]]) == (
        {"com.acme:Foo": 1},
        [None, None, 1],
    )
    assert "no rule knows of unknown operations: 1 × com.acme:Foo" in say("lint", str(half_known))
    assert "≥" not in say("analyze", "resnet_digits", "--cost", "--memory")


def test_the_largest_batch_is_the_most_there_may_be(half_known: Path) -> None:
    from archspec.cli.main import app as whole

    words = ["analyze", str(half_known), "--memory", "--fits", "1MiB"]
    assert "training: at most " in CliRunner().invoke(whole, words).stdout
    found = json.loads(CliRunner().invoke(whole, [*words, "--json"]).stdout)
    assert found["marks"]["largest_batch"]["kind"] == "at most"


def test_analyze_json_has_the_promised_rows() -> None:
    report = json.loads(
        run_process("analyze", "resnet50", "--json", "--set", "classes=10", "--size", "H=256", "--batch", "4")
    )
    assert report["sizes"] == {"H": 256, "W": 224}
    assert report["inputs"] == {"image": [3, 256, 224]}
    assert report["outputs"] == {"output": [10]}
    assert report["parameters"] == {"trainable": 23528522, "frozen": 0, "buffers": 53120}
    assert report["paths"]["block"]["by_length"]["1"] == 16
    assert report["activations"]["bytes_fp32"] == 16 * report["activations"]["elements"]


def test_analyze_prints_numbers_of_any_length() -> None:
    output = run_process("analyze", "residual_mlp", "--set", "blocks=20000", "--max-nodes", "200000")
    assert "2^20000" in output
    report = json.loads(run_process("analyze", "residual_mlp", "--set", "blocks=1001", "--json"), parse_int=str)
    assert report["paths"]["block"]["total"] == str(2**1001)


def test_a_model_is_no_spec(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"\x08\xff")
    assert "this is an ONNX model, not a spec" in run_process("check", "model.onnx", expect=2, cwd=tmp_path)


def test_the_largest_batch_that_fits() -> None:
    """One sample more is beyond the budget, by the same memory as `--batch` counts."""
    found = json.loads(run_process("analyze", "resnet18", "--memory", "--fits", "2GB", "--json"))["largest_batch"]
    assert found["bytes"] == 2 * 10**9
    totals = [
        json.loads(run_process("analyze", "resnet18", "--memory", "--batch", batch, "--json"))["memory"]
        for batch in (found["batch"], found["batch"] + 1)
    ]
    assert totals[0]["training_total_bytes"] <= found["bytes"] < totals[1]["training_total_bytes"]
    assert "not even one sample" in run_process("analyze", "resnet18", "--memory", "--fits", "1kB")
    assert "--fits goes with --memory" in run_process("analyze", "resnet18", "--fits", "2GB", expect=2)
    assert "is no number" in run_process("analyze", "resnet18", "--memory", "--fits", "much", expect=2)
