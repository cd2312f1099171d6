"""A run's folder is evaluated whole; files that do not belong together are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from archspec.errors import ArchspecError
from runtime.data import load_data
from runtime.evaluate import evaluate_run
from runtime.predict import predict
from runtime.run_folder import CLASSES, DATA, MODEL, PREPROCESS, WEIGHTS, save_weights
from runtime.session import Session
from runtime.train import TrainSettings, evaluate_module, train
from tests.runtime.models import make_linear, save_module

SETTINGS = TrainSettings(epochs=3, threads=1)


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
    assert (
        found.accuracy_torch == found.accuracy_onnx == (evaluate_module(trained, test).argmax(1) == test.labels).mean()
    )
    assert found.accuracy_torch > 0.8
    assert 0 <= found.relative_difference < 1e-5
    assert found.largest_difference < 1e-4
    assert list(found.ms_per_image) == [1, 32]
    assert found.file_bytes == (folder / MODEL).stat().st_size
    assert (found.data, found.provider, found.notice) == ("digits", "cpu", None)
    assert Path(found.picture).stat().st_size > 1000
    json.dumps(found.to_dict())


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
    logits = evaluate_module(trained, replace(data.test, images=images))
    predictions = predict(Session(folder / MODEL, providers=["cpu"]), found.samples)
    assert [item.index for item in predictions] == logits.argmax(1).tolist()


def test_a_wrong_weight_in_the_file_shows(folder: Path, trained: nn.Sequential, metadata: dict[str, str]) -> None:
    wrong = trained[1].weight.detach().numpy()[::-1].copy()
    save_module(trained, folder / MODEL, metadata, weight=wrong)
    found = evaluate_run(folder, trained, providers=["cpu"], seconds=0.01)
    assert found.equal_predictions < 180
    assert found.accuracy_onnx < 0.5 < found.accuracy_torch
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
    with pytest.raises(ArchspecError, match="gives 3 classes, the module 10"):
        evaluate_run(folder, trained, providers=["cpu"])
