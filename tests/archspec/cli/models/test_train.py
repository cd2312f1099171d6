"""train, export, evaluate and run on class maps and joints, as a user types them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from archspec.api import elaborate, load, to_onnx, to_torch
from archspec.cli.main import app
from runtime.recipes.document import read_recipe
from runtime.recipes.optimization import AdamW
from tests.support.commands import archspec, refuse

NETWORK = [
    {"conv": {"out": 8, "kernel": 7, "stride": 4}},
    "norm",
    "relu",
    {"residual": {"body": [{"conv": 8}]}},
    {"conv": 3},
]
HEATMAPS = {"archspec": 1, "inputs": {"image": [3, "H", "W"]}, "sizes": {"H": 64, "W": 64}, "network": NETWORK}


def write_spec(path: Path, document: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def train_and_export(spec: str | Path, run: Path, data: str, *words: str) -> Path:
    archspec("train", spec, "--data", data, "-o", run, "--epochs", "1", "--batch", "48", *words)
    model = run / "model.onnx"
    archspec("export", run / "spec.yaml", "--weights", run / "weights.safetensors", "-o", model)
    return model


def test_class_maps_the_whole_way(tmp_path: Path) -> None:
    run = tmp_path / "run"
    model = train_and_export("unet_bn", run, "digit_maps", "--set=channels=1", "--set=classes=11", "--set=widths=[4]")
    found = archspec("evaluate", run, "--monte-carlo", "2", "--mc-batch", "8", "--json")
    assert found["task"] == "maps"
    assert found["predictions"] == 120 * 32 * 32
    assert found["monte_carlo"]["passes"] == 2
    text = archspec("evaluate", run)
    assert "test mean iou" in text
    assert "of 122,880 pixels" in text
    samples = sorted((run / "samples").glob("*.png"))[:2]
    rows = archspec("run", model, *samples, "--json", "--pictures", tmp_path / "pictures", "-o", tmp_path / "kept.npz")
    assert [row["extents"] for row in rows] == [[32, 32]] * 2
    assert sum(share["share"] for share in rows[0]["shares"]) == pytest.approx(1)
    with np.load(tmp_path / "kept.npz") as kept, Image.open(tmp_path / "pictures" / "0-0.map.png") as drawn:
        assert np.array_equal(kept["0.answer"], kept["0.output"].argmax(0))
        assert np.array_equal(kept["0.answer"], np.asarray(drawn))
    table = archspec("run", model, *samples)
    assert "background" in table
    assert "32×32" in table
    refuse("one row of numbers, found (11, 32, 32) per image; --task names another task", "run", model, *samples,
           "--task", "labels")  # fmt: skip
    ignored = {"--top": ("run", model, *samples), "--mc-batch": ("evaluate", run)}
    for option, words in ignored.items():
        result = CliRunner().invoke(app, [*map(str, words), option, "5"])
        assert (result.exit_code, f"{option} is read by" in result.output) == (2, True), option


def test_joints_the_whole_way(tmp_path: Path) -> None:
    """The survival of a residual falls while it is trained."""
    document = HEATMAPS | {"defaults": {"residual": {"survival": 0.5}}}
    run = tmp_path / "run"
    model = train_and_export(write_spec(tmp_path / "heads.json", document), run, "digit_points", "--ramp-drop")
    found = archspec("evaluate", run, "--json")
    assert found["asked"] == "joints"
    assert {"pck_torch", "pck_onnx", "mean_distance_torch"} <= set(found)
    sample = run / "samples" / "0.png"
    rows = archspec("run", model, sample, "--json", "--pictures", tmp_path / "pictures")
    assert [joint["joint"] for joint in rows[0]["joints"]] == ["zero", "one", "two"]
    assert (tmp_path / "pictures" / "0-0.png").is_file()
    drawn = (tmp_path / "pictures" / "0-0.png").read_bytes()
    for read in (tmp_path / "pictures", tmp_path / "pictures" / "0-0.png"):
        refuse("--pictures would draw beside", "run", model, read, "--resize", "--pictures", tmp_path / "pictures")
    assert (tmp_path / "pictures" / "0-0.png").read_bytes() == drawn
    with Image.open(sample) as picture:
        picture.resize((128, 64), Image.Resampling.NEAREST).save(tmp_path / "wide.png")
    wide = archspec("run", model, tmp_path / "wide.png", "--json", "--resize")
    for joint, other in zip(rows[0]["joints"], wide[0]["joints"], strict=True):
        assert other["x"] == pytest.approx(2 * joint["x"] + 0.5, abs=5)
        assert other["y"] == pytest.approx(joint["y"], abs=5)
    assert "zero" in archspec("run", model, sample)
    weights = run / "weights.safetensors"
    refuse("averages probabilities", "evaluate", run, "--monte-carlo", "2")
    refuse("no stochastic depth", "train", "resnet_digits", "--data", "digits", "--ramp-drop", "-o", tmp_path / "no")
    assert weights.is_file()


def test_a_model_that_says_nothing_is_told_its_task(tmp_path: Path) -> None:
    """As for an hourglass whose weights come from elsewhere: a known network, an array, a task from the user."""
    graph = elaborate(load("hourglass2", {"features": 8, "joints": 3}), {"H": 64, "W": 64})
    model, array = tmp_path / "h.onnx", tmp_path / "x.npy"
    to_onnx(graph, to_torch(graph).state_dict(), model, verify=False)
    np.save(array, np.random.default_rng(0).standard_normal((2, 3, 64, 128)).astype(np.float32))
    kept = tmp_path / "kept.npz"
    rows = archspec("run", model, array, "--task", "joints", "--json", "-o", kept, "--pictures", tmp_path / "p")
    assert [row["path"] for row in rows] == [f"{array}[0]", f"{array}[1]"]
    first = archspec("run", model, array, "--task", "joints", "--output-name", "heatmap0", "--json")
    assert first != rows
    with np.load(kept) as numbers:
        for number, row in enumerate(rows):
            heatmaps = numbers[f"{number}.heatmap1"]
            for joint, heatmap in zip(row["joints"], heatmaps, strict=True):
                y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
                assert joint["joint"].startswith("joint ")
                assert abs(joint["x"] - (4 * x + 1.5)) <= 1
                assert abs(joint["y"] - (4 * y + 1.5)) <= 1
                assert joint["score"] == pytest.approx(heatmap.max())
    raw = archspec("run", model, array, "--json")
    assert set(raw[0]["outputs"]) == {"heatmap0", "heatmap1"}
    assert archspec("run", model, array, "--json", "--task", "raw") == raw
    refuse("--pictures needs a task, and the model does not say its own", "run", model, array, "--pictures", tmp_path)
    refuse("--pictures needs a task, and --task raw is none", "run", model, array, "--task=raw", "--pictures", tmp_path)
    refuse("--output-name needs a task", "run", model, array, "--output-name", "heatmap0")
    known = "(available: labels, maps, joints, raw)"
    refuse(f"no task 'joint'; did you mean 'joints'? {known}", "run", model, array, "--task", "joint")
    refuse("has no output 'heatmap2'", "run", model, array, "--task", "joints", "--output-name", "heatmap2")


def test_labels_keep_their_numbers_too(tmp_path: Path) -> None:
    run = tmp_path / "run"
    model = train_and_export("resnet_digits", run, "digits", "--set=widths=[4,4,4]")
    text = archspec("evaluate", run, "--monte-carlo", "2")
    assert "mean log-likelihood" in text
    sample = next((run / "samples").glob("*.png"))
    rows = archspec("run", model, sample, "-o", tmp_path / "kept.npz", "--json")
    with np.load(tmp_path / "kept.npz") as kept:
        logits = kept["output"]
        assert kept["answer"] == rows[0]["index"] == logits.argmax()
        assert rows[0]["probability"] == pytest.approx(np.exp(logits.max()) / np.exp(logits).sum())
    refuse("a label has no picture: leave --pictures out", "run", model, sample, "--pictures", tmp_path)
    members = tmp_path / "members.onnx"
    weights = run / "weights.safetensors"
    archspec("export", run / "spec.yaml", "--weights", weights, "--monte-carlo", "2", "--data", "digits", "-o", members)
    assert archspec("run", members, sample, "--json")[0]["label"] in "0123456789"


def test_a_spec_of_more_nodes_is_taken_by_whoever_is_told_how_many(tmp_path: Path) -> None:
    """Turns of a loop that leave nothing count too; the same commands without the option are the control."""
    idle = {"repeat": {"n": 100_001, "body": [{"when": {"test": False, "then": ["relu"]}}]}}
    layers = [idle, {"residual": {"body": [{"conv": 1}]}}, "global_avg_pool", "flatten", {"linear": 10}]
    spec = write_spec(tmp_path / "long.json", {"archspec": 1, "inputs": {"image": [1, 8, 8]}, "network": layers})
    run, more = tmp_path / "run", ("--max-nodes", "400000")
    model, weights = run / "model.onnx", run / "weights.safetensors"
    commands: list[tuple[str | Path, ...]] = [
        ("train", spec, "--data", "digits", "--epochs", "1", "--batch", "500", "-o", run),
        ("export", run / "spec.yaml", "--weights", weights, "-o", model, "--no-verify"),
        ("evaluate", run),
        ("surface", run, "--points", "3", "--images", "8"),
        ("lesion", run, "--plain", "train"),
        ("lesion", run, "--plain", run / "plain"),
    ]
    for words in commands:
        refuse("expands to more than 100,000 nodes; --max-nodes raises the bound", *words)
        said = archspec(*words, *more)
        assert words[0] != "train" or said.rstrip().endswith(f"-o {model} --max-nodes 400000")


def test_a_recipe_by_name_with_changed_keys(tmp_path: Path) -> None:
    """A name without a dot is the spec's param where it has one, and options of their own come last."""
    run = tmp_path / "run"
    settings = ["--set=widths=[4,4,4]", "--set=steps=2", "--set=optimizer.name=adamw", "--set=optimizer.lr=0.5"]
    words = ["train", "resnet_digits", "--data", "digits", "--recipe", "digits", "-o", run, *settings, "--lr", "0.01"]
    result = CliRunner().invoke(app, [*map(str, words)])
    assert result.exit_code == 0, result.output
    assert "`optimizer.name: adamw` begins `optimizer` anew" in result.output
    recipe = read_recipe(run / "recipe.yaml")
    assert (recipe.steps, recipe.epochs, recipe.loss.label_smoothing) == (2, None, 0.1)
    assert recipe.optimizer == AdamW(lr=0.01)
    assert load(run / "spec.yaml").params["widths"] == [4, 4, 4]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--recipe", "he2016"], "no recipe of this name; did you mean 'he2015'?"),
        (["--set", "lr=3"], "--set lr: neither the spec nor a recipe has it; here it is `optimizer.lr`"),
        (["--set", "optimizer.lrr=3"], "--set optimizer.lrr: error[unknown-field]"),
        (["--lr", "-1"], "--lr: error[bad-value]: `optimizer.lr` of a recipe should be above 0, found -1.0"),
        (["--fold", "x"], "--fold: error[bad-value]: `data.fold` of a recipe should be a part of several as K/N"),
        (["--recipe", "unet"], "digits are data for the task labels; what is wanted are data for the task maps"),
    ],
)
def test_recipes_that_do_not_fit_are_refused(tmp_path: Path, words: list[str], expected: str) -> None:
    refuse(expected, "train", "resnet_digits", "--data", "digits", "-o", tmp_path / "run", *words)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "data", "recipe", "settings"),
    [
        ("resnet_digits", "digits", "he2015", ["widths=[4,4,4]", "batch=8"]),
        ("resnet_digits", "digits", "fashion_mnist", ["widths=[4,4,4]", "batch=8"]),
        ("unet_bn", "digit_maps", "unet", ["channels=1", "classes=11", "widths=[4]"]),
        ("hourglass2", "digit_points", "hourglass", ["features=8", "joints=3", "batch=2"]),
    ],
)
def test_each_recipe_runs_by_name(spec: str, data: str, recipe: str, settings: list[str], tmp_path: Path) -> None:
    words = [word for setting in ("steps=2", *settings) for word in ("--set", setting)]
    archspec("train", spec, "--data", data, "--recipe", recipe, "-o", tmp_path / "run", *words)
    given, used = read_recipe(recipe).to_dict(), read_recipe(tmp_path / "run" / "recipe.yaml").to_dict()
    assert {key for key in given if given[key] != used[key]} <= {"steps", "epochs", "batch"}
