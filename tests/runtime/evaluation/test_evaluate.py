"""A run's folder is evaluated whole; files that do not belong together are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from typer.testing import CliRunner

from archspec.api import elaborate, load, read_weights, to_onnx, to_torch
from archspec.api import evaluate as archspec_evaluate
from archspec.api import train as api_train
from archspec.cli.ending import FINDINGS
from archspec.cli.main import app
from archspec.errors import ArchspecError
from compiler.onnx_file.metadata import CLASSES, DATA, PREPROCESS
from runtime.data.registry import load_data
from runtime.evaluation.evaluate import evaluate_run
from runtime.prediction.predict import predict
from runtime.session.session import Session
from runtime.tasks.class_map import UNANSWERED
from runtime.training.loop import train
from runtime.training.outputs import evaluate_module
from runtime.training.recipe import Recipe
from runtime.training.run_folder import MODEL, WEIGHTS
from runtime.weights.safetensors_file import load_weights, save_weights
from tests.support.models import make_linear, save_module

SETTINGS = Recipe(epochs=3, threads=1)


@pytest.fixture(scope="module")
def trained() -> nn.Sequential:
    module = make_linear()
    train(module, load_data("digits"), SETTINGS)
    return module


@pytest.fixture
def metadata() -> dict[str, str]:
    data = load_data("digits")
    return {CLASSES: json.dumps(data.classes), PREPROCESS: data.preprocess.to_json(), DATA: data.name}


@pytest.fixture
def folder(tmp_path: Path, trained: nn.Sequential, metadata: dict[str, str]) -> Path:
    save_weights(tmp_path / WEIGHTS, trained.state_dict(), metadata)
    save_module(trained, tmp_path / MODEL, metadata)
    return tmp_path


def test_a_run_is_evaluated_whole(folder: Path, trained: nn.Sequential) -> None:
    found = evaluate_run(folder, trained, providers=["cpu"], seconds=0.01)
    test = load_data("digits").test
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
    module = make_run(tmp_path, "resnet_digits", {"widths": [4, 4, 4]}, "digits")
    assert evaluate_run(tmp_path, module, seconds=0.01).same_weights is True
    assert caplog.messages == []
    graph = elaborate(load("resnet_digits", {"widths": [4, 4, 4]}))
    (tmp_path / MODEL).unlink()
    to_onnx(graph, to_torch(graph, seed=9).state_dict(), tmp_path / MODEL, verify=False)
    assert evaluate_run(tmp_path, module, seconds=0.01).same_weights is False
    (said,) = caplog.messages
    assert said.startswith(f"{tmp_path / MODEL} is of other weights than {tmp_path / WEIGHTS}; export it again: archsp")
    result = CliRunner().invoke(app, ["evaluate", str(tmp_path)])
    assert result.exit_code == FINDINGS


def test_pictures_of_ones_own_are_not_replaced(tmp_path: Path) -> None:
    module = make_run(tmp_path, "resnet_digits", {"widths": [4, 4, 4]}, "digits")
    drawn = evaluate_run(tmp_path, module, seconds=0.01)
    evaluate_run(tmp_path, module, seconds=0.01)  # the control: what it drew itself
    for path in map(Path, (drawn.picture, drawn.samples[3])):
        before = path.read_bytes()
        Image.new("L", (3, 3)).save(path)
        mine = path.read_bytes()
        with pytest.raises(ArchspecError, match="is there already, and does not hold a PNG of archspec's: move it"):
            evaluate_run(tmp_path, module, seconds=0.01)
        assert path.read_bytes() == mine
        path.write_bytes(before)


def test_places_that_are_no_run_are_told(folder: Path) -> None:
    with pytest.raises(ArchspecError, match=r"nothing does not exist: give the folder of a run"):
        archspec_evaluate(folder / "nothing")
    with pytest.raises(ArchspecError, match=rf"is a file: give the folder of the run, {folder}$"):
        archspec_evaluate(folder / MODEL)


def test_samples_are_the_datas_own_pixels_and_can_be_run(folder: Path, trained: nn.Sequential) -> None:
    found = evaluate_run(folder, trained, providers=["cpu"], seconds=0.01)
    data = load_data("digits")
    assert len(found.samples) == 10
    for number, path in enumerate(found.samples):
        index = int(Path(path).name.split("-")[0])
        assert Path(path).name == f"{index}-label-{number}.png"
        assert data.test.labels[index] == number
        with Image.open(path) as picture:
            assert (picture.mode, picture.size) == ("L", (8, 8))
            shades = np.rint(data.preprocess.restore(data.test.images[index])[0] * 16)
            assert np.array_equal(np.asarray(picture), np.rint(shades / 16 * 255))
    images = data.test.images[[int(Path(path).name.split("-")[0]) for path in found.samples]]
    logits = evaluate_module(trained, replace(data.test, images=images))["output"]
    predictions = predict(Session(folder / MODEL, providers=["cpu"]), found.samples)
    assert [item.index for item in predictions] == logits.argmax(1).tolist()


def make_run(folder: Path, spec: str | Path, params: dict[str, Any], data: str) -> nn.Module:
    """A run of one short epoch, and its exported model."""
    loaded = load(spec, params)
    api_train(loaded, data, folder, Recipe(epochs=1, batch=48, threads=1))
    graph = elaborate(load(folder / "spec.yaml"))
    arrays, metadata = read_weights(folder / WEIGHTS)
    to_onnx(graph, arrays, folder / MODEL, verify=False, metadata=metadata)
    module = to_torch(graph)
    module.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    return module


def test_maps_are_evaluated_by_pixel(tmp_path: Path) -> None:
    """A valid U-Net, whose map is the image's centre; 16 pixels of 32 only by accident."""
    module = make_run(tmp_path, "unet", {"classes": 11, "widths": [4]}, "digit_maps")
    assert load_weights(tmp_path / WEIGHTS)[1]["archspec.stride"] == "1"
    found = evaluate_run(tmp_path, module, providers=["cpu"], seconds=0.01)
    data = load_data("digit_maps")
    answers = evaluate_module(module, data.test)["output"].argmax(1)
    truth = data.test.labels[:, 8:24, 8:24]
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
    module = make_run(tmp_path, write_heads(tmp_path, 2), {}, "digit_points")
    assert load_weights(tmp_path / WEIGHTS)[1]["archspec.stride"] == "4"
    found = evaluate_run(tmp_path, module, providers=["cpu"], seconds=0.01)
    assert (found.task, found.asked, found.predictions) == ("joints", "joints", 360)
    assert found.equal_predictions >= 358
    assert found.relative_difference < 1e-4
    assert set(found.scores_torch) == {"pck", "mean_distance"}
    assert found.scores_torch["mean_distance"] == pytest.approx(found.scores_onnx["mean_distance"], rel=0.01)
    with pytest.raises(ArchspecError, match="averages probabilities, and heatmaps of joints are none"):
        evaluate_run(tmp_path, module, providers=["cpu"], seconds=0.01, monte_carlo=2)
    weights, metadata = read_weights(tmp_path / WEIGHTS)
    changed = weights | {"conv_1.weight": weights["conv_1.weight"][::-1].copy()}  # that of the first output
    to_onnx(elaborate(load(tmp_path / "spec.yaml")), changed, tmp_path / MODEL, verify=False, metadata=metadata)
    wrong = evaluate_run(tmp_path, module, providers=["cpu"], seconds=0.01)
    assert wrong.equal_predictions < 180
    assert wrong.relative_difference > 0.1


