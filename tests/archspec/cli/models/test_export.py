"""The command `export` with its options: precision, calibration, explanation, and what does not go together."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.support.commands import archspec, refuse


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network, trained for two passes."""
    folder = tmp_path_factory.mktemp("digits") / "run"
    words = ("--data", "digits", "--epochs", "2", "--set", "widths=[4,8,16]", "--json")
    archspec("train", "resnet_digits", *words, "-o", folder)
    return folder


def trained(run: Path) -> tuple[str | Path, ...]:
    return ("export", run / "spec.yaml", "--weights", run / "weights.safetensors")


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
@pytest.mark.parametrize("io", ["same", "fp32"])
def test_half_precision(precision: str, io: str, run: Path, tmp_path: Path) -> None:
    model = tmp_path / "half.onnx"
    found = archspec(*trained(run), "--precision", precision, "--io", io, "-o", model, "--json")
    assert found["precision"] == precision
    assert found["files"] == [found["file"]] == [str(model)]
    assert found["proof"]["worst"] < (2e-2 if precision == "fp16" else 1e-1)
    kind = onnx.load(model).graph.input[0].type.tensor_type.elem_type
    half = onnx.TensorProto.FLOAT16 if precision == "fp16" else onnx.TensorProto.BFLOAT16
    assert kind == (half if io == "same" else onnx.TensorProto.FLOAT)


def test_a_half_precision_file_answers_for_pictures(run: Path, tmp_path: Path) -> None:
    model = tmp_path / "half.onnx"
    archspec(*trained(run), "--precision", "fp16", "-o", model)
    pictures = [tmp_path / "a.npy"]
    np.save(pictures[0], np.random.default_rng(0).standard_normal((1, 8, 8)).astype(np.float32))
    rows = archspec("run", model, *pictures, "--provider", "cpu", "--json")
    assert 0 <= rows[0]["probability"] <= 1


def test_int8_learns_ranges_from_a_data_set_and_says_what_it_lost(run: Path, tmp_path: Path) -> None:
    model = tmp_path / "int8.onnx"
    words = ("--precision", "int8", "--data", "digits", "--max-drop", "0.5%", "-o", model)
    found = archspec(*trained(run), *words, "--json")
    quantization = found["quantization"]
    assert quantization["loss"]["outputs"][-1]["metric"] == "accuracy"
    assert quantization["loss"]["drop"] <= 0.005
    assert quantization["data"] == "digits"
    said = {item.key: item.value for item in onnx.load(model).metadata_props}
    assert said["archspec.precision"] == "int8"
    assert '"accuracy"' in said["archspec.int8"]
    assert "accuracy on 360 images held out: " in archspec(*trained(run), *words)
    assert "verified" in archspec("verify", model, "--against", run / "spec.yaml", run / "weights.safetensors")


def test_symmetric_int8_for_tensorrt(run: Path, tmp_path: Path) -> None:
    model = tmp_path / "int8.onnx"
    archspec(*trained(run), "--precision", "int8", "--data", "digits", "--for", "tensorrt", "-o", model)
    kinds = {item.data_type for item in onnx.load(model).graph.initializer if item.name.endswith("zero_point")}
    assert onnx.TensorProto.UINT8 not in kinds


def test_every_pass_is_explained(tmp_path: Path) -> None:
    words = ("densenet_bc_100_12", "--set", "layers=4", "--no-verify", "--explain", "-o", tmp_path / "m.onnx")
    plain = archspec("export", *words)
    assert "fold affine back" in plain
    assert "off the fast path" in plain
    found = archspec("export", *words, "--for", "cpu", "--json")
    assert found["slow"] == []
    done = {step["pass"]: step["done"] for step in found["passes"]}
    assert any("filled up to 16" in note["text"] for note in done["fill channels"])
    assert all(step["rule"] for step in found["passes"])


def test_an_optimized_file_lies_beside(tmp_path: Path) -> None:
    found = archspec("export", "resnet_digits", "--optimized", "-o", tmp_path / "m.onnx", "--json")
    assert Path(found["optimized"]).is_file()
    assert "settings" in archspec("bench", tmp_path / "m.onnx", "--batch", "1", "--seconds", "0.1", "--json")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--precision", "int8"), "int8 learns its ranges from images"),
        (("--precision", "int8", "--data", ""), "int8 learns its ranges from images"),
        (("--data", "digits"), "--data is read by --precision int8 and by --monte-carlo T alone"),
        (("--max-drop", "0.5%"), "--max-drop is read by --precision int8 alone"),
        (("--reduce-range",), "--reduce-range is read by --precision int8 alone"),
        (("--ground", "white"), "--ground is read by --precision int8 alone"),
        (("--precision", "int8", "--data", "digits", "--ground", "pink"), "a ground is white, black"),
        (("--precision", "int8", "--data", "digits", "--max-drop", "two"), "--max-drop is a share below 1"),
        (("--precision", "int8", "--data", "nowhere"), "nowhere"),
        (("--precision", "fp8"), "fp8"),
        (("--for", "gpu"), "gpu"),
    ],
)
def test_what_does_not_go_together_is_refused(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    refuse(message, "export", "resnet_digits", *words, "-o", tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_is_printed_says_what_it_is_of(run: Path, tmp_path: Path) -> None:
    text = archspec(*trained(run), "-o", tmp_path / "a.onnx")
    assert text.count("differences are parts of an output's largest value, of which 0.0001 is allowed") == 1
    assert "next: archspec tune" in text
    half = archspec(*trained(run), "--precision", "bf16", "-o", tmp_path / "b.onnx")
    assert "no CPU, this machine's neither, runs bf16 in ONNX Runtime" in half
    assert "tune" not in half
    weights = run / "weights.safetensors"
    vote = archspec(*trained(run), weights, "--combine", "vote", "-o", tmp_path / "c.onnx")
    assert "differences are shares of the positions" in vote


@pytest.mark.parametrize(("share", "told"), [("0.5", "50"), ("50%", "50"), ("0.5%", None), ("0.05", None)])
def test_a_bound_that_bounds_nothing_is_told(
    share: str, told: str | None, run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = ("--precision", "int8", "--data", "digits", "--max-drop", share, "--no-verify")
    text = archspec(*trained(run), *words, "-o", tmp_path / "int8.onnx")
    warning = f"int8 may lose {told} points of 100 in each metric, by max_drop; half a point is 0.5%, or 0.005"
    assert [said for said in caplog.messages if "points" in said] == ([warning] if told else [])
    assert re.search(r"accuracy on 360 images held out: 0\.\d{4} → 0\.\d{4} \([+-]\d+\.\d\d points\)", text)


@pytest.mark.parametrize("ending", [".pt", ".pth", ".safetensors", ".yaml", ".npz", ".png", ".SVG"])
def test_a_name_of_another_kind_is_refused(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"m{ending}"
    message = f"is to hold an ONNX model, and {ending.lower()} says something else: name it m.onnx"
    refuse(message, "export", "residual_mlp", "-o", path, "--force")
    assert not path.exists()


def test_other_endings_say_nothing(tmp_path: Path) -> None:
    for name in ("m", "m.ONNX", "m.bin", "v1.2"):
        archspec("export", "residual_mlp", "-o", tmp_path / name, "--no-verify")
    other = {
        "weights": ("weights", "convert", "w.pth", "--to", "residual_mlp"),
        "arrays": ("run", tmp_path / "m", "x.npy"),
    }
    for what, words in other.items():
        refuse(f"is to hold {what}, and .onnx says something else", *words, "-o", tmp_path / "x.onnx")
