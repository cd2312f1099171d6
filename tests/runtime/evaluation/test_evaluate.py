"""A run's folder is evaluated whole; files that do not belong together are refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from archspec.api import elaborate, load, to_onnx, to_torch, train
from archspec.api import evaluate as archspec_evaluate
from archspec.cli.ending import FINDINGS
from archspec.cli.main import app
from archspec.errors import ArchspecError
from archspec.weights import read_weights
from compiler.onnx_file.metadata import DATA, PREPROCESS
from runtime.data.dataset import ArraySamples, Dataset
from runtime.data.registry import load_data
from runtime.evaluation.evaluate import Evaluation, EvaluationSettings, evaluate_run, save_samples
from runtime.pictures.preprocess import Preprocess
from runtime.pictures.reading import load_image
from runtime.prediction.predict import predict
from runtime.recipes.recipe import Recipe
from runtime.session.session import Session
from runtime.tasks.class_map import UNANSWERED
from runtime.training.module_outputs import evaluate_module
from runtime.training.run import Run
from runtime.training.run_folder import MODEL, WEIGHTS
from runtime.weights.safetensors_file import load_weights, save_weights

SHORT = Recipe(epochs=1, batch=48, threads=1)
QUICK = EvaluationSettings(providers=["cpu"], seconds=0.01)
LINEAR = {"archspec": 1, "name": "linear", "inputs": {"image": [1, 8, 8]}, "network": ["flatten", {"linear": 10}]}


def evaluate(folder: Path, **choices: Any) -> Evaluation:
    return evaluate_run(Run.open(folder), replace(QUICK, **choices))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that answers well, and its exported model."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "linear.json").write_text(json.dumps(LINEAR), encoding="utf-8")
    make_run(folder / "run", folder / "linear.json", {}, "digits", Recipe(epochs=3, threads=1))
    return folder / "run"


@pytest.fixture
def folder(tmp_path: Path, trained: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def test_a_run_is_evaluated_whole(folder: Path) -> None:
    found = evaluate(folder)
    test = load_data("digits").held_out
    trained = Run.open(folder).build_module()
    assert found.test_images == found.equal_predictions == 360
    accuracy = float((evaluate_module(trained, test)["output"].argmax(1) == test.labels).mean())
    assert found.scores_torch == found.scores_onnx == {"accuracy": accuracy}
    assert accuracy > 0.8
    assert (found.task, found.asked, found.predictions) == ("labels", "images", 360)
    assert 0 <= found.relative_difference < 1e-5
    assert found.largest_difference < 1e-4
    assert list(found.ms_per_image) == [1, 32]
    assert found.file_bytes == (folder / MODEL).stat().st_size
    assert (found.data, found.provider, found.notice) == ("digits", "cpu", None)
    assert Path(found.picture).stat().st_size > 1000
    row = json.loads(json.dumps(found.to_dict()))
    assert row["accuracy_torch"] == row["accuracy_onnx"] == accuracy
    assert "monte_carlo" not in row


def test_a_model_of_other_weights_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As one that was copied from another run, or was exported before training went on."""
    make_run(tmp_path, "resnet_digits", {"widths": [4, 4, 4]}, "digits")
    assert evaluate(tmp_path).same_weights is True
    assert caplog.messages == []
    graph = elaborate(load("resnet_digits", {"widths": [4, 4, 4]}))
    (tmp_path / MODEL).unlink()
    to_onnx(graph, to_torch(graph, seed=9).state_dict(), tmp_path / MODEL, verify=False)
    assert evaluate(tmp_path).same_weights is False
    (said,) = caplog.messages
    assert said.startswith(f"{tmp_path / MODEL} is of other weights than {tmp_path / WEIGHTS}; export it again: archsp")
    result = CliRunner().invoke(app, ["evaluate", str(tmp_path)])
    assert result.exit_code == FINDINGS


def test_pictures_of_ones_own_are_not_replaced(tmp_path: Path) -> None:
    make_run(tmp_path, "resnet_digits", {"widths": [4, 4, 4]}, "digits")
    drawn = evaluate(tmp_path)
    evaluate(tmp_path)  # the control: what it drew itself
    for path in map(Path, (drawn.picture, drawn.samples[3])):
        before = path.read_bytes()
        Image.new("L", (3, 3)).save(path)
        mine = path.read_bytes()
        with pytest.raises(ArchspecError, match="is there already, and does not hold a PNG of archspec's: move it"):
            evaluate(tmp_path)
        assert path.read_bytes() == mine
        path.write_bytes(before)


def test_places_that_are_no_run_are_told(folder: Path) -> None:
    with pytest.raises(ArchspecError, match=r"nothing does not exist: give the folder of a run"):
        archspec_evaluate(folder / "nothing")
    with pytest.raises(ArchspecError, match=rf"is a file: give the folder of the run, {folder}$"):
        archspec_evaluate(folder / MODEL)


