"""A network that is trained in integers is the same one in each process, and wherever its training goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from archspec.api import load, to_onnx, to_torch, train
from archspec.errors import InputError, ModelError
from compiler.onnx_file.metadata import TRAINED_INT8
from compiler.onnx_target.options import ExportOptions
from runtime.data.dataset import ArraySamples
from runtime.export.plan import Calibration
from runtime.int8 import aware
from runtime.int8.aware import AwareTraining
from runtime.recipes.recipe import Recipe
from runtime.training.ranks import Ranks
from runtime.training.reshaping import RESHAPED, ReshapingRun
from runtime.training.run_folder import CHECKPOINTS, MANIFEST, WEIGHTS
from runtime.weights.safetensors_file import load_weights, save_weights
from tests.support.documents import graph_from
from tests.support.killed_training import RECIPE, SPEC, compare, make_images, prepare, read_result
from tests.support.lowering import stir
from tests.support.training import stop_at

SHORT = RECIPE.model_copy(update={"steps": 9, "evaluate_every": 4})
INTEGERS: Mapping[str, Any] = {"quantize": "u8s8", "reduce_range": True}


def write_weights(path: Path) -> Path:
    save_weights(path, stir(to_torch(graph_from(SPEC))).state_dict(), {})
    return path


def learn(folder: Path, recipe: Recipe = SHORT, **more: Any) -> Any:
    return train(load(folder.with_name("spec.json")), make_images(), recipe, folder=folder, **{**INTEGERS, **more})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = prepare(tmp_path_factory.mktemp("whole") / "run")
    learn(folder, init=write_weights(folder.with_name("float.safetensors")))
    return folder


@pytest.fixture(scope="module")
def stopped_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = prepare(tmp_path_factory.mktemp("stopped") / "run")
    weights = write_weights(folder.with_name("float.safetensors"))
    with pytest.raises(KeyboardInterrupt):
        learn(folder, init=weights, on_step=stop_at(7))
    weights.unlink()
    return folder


@pytest.fixture
def stopped(stopped_once: Path, tmp_path: Path) -> Path:
    shutil.copytree(stopped_once.parent, tmp_path / "copy")
    return tmp_path / "copy" / "run"


def change_settings(folder: Path, **changes: Any) -> None:
    path = folder / CHECKPOINTS / MANIFEST
    found = json.loads(path.read_text(encoding="utf-8"))
    found["settings"][RESHAPED] |= changes
    path.write_text(json.dumps(found), encoding="utf-8")


def test_a_training_in_integers_goes_on_by_the_scales_of_its_start(
    whole: Path, stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit, with no range measured anew. The control goes on by a range that is a tenth larger."""
    control = Path(shutil.copytree(stopped, stopped.with_name("control")))
    monkeypatch.setattr(aware, "measure_scheme", lambda *args, **more: pytest.fail("ranges are measured"))
    result = learn(stopped, resume="auto")
    assert compare(read_result(stopped), read_result(whole)) == []
    assert result.facts == TRAINED_INT8.write(TRAINED_INT8.read(load_weights(whole / WEIGHTS)[1]) or {})
    larger = {**(TRAINED_INT8.read(result.facts) or {})}
    larger["ranges"] = {name: [1.1 * low, 1.1 * high] for name, (low, high) in larger["ranges"].items()}
    change_settings(control, facts=TRAINED_INT8.write(larger))
    learn(control, resume="auto")
    assert "weights" in compare(read_result(control), read_result(whole))


def test_a_training_in_integers_goes_on_as_that_alone(whole: Path, stopped: Path) -> None:
    with pytest.raises(InputError, match=r"quantize: 'u8s8' there, None now; reduce_range: True there, None now"):
        learn(stopped, resume="auto", quantize=None, reduce_range=None)
    with pytest.raises(InputError, match=r"\(quantize: 'u8s8' there, 's8s8' now\)"):
        learn(stopped, resume="auto", quantize="s8s8")
    with pytest.raises(InputError, match=r"\(reduce_range: True there, False now\)"):
        learn(stopped, resume="auto", reduce_range=None)
    plain = prepare(stopped.with_name("plain"))
    learn(plain, quantize=None, reduce_range=None)
    with pytest.raises(InputError, match=r"quantize: None there, 'u8s8' now"):
        learn(plain, resume="auto")


def test_a_run_that_does_not_say_its_network_is_not_gone_on_with(stopped: Path) -> None:
    for facts in ({}, "text", {"archspec.trained_int8": 3}):
        change_settings(stopped, facts=facts)
        with pytest.raises(ModelError, match="list of checkpoints"):
            learn(stopped, resume="auto")
    change_settings(stopped, facts={"archspec.trained_int8": "{}"})
    with pytest.raises(ModelError, match=r"archspec\.trained_int8"):
        learn(stopped, resume="auto")


def test_weights_that_would_make_another_network_are_refused(stopped: Path) -> None:
    change_settings(stopped, digest="0" * 64)
    with pytest.raises(InputError, match=r"from step 6: of the weights .* another network would be made than was"):
        learn(stopped, resume="auto")


def test_training_in_integers_begins_from_trained_weights(tmp_path: Path) -> None:
    folder = prepare(tmp_path / "run")
    weights = write_weights(tmp_path / "float.safetensors")
    refused: list[dict[str, Any]] = [{}, {"init": weights, "reset": ["head"]}]
    for more in refused:
        with pytest.raises(InputError, match="--quantize u8s8 --reduce-range begins from trained weights, all of them"):
            learn(folder, **more)
    with pytest.raises(InputError, match="`reduce_range` is about a training in integers"):
        learn(folder, quantize=None)
    assert not folder.exists()


def test_what_is_trained_in_memory_can_be_exported(tmp_path: Path) -> None:
    graph = graph_from(SPEC)
    weights = write_weights(tmp_path / "float.safetensors")
    result = train(graph, make_images(), SHORT, init=weights, quantize="u8s8")
    export = to_onnx(graph, result.state, tmp_path / "m.onnx", options=ExportOptions(precision="int8"),
                     metadata=result.facts, calibration=Calibration(method="training"))  # fmt: skip
    assert export.quantization is not None
    assert export.quantization.method == "training"
    assert train(graph, make_images(), SHORT).facts == {}


@dataclass(frozen=True, slots=True)
class Told(Ranks):
    """A process that hears a text of the first one."""

    text: str = ""

    def share_text(self, text: str, source: int = 0) -> str:
        return self.text


def test_other_processes_take_what_the_main_one_measured() -> None:
    """Though what they would measure is something else: their images are darker."""
    graph, data = graph_from(SPEC), make_images()
    samples = data.train
    assert isinstance(samples, ArraySamples)
    darker = replace(data, train=ArraySamples(samples.images / 2, samples.targets))
    run = AwareTraining("u8s8")
    first = ReshapingRun(run).reshape(graph, stir(to_torch(graph)), data)
    other = ReshapingRun(run, Told(1, 2, json.dumps(dict(first.facts)))).reshape(graph, stir(to_torch(graph)), darker)
    assert (other.facts, other.digest) == (first.facts, first.digest)
    assert ReshapingRun(run).reshape(graph, stir(to_torch(graph)), darker).facts != first.facts


def test_the_module_lies_where_the_network_lay() -> None:
    graph = graph_from(SPEC)
    made = ReshapingRun(AwareTraining("s8s8")).reshape(graph, stir(to_torch(graph)), make_images())
    assert {value.device.type for value in made.module.state_dict().values()} == {"cpu"}
    assert made.settings == {"facts": dict(made.facts), "digest": made.digest}
