"""shattering, surface and lesion, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from archspec.cli.experiments.shattering import split_variant
from archspec.cli.main import app
from compiler.passes.remove_bodies import RemoveBodies, find_bodies
from runtime.training.run import Run, build_module
from tests.support.commands import archspec, refuse
from tests.support.lowering import run_onnx, run_torch
from tests.support.runs import train_digits

FIGURE = str(Path(__file__).parents[3] / "docs/analysis/figure_11_3.yaml")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that has its plain twin in it, trained by the command."""
    run = train_digits(tmp_path_factory.mktemp("run"))
    archspec("lesion", run.folder, "--plain", "train", "--threads", "1")
    return run


def test_shattering(tmp_path: Path) -> None:
    picture = tmp_path / "new" / "curves.svg"
    words = ("shattering", f"{FIGURE}:layers=1,width=40", f"{FIGURE}:layers=12,width=40", "--seeds", "3")
    more = ("--points", "33", "--span", "2", "--set", "inputs=10", "--threads", "1")
    rows = archspec(*words, *more, "--json", "-o", picture)
    assert [row["name"] for row in rows] == [
        "figure_11_3 layers=1 width=40",
        "figure_11_3 layers=12 width=40",
    ]
    assert rows[0]["inputs"] == 10
    assert rows[0]["distances"][-1] == 1
    assert rows[0]["correlation"][8] > rows[1]["correlation"][8] + 0.2
    assert "figure_11_3 layers=12" in ElementTree.parse(picture).findtext("{*}desc", "")
    text = archspec(*words, *more)
    assert "beyond" in text
    assert "root mean square" in text


def test_a_spec_may_stand_with_its_params() -> None:
    assert split_variant("resnet18") == ("resnet18", [], "resnet18")
    assert split_variant("a/net.yaml:depths=[1,2],width=3") == (
        "a/net.yaml",
        ["depths=[1,2]", "width=3"],
        "net depths=[1,2] width=3",
    )
    assert split_variant("C:\\nets\\net.yaml")[0] == "C:\\nets\\net.yaml"
    assert split_variant("C:\\nets\\net.yaml:n=1")[:2] == ("C:\\nets\\net.yaml", ["n=1"])


def test_surface(run: Run, tmp_path: Path) -> None:
    picture = tmp_path / "surface.svg"
    words = ("surface", run.folder, run.folder / "plain", "--points", "5", "--images", "64", "--threads", "1")
    rows = archspec(*words, "--json", "-o", picture)
    assert [row["name"] for row in rows] == ["resnet_digits", "resnet_digits_plain"]
    assert np.array(rows[0]["losses"]).shape == (5, 5)
    assert rows[0]["losses"][2][2] == rows[0]["centre"]
    assert rows[0]["images"] == 64
    assert "resnet_digits_plain" in ElementTree.parse(picture).findtext("{*}desc", "")
    text = archspec(*words)
    assert "over 64 training images, on 5 × 5 points" in text
    alike = archspec("surface", run.folder, run.folder, "--points=3", "--held-out", "--span=0.1", "--json")
    assert [row["name"] for row in alike] == [str(run.folder)] * 2, "of one name, so by their folders"
    assert alike[0]["part"] == "test"


def test_lesion_with_its_twin(run: Run, tmp_path: Path) -> None:
    picture = tmp_path / "lesion.svg"
    found = archspec("lesion", run.folder, "--plain", run.folder / "plain", "--json", "-o", picture)
    assert [len(found[key]["removals"]) for key in ("lesion", "plain")] == [6, 10], "two of its twelve layers stride"
    assert "choice" not in found
    assert found["plain"]["removals"][0]["name"] == "repeat_0.stage0.basic_block_0.when_0.conv_0"
    assert "resnet_digits_plain" in ElementTree.parse(picture).findtext("{*}desc", "")
    text = archspec("lesion", run.folder)
    assert "repeat_0.stage1.basic_block_0.residual_0" in text
    assert "its shortcut" in text


def test_the_twin_is_trained_as_the_run_was(run: Run) -> None:
    twin = Run.open(run.folder / "plain")
    assert json.loads(twin.metadata["archspec.settings"]) == json.loads(run.metadata["archspec.settings"])
    assert twin.data.name == run.data.name
    assert not find_bodies(twin.graph)


