"""Commands on weights, as a user types them: conversion, and ensembles of several files in one."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

from archspec.api import elaborate, load, to_torch
from archspec.cli.commands import repeat_options
from archspec.cli.ending import COULD_NOT
from archspec.cli.main import app
from archspec.weights import read_weights
from runtime.data.registry import describe_data, load_data
from runtime.evaluation.monte_carlo import sample_states
from runtime.weights.safetensors_file import save_weights
from tests.support.lowering import TOLERANCE, difference, run_onnx, stir
from tests.support.torchvision_models import import_torchvision_models

TINY = {"widths": [4, 4, 4]}
SET = ("--set", "widths=[4,4,4]")


def archspec(*words: str | Path, expect: int = 0) -> str:
    """Run a command; what it printed, or the message of the mistake that ended it."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    failed = result.exception is not None and not isinstance(result.exception, SystemExit)
    assert (COULD_NOT if failed else result.exit_code) == expect, result.output or result.exception
    return " ".join(f"{result.exception}".split()) if failed else result.output


def in_words(output: str) -> str:
    """What stands in the boxes that usage errors are drawn in."""
    return " ".join(output.replace("│", " ").split())


@pytest.fixture
def members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Three files of weights for a tiny resnet_digits, as `archspec train` leaves them."""
    monkeypatch.chdir(tmp_path)
    graph, facts = elaborate(load("resnet_digits", TINY)), describe_data(load_data("digits"))
    paths = [Path(f"{name}.safetensors") for name in "abc"]
    for seed, path in enumerate(paths):
        save_weights(path, stir(to_torch(graph, seed=seed), seed).state_dict(), facts)
    return paths


@pytest.mark.parametrize(
    ("words", "expanded"),
    [
        ("x --weights a.safetensors b.safetensors -o m", "x --weights a.safetensors --weights b.safetensors -o m"),
        ("x --weights a b.safetensors", "x --weights a --weights b.safetensors"),
        ("--weights a.safetensors x", "--weights a.safetensors x"),
        ("--weights a.pth b.pt c.bin x", "--weights a.pth --weights b.pt --weights c.bin x"),
        ("--weights a.safetensors x b.safetensors", "--weights a.safetensors x b.safetensors"),
        ("--weights a.safetensors --weights b.safetensors", "--weights a.safetensors --weights b.safetensors"),
        ("--weights=a.safetensors x", "--weights=a.safetensors x"),
        ("x --weights a.safetensors -- b.safetensors", "x --weights a.safetensors -- b.safetensors"),
        ("-- --weights a.safetensors b.safetensors", "-- --weights a.safetensors b.safetensors"),
        ("--weights a.safetensors -b.safetensors", "--weights a.safetensors -b.safetensors"),
        ("x --weights", "x --weights"),
        ("", ""),
    ],
)
def test_files_behind_one_option(words: str, expanded: str) -> None:
    assert repeat_options(words.split(), ["--weights"]) == expanded.split()


def test_a_file_with_a_space_stays_one_word() -> None:
    words = ["--weights", "my a.safetensors", "my b.safetensors"]
    assert repeat_options(words, ["--weights"]) == ["--weights", "my a.safetensors", "--weights", "my b.safetensors"]


@pytest.mark.parametrize("how", ["mean", "vote"])
def test_one_file_of_several(how: str, members: list[Path]) -> None:
    """In a process of its own; then by numpy, from the members' own files."""
    words = ["export", "resnet_digits", *SET, "--weights", *members, "--combine", how, "-o", "all.onnx", "--json"]
    done = subprocess.run([sys.executable, "-m", "archspec", *map(str, words)], capture_output=True, check=True)
    row = json.loads(done.stdout)
    assert (row["members"], row["combine"], row["trained"]) == (3, how, True)
    assert row["proof"]["worst"] < 1e-3
    repeated = [word for path in members for word in ("--weights", path)]
    archspec("export", "resnet_digits", *SET, *repeated, "--combine", how, "-o", "again.onnx", "--no-verify")
    assert Path("again.onnx").read_bytes() == Path("all.onnx").read_bytes()

    inputs = {"image": load_data("digits").held_out.images[:50].astype(np.float32)}
    own = []
    for path in members:
        archspec("export", "resnet_digits", *SET, f"--weights={path}", "-o", "one.onnx", "--no-verify")
        own.append(run_onnx(Path("one.onnx"), inputs)["output"])
    votes = np.mean([np.eye(10)[logits.argmax(1)] for logits in own], axis=0)
    expected = {"output": np.mean(own, axis=0) if how == "mean" else votes.astype(np.float32)}
    found = run_onnx(Path("all.onnx"), inputs)
    assert difference(expected, found) <= TOLERANCE
    two = np.mean(own[:2], axis=0) if how == "mean" else np.mean([np.eye(10)[a.argmax(1)] for a in own[:2]], axis=0)
    assert difference({"output": two.astype(np.float32)}, found) > 10 * TOLERANCE

    np.save("digit.npy", inputs["image"][0])
    (prediction,) = json.loads(archspec("run", "all.onnx", "digit.npy", "--top", "10", "--json"))
    shares = [item["probability"] for item in prediction["top"]]
    assert sum(shares) == pytest.approx(1)
    if how == "vote":
        assert shares == pytest.approx(sorted(votes[0], reverse=True))


