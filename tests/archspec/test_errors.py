"""Errors: their examples, and which kind a session raises for which fault."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from torch import nn

import archspec
from archspec import errors
from archspec.errors import ArchspecError, InputError, ModelError, RuntimeFailure, raising
from archspec.files import check_absent, write_text
from runtime.data.registry import describe_data, load_data
from runtime.data.reopening import load_data_of
from runtime.pictures.file import open_picture
from runtime.pictures.folder import find_pictures
from runtime.recipes.optimization import Sgd
from runtime.recipes.recipe import Recipe
from runtime.session.settings import Settings
from runtime.training.fitting import fit_spec
from runtime.training.metrics import append_metrics
from runtime.training.train import train
from runtime.weights.safetensors_file import save_weights


def test_the_examples_are_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(errors, extraglobs={"archspec": archspec}, optionflags=doctest.ELLIPSIS)
    assert found.attempted > 3
    assert not found.failed


def test_raising_gives_a_kind_to_what_has_none() -> None:
    with pytest.raises(InputError, match="two axes") as caught, raising(InputError):
        raise ArchspecError("two axes") from OSError(28, "full")
    assert isinstance(caught.value.__cause__, OSError)  # which tells whose disk is full
    with pytest.raises(ModelError), raising(InputError):
        raise ModelError("of a kind already")
    with pytest.raises(KeyError), raising(InputError):
        raise KeyError("not ours")


@pytest.mark.parametrize("threads", [0, 2000, True, "2"])
def test_settings_that_are_none_are_input(threads: Any) -> None:
    with pytest.raises(InputError, match="the setting 'threads' must be"):
        Settings(threads=threads)


def test_arguments_that_do_not_fit_are_input(tmp_path: Path) -> None:
    graph = archspec.elaborate(archspec.load("residual_mlp", params={"blocks": 1, "width": 8}))
    state = archspec.to_torch(graph).state_dict()
    given: Any = 3
    calls: list[tuple[str, Callable[[], object]]] = [
        ("load: `source`", lambda: archspec.load(given)),
        ("analyze: `graph`", lambda: archspec.analyze(given)),
        ("to_onnx: `path`", lambda: archspec.to_onnx(graph, state, given)),
        ("metadata are texts", lambda: archspec.to_onnx(graph, state, tmp_path / "m.onnx", metadata=given)),
        ("weights are tensors", lambda: archspec.to_onnx(graph, given, tmp_path / "m.onnx")),
        ("do not fit residual_mlp", lambda: archspec.to_onnx(graph, {}, tmp_path / "m.onnx", verify=False)),
        ("absent does not exist", lambda: archspec.evaluate("absent")),
        ("no data set 'digit'", lambda: archspec.train(archspec.load("resnet_digits"), "digit")),
    ]
    for words, call in calls:
        with pytest.raises(InputError, match=words):
            call()


def test_what_cannot_be_written_and_what_does_not_go_together_is_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "folder").mkdir()
    digits, linear = load_data("digits"), nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    calls: list[tuple[str, Callable[[], object]]] = [
        ("cannot write .*file/a.txt", lambda: write_text(tmp_path / "file" / "a.txt", "")),
        ("cannot write .*file/metrics", lambda: append_metrics(tmp_path / "file" / "metrics.jsonl", {})),
        ("'w' holds infinite", lambda: save_weights(tmp_path / "w", {"w": np.array([np.inf], np.float32)}, {})),
        ("is there already", lambda: check_absent(tmp_path / "file", force=False)),
        ("resnet20 takes 3×", lambda: fit_spec(archspec.load("resnet20"), digits)),
        ("gives .5,. per image", lambda: train(nn.Sequential(nn.Flatten(), nn.Linear(64, 5)), digits)),
        ("does not fit digits: an image's label needs", lambda: train(nn.Conv2d(1, 5, 3), digits)),
        ("does not take digits's images", lambda: train(nn.Linear(5, 5), digits)),
        ("the loss became", lambda: train(linear, digits, Recipe(optimizer=Sgd(lr=1e30)))),
        ("is a broken picture", lambda: open_picture(tmp_path / "picture.png")),
        ("absent.png does not exist", lambda: open_picture(tmp_path / "absent.png")),
        ("holds no pictures", lambda: find_pictures(tmp_path / "folder")),
    ]
    for words, call in calls:
        with pytest.raises(InputError, match=words):
            call()


def test_weights_that_say_what_cannot_be_are_at_fault(tmp_path: Path) -> None:
    digits = load_data("digits")
    facts = describe_data(digits)
    assert load_data_of(facts, tmp_path).name == "digits"  # the control
    for change, words in (
        ({}, "does not say 'archspec.data'"),
        (facts | {"archspec.preprocess": "{"}, "preprocessing is not valid JSON"),
        (facts | {"archspec.preprocess": replace(digits.preprocess, std=(1.0,)).to_json()}, "trained on other digits"),
    ):
        with pytest.raises(ModelError, match=words):
            load_data_of(change, tmp_path)


def test_a_file_of_a_model_that_is_none_is_at_fault_and_a_size_that_is_missing_is_not(model: Path) -> None:
    whole = model.read_bytes()
    assert len(archspec.open_network(model)[0]) > 0  # the control
    with pytest.raises(InputError, match="has no size 'Q'"):
        archspec.open_network(model, sizes={"Q": 1})
    with pytest.raises(InputError, match="params are those of specs"):
        archspec.open_network(model, {"width": 1})
    broken = onnx.load(model)
    broken.graph.node[0].input[1] = "nothing"
    for data, words in (
        (whole[: len(whole) // 2], "is not an ONNX file, or it is cut off"),
        (b"", "is empty"),
        (broken.SerializeToString(), "reads 'nothing', which nothing computes"),
    ):
        model.write_bytes(data)
        with pytest.raises(ModelError, match=words):
            archspec.open_network(model)
    weights = model.with_name("w.safetensors")
    weights.write_bytes(b"\x09\0\0\0\0\0\0\0{}")
    with pytest.raises(ModelError, match="is not a safetensors file"):
        archspec.read_weights(weights)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Looks up one of three numbers by an index; the kernel fails for any other index."""
    table = helper.make_tensor("table", TensorProto.FLOAT, [3], [1.0, 2.0, 3.0])
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "i"], ["y"])],
        "g",
        [helper.make_tensor_value_info("i", TensorProto.INT64, ["N"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N"])],
        [table],
    )
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_each_fault_has_its_kind(model: Path) -> None:
    session = archspec.Session(model, providers=["cpu"])
    assert session.run(np.array([2]))["y"].tolist() == [3.0]
    with pytest.raises(InputError, match="float64"):
        session.run(np.zeros(1))
    with pytest.raises(RuntimeFailure, match="ONNX Runtime failed"):
        session.run(np.array([3]))
    with pytest.raises(InputError, match="threads must be between"):
        archspec.Session(model, threads=0)
    with pytest.raises(InputError, match="no provider 'cpx'"):
        archspec.Session(model, providers="cpx")
    model.write_bytes(model.read_bytes()[:-9])
    with pytest.raises(ModelError):
        archspec.Session(model)
    with pytest.raises(ModelError, match="is not a file"):
        archspec.Session(model.parent)


def test_malformed_sizes_are_the_models_fault(model: Path) -> None:
    loaded = onnx.load(model)
    loaded.metadata_props.add(key="archspec.sizes", value="[")
    onnx.save(loaded, model)
    with pytest.raises(ModelError, match="not valid JSON"):
        archspec.Session(model, providers=["cpu"])