def test_samples_are_the_datas_own_pixels_and_can_be_run(folder: Path) -> None:
    found = evaluate(folder)
    data = load_data("digits")
    assert len(found.samples) == 10
    for number, path in enumerate(found.samples):
        index = int(Path(path).name.split("-")[0])
        assert Path(path).name == f"{index}-label-{number}.png"
        assert data.held_out.labels[index] == number
        with Image.open(path) as picture:
            assert (picture.mode, picture.size) == ("L", (8, 8))
            shades = np.rint(data.preprocess.restore(data.held_out.images[index])[0] * 16)
            assert np.array_equal(np.asarray(picture), np.rint(shades / 16 * 255))
    images = data.held_out.images[[int(Path(path).name.split("-")[0]) for path in found.samples]]
    logits = evaluate_module(Run.open(folder).build_module(), replace(data.held_out, images=images))["output"]
    predictions = predict(Session(folder / MODEL, providers=["cpu"]), found.samples)
    assert [item.array for item in predictions] == logits.argmax(1).tolist()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_sample_is_prepared_by_run_as_it_was_here(tmp_path: Path, dtype: Any, channels: int) -> None:
    """Stored images are larger than what the network sees of them; what it saw would be cut once more."""
    images = np.random.default_rng(0).integers(0, 256, (2, channels, 20, 31)).astype(dtype)
    images = images * dtype(257 if dtype == np.uint16 else 1)
    part = ArraySamples(images, np.arange(2))
    preprocess = Preprocess(channels, (9, 8), (0.5,) * channels, (0.25,) * channels, resize="shorter", resize_to=12)
    data = Dataset("two", part, part, ("a", "b"), preprocess)
    paths = {index: tmp_path / f"{index}.png" for index in range(2)}
    save_samples(paths, data)
    for index, path in paths.items():
        found = load_image(path, preprocess)
        deep = dtype == np.uint16 and channels == 3  # of which Pillow writes eight bits
        assert np.abs(found - data.held_out.images[index]).max() <= (4 * 1.2 / 255 if deep else 0)
        assert np.abs(found - data.held_out.images[1 - index]).max() > 0.1  # the control


def make_run(folder: Path, spec: str | Path, params: dict[str, Any], data: str, recipe: Recipe = SHORT) -> None:
    """A run, by default of one short epoch, and its exported model."""
    train(load(spec, params), data, recipe, folder=folder)
    arrays, metadata = read_weights(folder / WEIGHTS)
    to_onnx(elaborate(load(folder / "spec.yaml")), arrays, folder / MODEL, verify=False, metadata=metadata)


def test_maps_are_evaluated_by_pixel(tmp_path: Path) -> None:
    """A valid U-Net, whose map is the image's centre; 16 pixels of 32 only by accident."""
    make_run(tmp_path, "unet", {"classes": 11, "widths": [4]}, "digit_maps")
    assert load_weights(tmp_path / WEIGHTS)[1]["archspec.stride"] == "1"
    found = evaluate(tmp_path)
    data = load_data("digit_maps")
    answers = evaluate_module(Run.open(tmp_path).build_module(), data.held_out)["output"].argmax(1)
    truth = data.held_out.labels[:, 8:24, 8:24]
    asked = truth != 255
    accuracy = (answers == truth)[asked].mean()
    assert (found.task, found.asked, found.predictions) == ("maps", "pixels", 120 * 16 * 16)
    assert found.equal_predictions >= found.predictions - 3  # a tie may be broken otherwise
    assert found.scores_torch["pixel_accuracy"] == pytest.approx(accuracy, rel=1e-12)
    assert found.scores_onnx["pixel_accuracy"] == pytest.approx(accuracy, abs=1e-4)
    assert found.relative_difference < 1e-4
    with Image.open(found.picture) as picture:
        assert picture.width > 1000
    row = json.loads(json.dumps(found.to_dict()))
    assert {"mean_iou_torch", "mean_iou_onnx", "pixel_accuracy_torch", "pixel_accuracy_onnx"} <= set(row)
    known = [item["iou"] for item in row["classes"] if item["iou"] is not None]
    assert [item["name"] for item in row["classes"]] == list(data.classes)
    assert np.mean(known) == pytest.approx(row["mean_iou_onnx"])
    assert [item["asked"] for item in row["classes"]] == np.bincount(truth[asked], minlength=11).tolist()
    maps = predict(Session(tmp_path / MODEL, providers=["cpu"]), found.samples)
    assert len(maps) == 10
    shown = [np.mean(item.array[8:24, 8:24] == row) for item, row in zip(maps, answers, strict=False)]
    assert all((item.array == UNANSWERED).sum() == 32 * 32 - 16 * 16 for item in maps)
    assert min(shown) > 0.99  # eight bits of a PNG