def test_statistics_of_batches_make_an_ensemble(members: list[Path]) -> None:
    options = ("--monte-carlo", "3", "--data", "digits", "--mc-batch", "16", "--seed", "5")
    for name in ("one.onnx", "two.onnx"):
        output = archspec("export", "resnet_digits", *SET, "--weights", members[0], *options, "-o", name)
        assert "mean of 3 members" in output
    assert Path("one.onnx").read_bytes() == Path("two.onnx").read_bytes()

    data = load_data("digits")
    module = stir(to_torch(elaborate(load("resnet_digits", TINY))), 0)
    images = data.held_out.images[:20].astype(np.float32)

    def mean_of(seed: int) -> np.ndarray[Any, Any]:
        answers = []
        for state in sample_states(module, data, 3, 16, seed):
            twin = to_torch(elaborate(load("resnet_digits", TINY)))
            twin.load_state_dict(state)
            with torch.no_grad():
                answers.append(twin.eval()(torch.from_numpy(images)).numpy())
        return np.mean(answers, axis=0)

    found = run_onnx(Path("one.onnx"), {"image": images})
    assert difference({"output": mean_of(5)}, found) <= TOLERANCE
    assert difference({"output": mean_of(6)}, found) > 10 * TOLERANCE


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--weights", "a.safetensors", "--combine", "mean"), 2, "several files of weights, of which one was given"),
        (("--combine", "vote"), 2, "of which none was given"),
        (("--weights", "a.safetensors", "b.safetensors"), 2, "say --combine mean or --combine vote"),
        (("--weights", "a.safetensors", "b.safetensors", "--combine", "median"), 2, "mean or vote, found 'median'"),
        (("--weights", "a.safetensors", "nowhere.safetensors", "--combine", "mean"), 2, "nowhere.safetensors does not"),
        (("--weights=a.safetensors", "b.safetensors"), 2, "unexpected extra argument"),
        (("--monte-carlo", "3"), 2, "needs --data"),
        (("--monte-carlo", "1", "--data", "digits"), 2, "--monte-carlo"),
        (("--data", "digits"), 2, "--data is read by --precision int8 and by --monte-carlo T alone"),
        (("--mc-batch", "8"), 2, "--mc-batch is read by --monte-carlo T alone"),
        (("--weights", "a.safetensors", "--seed", "0"), 2, "--seed is read by fresh weights and by --monte-carlo T"),
        (
            ("--weights", "a.safetensors", "b.safetensors", "--monte-carlo", "3", "--data", "digits"),
            2,
            "samples the statistics of one network",
        ),
        (("--monte-carlo", "2", "--data", "digits", "--mc-batch", "100000"), 2, "images, found 100000"),
        (
            ("--weights", "a.safetensors", "--monte-carlo", "2", "--data", "digit_maps"),
            2,
            "trained on other images than those of digit_maps",
        ),
        (
            ("--weights", "a.safetensors", "b.safetensors", "--combine", "mean", "--set", "classes=3"),
            2,
            "a.safetensors:",
        ),
    ],
)
@pytest.mark.usefixtures("members")
def test_what_makes_no_ensemble_is_said(words: tuple[str, ...], code: int, message: str) -> None:
    output = archspec("export", "resnet_digits", *SET, *words, "-o", "m.onnx", expect=code)
    assert message in in_words(output)
    assert not Path("m.onnx").exists()


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("theirs") / "resnet18.pth"
    torch.save(import_torchvision_models().resnet18(weights=None).state_dict(), path)
    return path


