"""`archspec verify`: exit codes, the words it prints, its JSON."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper
from typer.testing import CliRunner

from archspec.api import elaborate, load, to_onnx, to_torch
from archspec.bounds import MAX_WHOLE
from archspec.cli.main import app
from compiler.onnx_file.metadata import CONTENT
from runtime.weights.safetensors_file import save_weights
from tests.support.commands import archspec, refuse
from tests.support.models import build_double, save


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, its weights, others, and the model with one weight changed."""
    folder = tmp_path_factory.mktemp("verify")
    graph = elaborate(load("resnet_digits", {"widths": [4, 8, 8]}), {"H": 12})
    for name, seed in (("weights", 0), ("other", 1)):
        save_weights(folder / f"{name}.safetensors", to_torch(graph, seed=seed).state_dict(), {})
    to_onnx(graph, to_torch(graph, seed=0).state_dict(), folder / "m.onnx", verify=False)
    model = onnx.load(folder / "m.onnx")
    bias = next(item for item in model.graph.initializer if item.name == "linear_0.bias")
    array = numpy_helper.to_array(bias) + 0.5
    bias.CopyFrom(numpy_helper.from_array(array, bias.name))
    onnx.save(model, folder / "wrong.onnx")
    return folder


def fail(*words: str | Path, expect: int = 1) -> str:
    """What is printed by a command that finds something."""
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == expect, result.output
    return " ".join(result.output.split())


def against(folder: Path, weights: str = "weights") -> tuple[str | Path, ...]:
    return ("--against", "resnet_digits", folder / f"{weights}.safetensors", "--set", "widths=[4,8,8]")


def test_a_spec_whose_sizes_have_no_value_is_built_at_those_of_the_file(folder: Path) -> None:
    spec = folder / "open.yaml"
    spec.write_text("archspec: 1\nname: open\ninputs: {x: [1, H, W]}\nnetwork: [conv: {out: 2, kernel: 1}]\n")
    graph = elaborate(load(spec), {"H": 5, "W": 7})
    for name, seed in (("open", 0), ("closed", 1)):
        save_weights(folder / f"{name}.safetensors", to_torch(graph, seed=seed).state_dict(), {})
    to_onnx(graph, to_torch(graph, seed=0).state_dict(), folder / "open.onnx", verify=False)
    said = archspec("verify", folder / "open.onnx", "--against", spec, folder / "open.safetensors")
    assert "torch agrees to" in " ".join(said.split())
    assert "FAILED torch" in fail("verify", folder / "open.onnx", "--against", spec, folder / "closed.safetensors")


def test_a_sound_file_is_verified(folder: Path) -> None:
    said = archspec("verify", folder / "m.onnx")
    assert "size H" in said
    assert "(written for 12)" in said
    assert said.rstrip().endswith("\nverified")


