"""Files in, labels out; without metadata, arrays out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from archspec.errors import ArchspecError
from runtime.pictures.preprocess import Preprocess
from runtime.prediction.answered import Answered, RawOutputs
from runtime.prediction.network_outputs import compute_outputs
from runtime.prediction.predict import answer_files, predict, run_arrays
from runtime.prediction.reader import Failure
from runtime.prediction.task_spec import find_task_spec
from runtime.session.session import Session
from runtime.tasks.labels import Prediction, softmax
from tests.support.models import build_linear, build_model, save

PREPROCESS = Preprocess(1, (8, 8), (0.5,), (0.5,))
METADATA = {"archspec.preprocess": PREPROCESS.to_json(), "archspec.classes": json.dumps(["dark", "bright", "odd"])}
WEIGHT = np.stack([-np.ones(64), np.ones(64), np.zeros(64)]).astype(np.float32) / 64
BIAS = np.array([0, 0, -1], np.float32)


def open_model(folder: Path, metadata: dict[str, str] = METADATA, batch: int | str = "N") -> Session:
    model = build_linear(WEIGHT, BIAS, (batch, 1, 8, 8), metadata)
    return Session(save(model, folder / "m.onnx"), providers=["cpu"])


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    for name, shade in (("white.png", 255), ("black.jpg", 0)):
        Image.new("L", (20, 20), shade).save(tmp_path / name)
    np.save(tmp_path / "two.npy", np.stack([np.ones((1, 8, 8)), -np.ones((1, 8, 8))]))
    return [tmp_path / name for name in ("white.png", "two.npy", "black.jpg")]


def label(session: Session, files: list[Path], **options: Any) -> list[Prediction]:
    found = [item for item in predict(session, files, **options) if isinstance(item, Prediction)]
    assert len(found) >= len(files)
    return found


@pytest.mark.parametrize("size", [1, 2, 32])
@pytest.mark.parametrize("batch", ["N", 1, 3])
def test_labels_are_those_of_the_files_at_any_batch(
    tmp_path: Path, files: list[Path], size: int, batch: int | str
) -> None:
    found = label(open_model(tmp_path, batch=batch), files, batch=size)
    assert [Path(item.path).name for item in found] == ["white.png", "two.npy[0]", "two.npy[1]", "black.jpg"]
    assert [item.label for item in found] == ["bright", "bright", "dark", "dark"]
    assert [item.index for item in found] == [1, 1, 0, 0]
    witness = np.exp([-1, 1, -1]) / np.exp([-1, 1, -1]).sum()
    assert found[0].probability == pytest.approx(witness[1], abs=1e-6)
    assert found[0].top[0] == ("bright", found[0].probability)
    assert sum(probability for _, probability in found[0].top) == pytest.approx(1, abs=1e-12)
    assert label(open_model(tmp_path), files[:1], top=1)[0].top == found[0].top[:1]


def test_predictions_are_json(tmp_path: Path, files: list[Path]) -> None:
    (row,) = json.loads(json.dumps([item.to_dict() for item in predict(open_model(tmp_path), files[:1], top=2)]))
    assert list(row) == ["path", "label", "index", "probability", "top"]
    assert [entry["label"] for entry in row["top"]] == ["bright", "dark"]


def test_softmax_survives_large_logits() -> None:
    assert softmax(np.array([[1e4, 0.0], [-1e4, -1e4]])).tolist() == [[1, 0], [0.5, 0.5]]


@pytest.mark.parametrize("missing", list(METADATA))
def test_a_model_that_does_not_say_how_says_how_to_get_one(tmp_path: Path, files: list[Path], missing: str) -> None:
    session = open_model(tmp_path, {key: text for key, text in METADATA.items() if key != missing})
    assert find_task_spec(session) is None
    with pytest.raises(
        ArchspecError, match=f"'{missing}'.*export it with weights that `archspec train` or `weights convert` wrote"
    ):
        predict(session, files)


@pytest.mark.parametrize("text", ["[]", "{}", '["a", 1, "b"]', "nonsense"])
def test_malformed_class_names_are_refused(tmp_path: Path, files: list[Path], text: str) -> None:
    with pytest.raises(ArchspecError, match=r"archspec\.classes"):
        predict(open_model(tmp_path, METADATA | {"archspec.classes": text}), files)


def test_names_must_be_as_many_as_numbers(tmp_path: Path, files: list[Path]) -> None:
    with pytest.raises(ArchspecError, match="gives 3 numbers per image, for 2 classes"):
        predict(open_model(tmp_path, METADATA | {"archspec.classes": '["a", "b"]'}), files)


def test_a_bad_file_among_good_ones_is_named(tmp_path: Path, files: list[Path]) -> None:
    (tmp_path / "bad.png").write_bytes(b"x")
    with pytest.raises(ArchspecError, match=r"bad\.png is no PNG or JPEG"):
        predict(open_model(tmp_path), [*files, tmp_path / "bad.png"])


def test_arrays_run_without_metadata(tmp_path: Path, files: list[Path]) -> None:
    session = open_model(tmp_path, {})
    np.save(tmp_path / "one.npy", np.ones((1, 8, 8), np.float32))
    two, one = run(session, files[1], tmp_path / "one.npy")
    assert np.allclose(two.arrays["logits"], [[-1, 1, -1], [1, -1, -1]], atol=1e-6)
    assert np.array_equal(one.arrays["logits"], two.arrays["logits"][:1])
    assert json.loads(json.dumps(one.to_dict()))["outputs"]["logits"] == one.arrays["logits"].tolist()
    (failure,) = run_arrays(session, files[:1])
    assert isinstance(failure, Failure)
    assert "white.png: " in str(failure.error)
    assert "does not say how pictures become its input" in str(failure.error)
    assert str(failure.error).endswith(", or give .npy files")


def test_raw_numbers_of_pictures_are_those_of_the_preprocessed_array(tmp_path: Path, files: list[Path]) -> None:
    session = open_model(tmp_path)
    picture, array = run(session, *files[:2])
    assert (picture.path, picture.arrays["logits"].shape) == (str(files[0]), (1, 3))
    assert np.allclose(picture.arrays["logits"], array.arrays["logits"][:1], atol=1e-6)


def run(session: Session, *files: Path) -> list[RawOutputs]:
    results = list(run_arrays(session, files))
    assert all(isinstance(result, RawOutputs) for result in results)
    return results  # type: ignore[return-value]


def test_only_a_classifier_labels(tmp_path: Path) -> None:
    """Of several outputs the last one counts, or the one that is asked for."""
    images = np.ones((2, 1, 2, 2), np.float32)
    shape: list[int | str | None] = ["N", 1, 2, 2]
    add, sub = (helper.make_node(kind, ["x", "x"], [name]) for kind, name in (("Add", "y"), ("Div", "z")))
    model = build_model([add, sub], {"x": shape}, {"y": shape, "z": shape}, metadata=METADATA)
    several = Session(save(model, tmp_path / "m.onnx"), providers=["cpu"])
    assert {name: array.tolist() for name, array in compute_outputs(several, images).items()} == {
        "y": [[[[2, 2], [2, 2]]]] * 2,
        "z": [[[[1, 1], [1, 1]]]] * 2,
    }
    for name, asked in (("z", None), ("y", "y")):
        spec = find_task_spec(several, output=asked)
        assert spec is not None
        assert spec.output == name
        np.save(tmp_path / "x.npy", np.ones((1, 8, 8), np.float32))
        with pytest.raises(ArchspecError, match="axis 2 is 8; the model takes 2"):
            predict(several, [tmp_path / "x.npy"], spec)
    with pytest.raises(ArchspecError, match=r"has no output 'yy'; did you mean 'y'\? \(has: y, z\)"):
        find_task_spec(several, output="yy")
    small = METADATA | {"archspec.preprocess": Preprocess(1, (2, 2), (0.5,), (0.5,)).to_json()}
    picture = build_model([add], {"x": shape}, {"y": shape}, metadata=small)
    np.save(tmp_path / "x.npy", images)
    with pytest.raises(
        ArchspecError, match=r"label needs one row of numbers, found \(1, 2, 2\) per image; --task names"
    ):
        predict(Session(save(picture, tmp_path / "m.onnx"), providers=["cpu"]), [tmp_path / "x.npy"])
    nodes = [sub, helper.make_node("Flatten", ["z"], ["y"])]
    zero = Session(save(build_model(nodes, {"x": shape}, {"y": ["N", 4]}), tmp_path / "m.onnx"), providers=["cpu"])
    with pytest.raises(ArchspecError, match="infinite numbers or NaN in 'y'"):
        compute_outputs(zero, 0 * images)


@pytest.mark.parametrize("size", [1, 32])
def test_one_broken_file_does_not_lose_the_others(tmp_path: Path, files: list[Path], size: int) -> None:
    """Missing, broken, of another shape, not finite in the model: each says why, in its place."""
    (tmp_path / "bad.png").write_bytes(b"x")
    np.save(tmp_path / "wide.npy", np.zeros((1, 8, 9), np.float32))
    np.save(tmp_path / "large.npy", np.full((1, 8, 8), 3e38, np.float32))
    wrong = [tmp_path / name for name in ("bad.png", "none.png", "wide.npy", "large.npy")]
    paths = [files[0], wrong[0], files[1], *wrong[1:], files[2]]
    session = Session(save(build_linear(1e3 * WEIGHT, BIAS, metadata=METADATA), tmp_path / "m.onnx"), providers=["cpu"])
    found = list(answer_files(session, paths, batch=size))
    told = [item.path if isinstance(item, Failure) else item.answer.path for item in found]
    assert [Path(path).name for path in told] == [
        "white.png", "bad.png", "two.npy[0]", "two.npy[1]", "none.png", "wide.npy", "large.npy", "black.jpg",
    ]  # fmt: skip
    messages = [str(item.error) for item in found if isinstance(item, Failure)]
    for path, message, part in zip(wrong, messages, ("is no PNG", "not exist", "axis 3 is 9", "infinite"), strict=True):
        assert message.startswith(str(path))
        assert part in message
    labels = [item.answer for item in found if isinstance(item, Answered)]
    assert [item.label for item in labels if isinstance(item, Prediction)] == ["bright", "bright", "dark", "dark"]
    assert json.loads(json.dumps(found[1].to_dict())) == {"path": str(wrong[0]), "error": messages[0]}


@pytest.mark.parametrize("size", [1, 2, 32])
def test_a_file_has_one_line_for_all_its_images_without_an_answer(tmp_path: Path, files: list[Path], size: int) -> None:
    """Others of the same file are answered, in their places; the same file twice fails twice."""
    wide, some = np.zeros((20, 1, 8, 9), np.float32), np.ones((5, 1, 8, 8), np.float32)
    some[1] = some[3] = 3e38
    for name, images in (("wide", wide), ("some", some), ("one", some[1:2])):
        np.save(tmp_path / f"{name}.npy", images)
    session = Session(save(build_linear(1e3 * WEIGHT, BIAS, metadata=METADATA), tmp_path / "m.onnx"), providers=["cpu"])
    paths = [tmp_path / f"{name}.npy" for name in ("wide", "some", "one", "one")]
    found = list(answer_files(session, [*paths, files[0]], batch=size))
    told = [item.path if isinstance(item, Failure) else item.answer.path for item in found]
    assert [Path(path).name for path in told] == [
        "wide.npy", "some.npy[0]", "some.npy[2]", "some.npy[4]", "some.npy", "one.npy", "one.npy", "white.png",
    ]  # fmt: skip
    whole, part, one, _ = (str(item.error) for item in found if isinstance(item, Failure))
    assert whole == f"{paths[0]}: none of its 20 images has an answer: input 'image', axis 3 is 9; the model takes 8"
    assert part.startswith(f"{paths[1]}: no answer for 2 of its 5 images (1, 3): ")
    assert "infinite numbers or NaN" in part
    assert one.startswith(f"{paths[2]}: ")
    assert "images" not in one  # the control


def test_a_folder_is_answered_in_order(tmp_path: Path, files: list[Path]) -> None:
    found = predict(open_model(tmp_path), [tmp_path])
    assert [Path(item.path).name for item in found] == ["black.jpg", "white.png"]
    (tmp_path / "empty").mkdir()
    failure, answered = answer_files(open_model(tmp_path), [tmp_path / "empty", files[0]])
    assert isinstance(failure, Failure)
    assert isinstance(answered, Answered)


def build_shift(kind: int, constant: np.ndarray) -> onnx.ModelProto:
    """y = x - constant, in a type of its own."""
    node = helper.make_node("Sub", ["x", "c"], ["y"])
    return build_model([node], {"x": ["N", 2]}, {"y": ["N", 2]}, {"c": constant}, kind=kind)


def test_arrays_reach_a_model_in_its_own_type(tmp_path: Path) -> None:
    """Through float32, 1e9 + 1 would be 1e9."""
    for kind, numbers in (
        (TensorProto.DOUBLE, np.array([[1e9 + 1, 1e9 + 3.5]])),
        (TensorProto.INT64, np.array([[10**9 + 1, 2**62]])),
        (TensorProto.INT32, np.array([[10**9 + 1, -(2**31)]])),
    ):
        dtype = helper.tensor_dtype_to_np_dtype(kind)
        session = Session(
            save(build_shift(kind, np.array(10**9 if kind == TensorProto.DOUBLE else 1, dtype)), tmp_path / "m.onnx"),
            providers=["cpu"],
        )
        np.save(tmp_path / "x.npy", numbers)
        (found,) = run(session, tmp_path / "x.npy")
        assert found.arrays["y"].dtype == dtype
        assert found.arrays["y"].tolist() == session.run(numbers.astype(dtype))["y"].tolist()
        if kind == TensorProto.DOUBLE:
            assert found.arrays["y"].tolist() == [[1, 3.5]]


@pytest.mark.filterwarnings("error")
def test_what_does_not_fit_the_models_type_is_refused(tmp_path: Path) -> None:
    half = Session(
        save(build_shift(TensorProto.FLOAT16, np.array(1, np.float16)), tmp_path / "m.onnx"), providers=["cpu"]
    )
    np.save(tmp_path / "x.npy", np.array([[1e5, -7e4]]))
    (failure,) = run_arrays(half, [tmp_path / "x.npy"])
    assert isinstance(failure, Failure)
    assert "holds 100000, which float16 cannot hold (largest 65504): export with --io fp32" in str(failure.error)
    with pytest.raises(ArchspecError, match="an image holds 100000, which float16 cannot hold"):
        compute_outputs(half, np.full((1, 2), 1e5, np.float32))
    assert compute_outputs(half, np.full((1, 2), 6e4, np.float32))["y"].dtype == np.float64


def test_a_batch_that_cannot_be_filled_up_is_refused(tmp_path: Path) -> None:
    session = open_model(tmp_path, batch=1 << 30)
    with pytest.raises(ArchspecError, match="takes batches of 1073741824 alone, which are too large to fill up"):
        compute_outputs(session, np.zeros((1, 1, 8, 8), np.float32))


def test_raw_figures_are_those_of_the_numbers(tmp_path: Path) -> None:
    session = open_model(tmp_path)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).standard_normal((2, 1, 8, 8)).astype(np.float32))
    (found,) = run(session, tmp_path / "x.npy")
    logits = found.arrays["logits"]
    figures = {"shape": [2, 3], "mean": logits.mean(), "min": logits.min(), "max": logits.max()}
    assert found.summarize() == {"path": str(tmp_path / "x.npy"), "outputs": {"logits": figures}}
    texts = RawOutputs("x", {"y": np.array(["a", "b"], object), "z": np.zeros((0, 2))}).summarize()["outputs"]
    assert texts["y"] == {"shape": [2], "mean": None, "min": None, "max": None}
    assert texts["z"]["mean"] is None