def test_convert_then_export(resnet18: Path, tmp_path: Path) -> None:
    weights, model = tmp_path / "w.safetensors", tmp_path / "m.onnx"
    output = archspec("weights", "convert", resnet18, "--to", "resnet18", "-o", weights)
    assert "102 weights by the names of torchvision" in output
    assert "20 counters of batches (num_batches_tracked) are left out" in output
    assert "--preprocess NAME says it (IMAGENET1K_V1, " in output
    again = tmp_path / "again.safetensors"
    row = json.loads(
        archspec("weights", "convert", resnet18, "--to", "resnet18", "-o", again, "--from", "torchvision", "--json")
    )
    assert row["file"] == str(again)
    assert (row["sources"], row["converted"], len(row["ignored"])) == (["torchvision"], 102, 20)
    assert row["missing"] == row["wrong_shape"] == row["unused"] == []
    (arrays, facts), (others, fewer) = read_weights(again), read_weights(weights)
    assert {name: array.tobytes() for name, array in arrays.items()} == {
        name: array.tobytes() for name, array in others.items()
    }
    assert facts.keys() - fewer.keys() == {"archspec.preprocess"}  # timm prepares pictures for its own otherwise
    assert row["preprocess"] == json.loads(facts["archspec.preprocess"])
    assert row["classes"] == 1000
    exported = json.loads(
        archspec("export", "resnet18", "--size", "H=32", "--size", "W=32", "--weights", weights, "-o", model, "--json")
    )
    assert exported["proof"]["worst"] <= 1e-4


