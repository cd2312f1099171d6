"""What TensorRT is told of a model, and where it keeps what it built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compiler.onnx_file.content import read_content
from runtime.session.model_file import ModelFile
from runtime.session.tensorrt import build_profiles, choose_tensorrt_options
from tests.support.models import build_double, build_linear, save
from tests.support.twins import build_twins

SIZES = {"H": {"value": 224, "first": 188, "step": 16}, "W": {"value": 7}}
METADATA = {"archspec.sizes": json.dumps(SIZES), "archspec.precision": "int8", "archspec.content": "../../evil"}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return save(build_double(metadata=METADATA), tmp_path / "m.onnx")


def test_tensorrt_builds_for_the_sizes_that_the_model_accepts(model: Path) -> None:
    """The largest height, 224 + 14 · 16, fits the rule first + k · step as the smallest does."""
    file = ModelFile.open(model)
    assert build_profiles(file.inputs, file.sizes, {}) == {
        "trt_profile_min_shapes": "x:1x3x188x7",
        "trt_profile_opt_shapes": "x:8x3x224x7",
        "trt_profile_max_shapes": "x:128x3x448x7",
    }
    fixed = {"N": 4, "H": 204}
    assert set(build_profiles(file.inputs, file.sizes, fixed).values()) == {"x:4x3x204x7"}


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"x": (1, 3)}, {}),
        ({"x": ("N", "D")}, {}),  # nobody knows D
        ({"x": ("N", None)}, {}),
        ({"x": ("N", 3), "y": (1, 2), "z": ("N",)}, {"x:1x3,z:1", "x:8x3,z:8", "x:128x3,z:128"}),
    ],
)
def test_profiles_name_every_input_with_a_free_axis(inputs: Any, expected: Any) -> None:
    assert set(build_profiles(inputs, {}, {}).values()) == set(expected)


def test_engines_lie_in_the_users_cache_and_nowhere_else(model: Path, tmp_path: Path) -> None:
    options = choose_tensorrt_options(ModelFile.open(model), {})
    folder = Path(options["trt_engine_cache_path"])
    assert folder.parent == tmp_path / "cache" / "archspec" / "tensorrt"
    assert folder.is_dir()
    assert options["trt_timing_cache_path"] == str(folder)
    assert options["trt_int8_enable"] == "1"
    assert "trt_fp16_enable" not in options


def test_no_model_gets_the_engine_of_another(model: Path, tmp_path: Path) -> None:
    """An engine has the weights in it. Files of one length that say the same of themselves, but for one number."""
    folders = set()
    for number in (1.0, 2.0, 1.0):
        weight = np.ones((3, 4096), np.float32)
        weight[1, 2000] = number
        path = save(build_linear(weight, np.zeros(3, np.float32), ("N", 1, 64, 64), METADATA), tmp_path / "n.onnx")
        folders.add(choose_tensorrt_options(ModelFile.open(path), {})["trt_engine_cache_path"])
    assert len(folders) == 2


def test_models_made_to_have_one_content_have_engines_of_their_own(model: Path, tmp_path: Path) -> None:
    paths = [
        save(build_linear(twin["weight"], twin["bias"], metadata=METADATA), tmp_path / f"{number}.onnx")
        for number, twin in enumerate(build_twins())
    ]
    assert read_content(paths[0]) == read_content(paths[1])
    first, second = (choose_tensorrt_options(ModelFile.open(path), {})["trt_engine_cache_path"] for path in paths)
    assert first != second


def test_without_a_place_for_engines_none_are_kept(model: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way", encoding="utf-8")
    assert not [name for name in choose_tensorrt_options(ModelFile.open(model), {}) if "cache" in name]
