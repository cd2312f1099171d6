"""Ensembles of files of weights, and what does not belong together."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from archspec.api import to_onnx
from archspec.errors import ArchspecError
from compiler.graph import Graph
from compiler.onnx_file.metadata import CLASSES, OUTPUT, PREPROCESS, SHARES
from runtime.export.ensemble import combine_weights
from runtime.pictures.preprocess import Preprocess
from runtime.prediction.predict import predict
from runtime.session.session import Session
from runtime.tasks.labels import Prediction
from runtime.weights.safetensors_file import save_weights
from tests.support.documents import graph_from
from tests.support.lowering import stir_members

FACTS: dict[str, str] = {
    CLASSES: json.dumps(["a", "b", "c", "d", "e"]),
    PREPROCESS: Preprocess(1, (8, 8), (0.5,), (0.25,)).to_json(),
}


def build() -> Graph:
    network = [{"conv": {"out": 4}}, "norm", "relu", "global_avg_pool", "flatten", {"linear": 5}]
    return graph_from({"archspec": 1, "inputs": {"image": [1, 8, 8]}, "network": network})


def write_members(graph: Graph, folder: Path, count: int, **facts: str) -> list[Path]:
    paths = [folder / f"w{number}.safetensors" for number in range(count)]
    for path, member in zip(paths, stir_members(graph, count), strict=True):
        save_weights(path, member, {**FACTS, **facts})
    return paths


def test_files_become_one_file_that_answers_with_labels(tmp_path: Path) -> None:
    """With a vote the probabilities are the members' shares, which no softmax may blur."""
    graph = build()
    paths = write_members(graph, tmp_path, 3)
    found = {}
    for how in ("mean", "vote"):
        combined, weights, metadata = combine_weights(graph, paths, how)
        to_onnx(combined, weights, tmp_path / f"{how}.onnx", metadata=metadata)
        properties = {p.key: p.value for p in onnx.load(tmp_path / f"{how}.onnx").metadata_props}
        assert properties["archspec.combine"] == how
        assert properties["archspec.members"] == "3"
        assert properties.get(OUTPUT) == (SHARES if how == "vote" else None)
        assert properties[CLASSES] == FACTS[CLASSES]
        image = np.random.default_rng(0).standard_normal((1, 8, 8)).astype(np.float32)
        np.save(tmp_path / "x.npy", image)
        session = Session(tmp_path / f"{how}.onnx", providers=("cpu",))
        (answer,) = predict(session, [tmp_path / "x.npy"], top=5)
        assert isinstance(answer, Prediction)
        found[how] = answer
    thirds = [probability * 3 for _, probability in found["vote"].top]
    np.testing.assert_allclose(thirds, np.round(thirds), atol=1e-6)
    assert sum(thirds) == pytest.approx(3)
    assert sum(probability for _, probability in found["mean"].top) == pytest.approx(1)
    assert all(0 < probability < 1 for _, probability in found["mean"].top)


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    graph = build()
    good, other = write_members(graph, tmp_path, 2)
    stored = stir_members(graph, 1)[0]
    save_weights(other, stored, {**FACTS, CLASSES: json.dumps(["x", "y", "z", "u", "v"])})
    with pytest.raises(ArchspecError, match=r"w1\.safetensors and .*w0\.safetensors differ in archspec\.classes: "):
        combine_weights(graph, [good, other], "mean")
    save_weights(other, stored, {})
    with pytest.raises(ArchspecError, match=r"differ in archspec\.classes and archspec\.preprocess"):
        combine_weights(graph, [good, other], "mean")
    save_weights(other, {**stored, "linear_0.bias": np.zeros(7, np.float32)}, FACTS)
    with pytest.raises(ArchspecError, match=r"w1\.safetensors: .*linear_0\.bias should be \(5,\), found \(7,\)"):
        combine_weights(graph, [good, other], "mean")
    with pytest.raises(ArchspecError, match=r"nowhere\.safetensors does not exist"):
        combine_weights(graph, [good, tmp_path / "nowhere.safetensors"], "mean")


def test_a_member_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    graph = build()
    good = write_members(graph, tmp_path, 1)[0]
    bad = {**stir_members(graph, 1)[0], "linear_0.bias": np.full(5, np.nan, np.float32)}
    save_file(bad, tmp_path / "bad.safetensors", FACTS)
    with pytest.raises(ArchspecError, match=r"bad\.safetensors: the weight 'linear_0\.bias' holds infinite"):
        combine_weights(graph, [good, tmp_path / "bad.safetensors"], "mean")