def test_a_provider_is_a_demand(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert archspec("verify", folder / "m.onnx", "--provider", "cpu").rstrip().endswith("\nverified")
    monkeypatch.setattr("runtime.session.providers.list_available", lambda: ["CPUExecutionProvider"])
    words = ("verify", folder / "m.onnx", "--provider", "cuda")
    refuse("CUDA was asked for, but this onnxruntime has only: cpu", *words)
    refuse("no provider 'cudda'; did you mean 'cuda'", "verify", folder / "m.onnx", "--provider", "cudda")


def test_its_own_network_and_weights_agree(folder: Path) -> None:
    """Also the sizes that it was exported for, without being told."""
    said = " ".join(archspec("verify", folder / "m.onnx", *against(folder)).split())
    assert said.count("the file says that it was exported from these") == 2
    assert "ok torch agrees to" in said


def test_a_change_is_named(folder: Path) -> None:
    said = fail("verify", folder / "wrong.onnx", *against(folder))
    assert "FAILED torch" in said
    assert "first node linear_0 (linear)" in said
    assert "resnet_digits.yaml:" in said
    assert "10 of 10 numbers of linear_0.bias differ, by at most 0.5" in said
    assert said.endswith("not verified")


def test_a_changed_file_is_found_by_itself(folder: Path) -> None:
    assert "ok content graph and all" in " ".join(archspec("verify", folder / "m.onnx").split())
    said = fail("verify", folder / "wrong.onnx")
    assert "FAILED content this is not what was exported" in said
    assert said.count("FAILED") == 1
    assert "or, if it was changed on purpose, have it no longer say its content: python -c" in said
    assert "made it from an export" not in said


def test_other_weights_and_no_model_are_named(folder: Path) -> None:
    assert "exported from other weights" in fail("verify", folder / "m.onnx", *against(folder, "other"))
    assert "is a safetensors file, not an ONNX model" in fail("verify", folder / "weights.safetensors")
    assert "does not exist" in fail("verify", folder / "nowhere.onnx", expect=2)


def test_json_says_it_all(folder: Path) -> None:
    found = archspec("verify", folder / "m.onnx", *against(folder), "--json")
    assert set(found) == {"passed", "file", "checks", "bisection"}
    assert found["passed"] is True
    assert {check["status"] for check in found["checks"]} == {"passed"}
    result = CliRunner().invoke(app, ["verify", str(folder / "wrong.onnx"), *map(str, against(folder)), "--json"])
    assert result.exit_code == 1
    (wrong,) = json.loads(result.stdout)["bisection"]["differing"]
    assert wrong["node"] == "linear_0"
    assert wrong["weights"] == ["linear_0.weight", "linear_0.bias"]


def test_what_is_wrong_is_said(folder: Path) -> None:
    refuse("--set is read by --against", "verify", folder / "m.onnx", "--set", "classes=3")
    refuse("'--against' requires 2 arguments: SPEC WEIGHTS", "verify", folder / "m.onnx", "--against", "resnet_digits")
    refuse("no free size 'D' (free sizes: H, W; ", "verify", folder / "m.onnx", "--size", "D=3")
    fixed = save(build_double((2, 3)), folder / "fixed.onnx")
    refuse("fixed.onnx has no free first axis for a batch of 1 (", "verify", fixed, "--batch", "1")
    archspec("verify", fixed, "--batch", "2")
    refuse("did you mean", "verify", folder / "m.onnx", "--against", "resnet_digit", folder / "weights.safetensors")
    refuse("the weights do not fit", "verify", folder / "m.onnx", *against(folder)[:3])
    refuse("they fit with --set widths='[4,8,8]'", "verify", folder / "m.onnx", *against(folder)[:3])


def describe(folder: Path, target: Path, **facts: str) -> Path:
    """The model, saying something else of itself."""
    model = onnx.load(folder / "m.onnx")
    told = {item.key: item.value for item in model.metadata_props if item.key != CONTENT}
    onnx.helper.set_model_props(model, told | {f"archspec.{key}": value for key, value in facts.items()})
    onnx.save(model, target)
    return target


def test_what_a_file_says_of_itself_moves_no_cursor(folder: Path, tmp_path: Path) -> None:
    classes = json.dumps([f"\x1b[2Jclass {number}\n" for number in range(10)])
    model = describe(folder, tmp_path / "m.onnx", name="\x1b[31mred", classes=classes)
    said = archspec("verify", model)
    assert "\x1b" not in said
    assert "\\x1b[31mred" in said
    assert "\\x1b[2Jclass 0" in said


@pytest.mark.parametrize(("text", "message"), [("5", "must be a list of names"), ("[" * 100_000, "nested too deeply")])
def test_malformed_classes_are_refused(text: str, message: str, folder: Path, tmp_path: Path) -> None:
    assert message in fail("verify", describe(folder, tmp_path / "m.onnx", classes=text))


def test_json_takes_what_a_file_says_as_text_where_it_is_nested_too_deeply(folder: Path, tmp_path: Path) -> None:
    model = describe(folder, tmp_path / "m.onnx", int8="[" * 100_000)
    assert archspec("verify", model, "--json")["file"]["metadata"]["int8"].startswith("[[")


def test_no_size_that_a_file_names_takes_all_memory(folder: Path, tmp_path: Path) -> None:
    for size in ({"value": MAX_WHOLE}, {"value": 2**30, "first": 2**30, "step": 1}):
        model = describe(folder, tmp_path / "m.onnx", sizes=json.dumps({"H": size, "W": size}))
        for command in ("verify", "bench", "tune"):
            refuse("choose a smaller batch or size", command, model)