def test_blocks_to_skip_become_a_smaller_file(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file gives what torch gives without these bodies, and says of itself what the whole model would, and more."""
    monkeypatch.setattr("runtime.experiments.pruning.TIMED_SECONDS", 0.05)
    model = tmp_path / "small.onnx"
    found = archspec("lesion", run.folder, "--max-drop", "20%", "--model", model, "--json", "--threads", "1")
    choice, files = found["choice"], found["files"]
    assert choice["left_out"]
    assert choice["budget"] == 0.2
    assert choice["train"]["after"] >= choice["train"]["before"] - 0.2
    assert choice["macs"]["after"] < choice["macs"]["before"]
    assert files["bytes"]["after"] == model.stat().st_size < files["bytes"]["before"]
    assert set(files["time_ratio"]) == {"1", "32"}
    facts = {item.key: item.value for item in onnx.load(model).metadata_props}
    assert json.loads(facts["archspec.left_out"]) == choice["left_out"]
    assert json.loads(facts["archspec.classes"]) == [str(number) for number in range(10)]
    assert {"archspec.preprocess", "archspec.task", "archspec.graph"} <= facts.keys()
    parts = find_bodies(run.graph)
    images = {"image": run.data.test.images}
    after, weights = RemoveBodies(tuple(parts[name] for name in choice["left_out"]))(run.graph, run.weights)
    expected = run_torch(after, build_module(after, weights), images)["output"]
    np.testing.assert_allclose(run_onnx(model, images)["output"], expected, atol=1e-4 * np.abs(expected).max())
    whole = run_torch(run.graph, build_module(run.graph, run.weights), images)["output"]
    assert np.abs(whole - expected).max() > 0.01 * np.abs(expected).max(), "the control: the whole network"
    assert choice["test"]["after"] == pytest.approx((expected.argmax(1) == run.data.test.labels).mean())
    text = archspec("lesion", run.folder, "--max-drop", "0.99", "--model", model, "--threads", "1")
    assert f"wrote {model}" in text
    assert "6 of 6 parts can go within 0.99 of the accuracy" in text


def test_an_interrupted_command_leaves_no_file(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*words: Any, **more: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("runtime.experiments.surface.walk", stop)
    monkeypatch.setattr("runtime.export.export._prove", stop)
    for words in (
        ("surface", run.folder, "-o", "s.svg"),
        ("lesion", run.folder, "--max-drop=50%", "--model", "m.onnx"),
    ):
        *words, name = map(str, words)
        result = CliRunner().invoke(app, [*words, str(tmp_path / name)])
        assert result.exit_code == 130
    assert not list(tmp_path.iterdir())


def test_what_is_refused(run: Run, tmp_path: Path) -> None:
    twin = run.folder / "plain"
    refuse("takes 1×8×8; a line through the inputs needs one vector", "shattering", "resnet_digits")
    refuse("did you mean 'mlp'?", "shattering", "mlpp")
    refuse("the spec has no `depth` in params", "shattering", "mlp:depth=3")
    refuse("name it FILE.svg", "shattering", "mlp", "-o", tmp_path / "curve.png")
    refuse("has no spec.yaml", "surface", tmp_path)
    refuse("--images is a number of training images", "surface", run.folder, "--images", "5", "--held-out")
    refuse("an odd number of points", "surface", run.folder, "--points", "4")
    refuse("name it FILE.svg", "lesion", run.folder, "-o", tmp_path / "x.pdf")
    refuse("give one", "lesion", run.folder, "--model", tmp_path / "small.onnx")
    refuse("a share below 1", "lesion", run.folder, "--max-drop", "2")
    refuse("has no weights.safetensors", "lesion", run.folder, "--plain", _without_weights(run, tmp_path / "bare"))
    refuse("has no `residual`", "lesion", twin, "--plain", "train")
    refuse(f"{twin} holds a run already: --plain {twin} measures", "lesion", run.folder, "--plain", "train")
    refuse(
        "can be left out within 0 of its accuracy",
        "lesion",
        twin,
        "--max-drop",
        "0",
        "--model",
        tmp_path / "small.onnx",
    )
    assert not list(tmp_path.glob("*.onnx"))


def _without_weights(run: Run, folder: Path) -> Path:
    folder.mkdir()
    (folder / "spec.yaml").write_bytes((run.folder / "spec.yaml").read_bytes())
    return folder