def test_outputs_must_have_the_modules_names(tmp_path: Path) -> None:
    module = make_run(tmp_path, write_heads(tmp_path, 1), {}, "digit_points")
    evaluate_run(tmp_path, module, providers=["cpu"], seconds=0.01)
    graph = elaborate(load(write_heads(tmp_path, 2)))
    to_onnx(graph, to_torch(graph).state_dict(), tmp_path / MODEL, verify=False)
    with pytest.raises(ArchspecError, match=r"model\.onnx gives heatmap0, heatmap1; the module output"):
        evaluate_run(tmp_path, module, providers=["cpu"], seconds=0.01)


def test_monte_carlo_batch_normalization_is_measured_too(tmp_path: Path) -> None:
    module = make_run(tmp_path, "resnet_digits", {"widths": [4, 4, 4]}, "digits")
    found = evaluate_run(tmp_path, module, providers=["cpu"], seconds=0.01, monte_carlo=3, mc_batch=16)
    assert found.monte_carlo is not None
    assert (found.monte_carlo.passes, found.monte_carlo.batch) == (3, 16)
    assert found.monte_carlo.accuracy_plain == found.scores_torch["accuracy"]
    assert json.loads(json.dumps(found.to_dict()))["monte_carlo"]["accuracy"] == found.monte_carlo.accuracy
    Path(found.picture).unlink()
    with pytest.raises(ArchspecError, match="at least 1 pass, found 0"):
        evaluate_run(tmp_path, module, providers=["cpu"], seconds=0.01, monte_carlo=0)
    assert not Path(found.picture).exists()