@pytest.mark.parametrize("zipped", [True, False])
def test_torchs_own_file_of_a_network_simply_works(
    zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is, and converted; both models hold the numbers that torch saved."""
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text("archspec: 1\ninputs: {x: [2]}\nnetwork: [linear: 3]\n", encoding="utf-8")
    state = to_torch(elaborate(load("net.yaml")), seed=1).state_dict()
    torch.save(state, "w.pth", _use_new_zipfile_serialization=zipped)
    archspec("export", "net.yaml", "--weights", "w.pth", "-o", "a.onnx")
    output = archspec("weights", "convert", "w.pth", "--to", "net.yaml", "-o", "w.safetensors")
    assert "2 weights by the names of archspec" in output
    archspec("export", "net.yaml", "--weights", "w.safetensors", "-o", "b.onnx")
    assert Path("a.onnx").read_bytes() == Path("b.onnx").read_bytes()
    x = np.array([[0.25, -2.0]], np.float32)
    expected = x @ state["linear_0.weight"].numpy().T + state["linear_0.bias"].numpy()
    np.testing.assert_allclose(run_onnx(Path("a.onnx"), {"x": x})["output"], expected, rtol=1e-6)


@pytest.mark.usefixtures("members")
def test_the_params_that_weights_fit_are_named() -> None:
    words = ("export", "resnet_digits", "--weights", "a.safetensors", "-o", "m.onnx")
    message = archspec(*words, expect=2)
    assert message.startswith("a.safetensors: the weights do not fit resnet_digits: conv_0.weight should be (")
    assert message.endswith("; they fit with --set widths='[4,4,4]'")
    archspec(*words, "--set", shlex.split(message.rpartition("--set ")[2])[0], "--no-verify")
    against = ("--against", "resnet_digits", "a.safetensors")
    assert "they fit with --set" in archspec("verify", "m.onnx", *against, expect=2)


@pytest.mark.usefixtures("members")
def test_the_command_that_takes_a_prefix_away_is_whole() -> None:
    """Of a spec with other params; the same file without a prefix needs no command."""
    arrays, facts = read_weights("a.safetensors")
    save_weights("hf.safetensors", {f"model.{name}": array for name, array in arrays.items()}, facts)
    words = ("--set", "widths=[4,4,4]", "-o", "m.onnx", "--no-verify")
    message = archspec("export", "resnet_digits", "--weights", "hf.safetensors", *words, expect=2)
    command = re.search(r"all names begin with 'model\.': `archspec (.*)` takes it away$", message)
    assert command
    archspec(*shlex.split(command[1]))
    archspec("export", "resnet_digits", "--weights", "hf.converted.safetensors", *words)
    archspec("export", "resnet_digits", "--weights", "a.safetensors", *words[:2], "-o", "own.onnx", "--no-verify")
    assert Path("m.onnx").read_bytes() == Path("own.onnx").read_bytes()


def test_the_spec_beside_weights_is_named(members: list[Path]) -> None:
    Path("run").mkdir()
    members[0].rename("run/weights.safetensors")
    Path("run/spec.yaml").write_text("archspec: 1\nextends: resnet_digits\nparams: {widths: [4, 4, 4]}\n")
    words = ("--weights", "run/weights.safetensors", "-o", "m.onnx")
    message = archspec("export", "residual_mlp", *words, expect=2)
    assert message.endswith("; they fit run/spec.yaml, which lies beside them")
    archspec("export", "run/spec.yaml", *words, "--no-verify")


def test_sizes_are_those_of_training(members: list[Path]) -> None:
    """Unless others are chosen; and int8 then learns from images of that size."""
    spec = Path("larger.yaml")
    spec.write_text("archspec: 1\nextends: resnet_digits\nparams: {widths: [4, 4, 4]}\nsizes: {H: 32, W: 8}\n")
    words = ("export", spec, "--weights", members[0], "-o", "m.onnx")
    assert "  H = 8, as in training; --size chooses others\n" in archspec(*words, "--no-verify")
    assert json.loads(archspec(*words, "--no-verify", "--json"))["sizes_of_training"] == {"H": 8}
    model = onnx.load("m.onnx")
    sizes = json.loads(next(item.value for item in model.metadata_props if item.key == "archspec.sizes"))
    assert (sizes["H"]["value"], sizes["W"]["value"]) == (8, 8)
    assert "as in training" not in archspec(*words, "--no-verify", "--size", "H=16")
    assert "as in training" not in archspec("export", spec, "-o", "m.onnx", "--no-verify")
    int8 = archspec(*words, "--precision", "int8", "--data", "digits")
    assert "accuracy on 360 images held out: " in int8


def test_nothing_is_written_where_something_does_not_match(resnet18: Path, tmp_path: Path) -> None:
    weights = tmp_path / "w.safetensors"
    message = archspec("weights", "convert", resnet18, "--to", "resnet34", "-o", weights, expect=2)
    assert "does not fit resnet34" in message
    assert "and 75 more" in message
    row = json.loads(
        archspec(
            *("weights", "convert", resnet18, "--to", "resnet18", "--set", "classes=10", "-o", weights, "--json"),
            expect=2,
        )
    )
    assert row["file"] is None
    assert [item["name"] for item in row["wrong_shape"]] == ["linear_0.weight", "linear_0.bias"]
    assert list(tmp_path.iterdir()) == []


def test_the_next_command_has_the_same_params_and_sizes(resnet18: Path, tmp_path: Path) -> None:
    options = ("--set", "classes=1000", "--set", "depths=[2, 2, 2, 2]", "--size", "H=64", "--size", "W=64")
    output = archspec("weights", "convert", resnet18, "--to", "resnet18", *options, "-o", tmp_path / "w.safetensors")
    command = shlex.split(output.split("next: archspec ")[1])
    archspec(*command, "-o", tmp_path / "m.onnx", "--no-verify")
    assert [word for word in command if "=" in word] == ["classes=1000", "depths=[2, 2, 2, 2]", "H=64", "W=64"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("nowhere.pth", "--to", "resnet18", "-o", "w.safetensors"), 2, "nowhere.pth does not exist"),
        (("nowhere.pth", "--to", "resnet19", "-o", "w.safetensors"), 2, "did you mean 'resnet1"),
        (("nowhere.pth", "--to", "resnet18"), 2, "Missing option '--output'"),
        (("nowhere.pth", "-o", "w.safetensors"), 2, "Missing option '--to'"),
    ],
)
def test_what_cannot_be_converted_is_said(words: tuple[str, ...], code: int, message: str) -> None:
    assert message in in_words(archspec("weights", "convert", *words, expect=code))


def test_the_group_has_help() -> None:
    for words in (("weights", "--help"), ("weights", "convert", "--help")):
        assert "convert" in archspec(*words)