def write_heads(folder: Path, count: int) -> Path:
    """A small network with that many sets of heatmaps, one behind the other."""
    heads = [part for number in range(count) for part in ({"conv": 3}, {"output": f"heatmap{number}"})]
    network = [{"conv": {"out": 8, "kernel": 7, "stride": 4}}, "norm", "relu", *heads]
    document = {"archspec": 1, "inputs": {"image": [3, "H", "W"]}, "sizes": {"H": 64, "W": 64}, "network": network}
    path = folder / f"heads{count}.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_joints_are_evaluated_on_every_output(tmp_path: Path) -> None:
    make_run(tmp_path, write_heads(tmp_path, 2), {}, "digit_points")
    assert load_weights(tmp_path / WEIGHTS)[1]["archspec.stride"] == "4"
    found = evaluate(tmp_path)
    assert (found.task, found.asked, found.predictions) == ("joints", "joints", 360)
    assert found.equal_predictions >= 358
    assert found.relative_difference < 1e-4
    assert set(found.scores_torch) == {"pck", "mean_distance"}
    assert found.scores_torch["mean_distance"] == pytest.approx(found.scores_onnx["mean_distance"], rel=0.01)
    with pytest.raises(ArchspecError, match="averages probabilities, and heatmaps of joints are none"):
        evaluate(tmp_path, monte_carlo=2)
    weights, metadata = read_weights(tmp_path / WEIGHTS)
    changed = weights | {"conv_1.weight": weights["conv_1.weight"][::-1].copy()}  # that of the first output
    to_onnx(elaborate(load(tmp_path / "spec.yaml")), changed, tmp_path / MODEL, verify=False, metadata=metadata)
    wrong = evaluate(tmp_path)
    assert wrong.equal_predictions < 180
    assert wrong.relative_difference > 0.1


def test_monte_carlo_batch_normalization_is_measured_too(tmp_path: Path) -> None:
    make_run(tmp_path, "resnet_digits", {"widths": [4, 4, 4]}, "digits")
    found = evaluate(tmp_path, monte_carlo=3, mc_batch=16)
    assert found.monte_carlo is not None
    assert (found.monte_carlo.passes, found.monte_carlo.batch) == (3, 16)
    assert found.monte_carlo.accuracy_plain == found.scores_torch["accuracy"]
    assert json.loads(json.dumps(found.to_dict()))["monte_carlo"]["accuracy"] == found.monte_carlo.accuracy
    Path(found.picture).unlink()
    with pytest.raises(ArchspecError, match="at least 1 pass, found 0"):
        evaluate(tmp_path, monte_carlo=0)
    assert not Path(found.picture).exists()


@pytest.mark.parametrize(
    ("name", "command"), [(WEIGHTS, "run `archspec train` first"), (MODEL, "make it first: archspec export")]
)
def test_a_missing_file_names_the_command_that_makes_it(folder: Path, name: str, command: str) -> None:
    (folder / name).unlink()
    (folder / "metrics.jsonl").unlink()
    with pytest.raises(ArchspecError, match=f"has no {name}: {command}"):
        archspec_evaluate(folder)


def test_weights_of_another_origin_are_refused(folder: Path) -> None:
    weights, metadata = load_weights(folder / WEIGHTS)
    without = {key: text for key, text in metadata.items() if key != DATA}
    save_weights(folder / WEIGHTS, weights, without)
    with pytest.raises(ArchspecError, match=r"does not say 'archspec\.data'"):
        evaluate(folder)
    changed = json.loads(metadata[PREPROCESS]) | {"mean": [0.1]}
    save_weights(folder / WEIGHTS, weights, metadata | {PREPROCESS: json.dumps(changed)})
    with pytest.raises(ArchspecError, match="was trained on other digits"):
        evaluate(folder)
    save_weights(folder / WEIGHTS, weights, metadata | {DATA: "letters"})
    with pytest.raises(ArchspecError, match="no data set 'letters'"):
        evaluate(folder)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_file_runs_as_it_is_asked_to(folder: Path, monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    opened: list[Session] = []

    class Noted(Session):
        def __init__(self, *given: Any, **options: Any) -> None:
            super().__init__(*given, **options)
            opened.append(self)

    monkeypatch.setattr("runtime.evaluation.evaluate.Session", Noted)
    found = evaluate(folder, threads=threads)
    assert [session.settings.threads for session in opened] == [threads]
    assert found.provider == "cpu"
    with pytest.raises(ArchspecError, match="nowhere"):
        evaluate(folder, providers=["nowhere"])