def test_a_wrong_weight_in_the_file_shows(folder: Path, trained: nn.Sequential, metadata: dict[str, str]) -> None:
    wrong = trained[1].weight.detach().numpy()[::-1].copy()
    save_module(trained, folder / MODEL, metadata, weight=wrong)
    found = evaluate_run(folder, trained, providers=["cpu"], seconds=0.01)
    assert found.equal_predictions < 180
    assert found.scores_onnx["accuracy"] < 0.5 < found.scores_torch["accuracy"]
    assert found.relative_difference > 0.1


def test_a_module_with_other_weights_is_refused(folder: Path, trained: nn.Sequential) -> None:
    with pytest.raises(ArchspecError, match=r"the module's '1\.(weight|bias)' is not that of weights\.safetensors"):
        evaluate_run(folder, make_linear(seed=1))
    with pytest.raises(ArchspecError, match=r"has no '0\.weight', which the module has"):
        evaluate_run(folder, nn.Sequential(nn.Linear(8, 8), nn.Flatten(), nn.Linear(64, 10)))


@pytest.mark.parametrize(("name", "command"), [(WEIGHTS, "archspec train"), (MODEL, "archspec export")])
def test_a_missing_file_names_the_command_that_makes_it(
    folder: Path, trained: nn.Sequential, name: str, command: str
) -> None:
    (folder / name).unlink()
    with pytest.raises(ArchspecError, match=f"has no {name}: run `{command}` first"):
        evaluate_run(folder, trained)


def test_weights_of_another_origin_are_refused(folder: Path, trained: nn.Sequential, metadata: dict[str, str]) -> None:
    state = trained.state_dict()
    save_weights(folder / WEIGHTS, state, {})
    with pytest.raises(ArchspecError, match=r"does not say 'archspec\.data'"):
        evaluate_run(folder, trained)
    changed = json.loads(metadata["archspec.preprocess"]) | {"mean": [0.1]}
    save_weights(folder / WEIGHTS, state, metadata | {"archspec.preprocess": json.dumps(changed)})
    with pytest.raises(ArchspecError, match="was trained on other digits"):
        evaluate_run(folder, trained)
    save_weights(folder / WEIGHTS, state, metadata | {"archspec.data": "letters"})
    with pytest.raises(ArchspecError, match="no data set 'letters'"):
        evaluate_run(folder, trained)


def test_a_file_with_other_classes_is_refused(folder: Path, trained: nn.Sequential) -> None:
    arrays = {"weight": torch.zeros(3, 64).numpy(), "bias": torch.zeros(3).numpy()}
    save_module(trained, folder / MODEL, **arrays)
    with pytest.raises(ArchspecError, match=r"gives \(3\) per image in 'output', the module \(10\)"):
        evaluate_run(folder, trained, providers=["cpu"])
