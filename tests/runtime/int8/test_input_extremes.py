"""Images that cannot be those that a network is for are refused; what is odd about others is said."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from archspec.api import to_torch
from archspec.errors import ArchspecError
from compiler.onnx_file.metadata import PREPROCESS
from compiler.onnx_target.model import build_model
from compiler.onnx_target.onnx_model import OnnxModel
from runtime.int8.data import open_calibration_data
from runtime.int8.quantize import Quantization, quantize
from runtime.pictures.preprocess import Preprocess
from tests.support.documents import graph_from
from tests.support.lowering import stir
from tests.support.processors import needs_whole_sums

PREPARED = Preprocess(2, (8, 8), (0.5, 0.4), (0.25, 0.2))
"""A picture's numbers lie in -2…2 and in -2…3."""

NETWORK = {
    "archspec": 1,
    "inputs": {"image": [2, "H", "W"]},
    "sizes": {"H": 8, "W": 8},
    "network": [{"conv": {"out": 4, "kernel": 3}}, "relu", {"conv": {"out": 3, "kernel": 1}}],
}


def build(metadata: dict[str, str] | None = None, document: dict[str, Any] = NETWORK) -> OnnxModel:
    graph = graph_from(document)
    weights = {name: value.numpy() for name, value in stir(to_torch(graph)).state_dict().items()}
    return build_model(graph, weights, metadata=metadata)


def calibrate(model: OnnxModel, source: Path) -> Quantization:
    return quantize(model, open_calibration_data(source, model.graph, model.metadata)).report


def prepared() -> OnnxModel:
    return build({PREPROCESS: PREPARED.to_json()})


def gray() -> OnnxModel:
    metadata = PREPROCESS.write(Preprocess(1, (8, 8), (0.5,), (0.25,)).to_json())
    return build(metadata, {**NETWORK, "inputs": {"x": [1, "H", "W"]}})


def pictures(count: int = 20) -> NDArray[Any]:
    return np.random.default_rng(0).random((count, 2, 8, 8))


def save(path: Path, array: NDArray[Any]) -> Path:
    np.save(path, array.astype(np.float32))
    return path


@pytest.mark.parametrize("number", [0.0, -0.0, 1.0, 1e30, 1e-42])
@pytest.mark.parametrize("known", [True, False])
def test_one_number_everywhere_is_refused(number: float, known: bool, tmp_path: Path) -> None:
    model = prepared() if known else build()
    with pytest.raises(ArchspecError, match=r"every number of the calibration data .* no range can be learned"):
        calibrate(model, save(tmp_path / "same.npy", np.full((20, 2, 8, 8), number)))


@pytest.mark.parametrize("size", [1e-17, 1e-30, 1e-42])
@pytest.mark.parametrize("known", [True, False])
def test_numbers_that_have_no_scale_are_refused(size: float, known: bool, tmp_path: Path) -> None:
    """Between two integers of the smallest scale there are 2⁻⁶⁰; the control is known to be large enough."""
    model, images = prepared() if known else build(), pictures() - 0.5
    with pytest.raises(ArchspecError, match=r"reaches from .*, too little for any scale: no range can be learned"):
        calibrate(model, save(tmp_path / "tiny.npy", size * images))
    assert calibrate(build(), save(tmp_path / "small.npy", 1e-14 * images)).layers


@pytest.mark.parametrize(("size", "refused"), [(1e-10, True), (1e-5, True), (1e-4, False), (1e-2, False)])
def test_what_is_nearer_than_two_shades_of_a_picture_is_refused(size: float, refused: bool, tmp_path: Path) -> None:
    """Channel 1 reaches over 5, and one step of 16 bits is 5 / 65535."""
    source = save(tmp_path / "dim.npy", size * pictures())
    if refused:
        with pytest.raises(
            ArchspecError, match=r"was not prepared .*: its numbers are at most .* apart, less than two"
        ):
            calibrate(prepared(), source)
    else:
        assert any("of the numbers that a picture can have" in note for note in calibrate(prepared(), source).notes)


def test_one_number_in_each_channel_is_refused(tmp_path: Path) -> None:
    images = np.ones((20, 1, 8, 8)) * [[[1]], [[-2]]]
    with pytest.raises(ArchspecError, match="has one number in each channel: no range can be learned"):
        calibrate(build(), save(tmp_path / "flat.npy", images))
    images[3, 1, 2, 2] = 0  # the control
    assert any("same number everywhere in channel 0" in note for note in find_notes(images, tmp_path))


def test_one_large_number_of_many_is_no_range(tmp_path: Path) -> None:
    """It gives all others one integer."""
    images = pictures()
    images[5, 0, 0, 0] = 1e20
    with pytest.raises(ArchspecError, match="answers nothing like the float model"):
        calibrate(build(), save(tmp_path / "one.npy", images))
    with pytest.raises(ArchspecError, match="was not prepared for the network: its channel 0 reaches"):
        calibrate(prepared(), save(tmp_path / "one.npy", images))


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda images: images, None),
        (lambda images: 1e30 * images, "is it prepared as for training?"),
        (lambda images: 1e-10 * images, "is it prepared as for training?"),
        (lambda images: np.rint(255 * images), "are whole numbers from 0 to 255, as pixels that nobody prepared"),
        (lambda images: np.rint(255 * images) + 0.5, None),
        (lambda images: np.rint(255 * images) - 100, None),
        (lambda images: np.rint(images), None),
        (lambda images: images[[0] * 20], "those of 20 images, all nearly the same: others may"),
    ],
)
def test_what_is_odd_is_said_where_nothing_is_known(change: Any, note: str | None, tmp_path: Path) -> None:
    found = find_notes(change(pictures()), tmp_path)
    assert bool(found) == bool(note)
    assert note is None or re.search(note, found[0])


def find_notes(images: NDArray[Any], folder: Path) -> tuple[str, ...]:
    return calibrate(build(), save(folder / "images.npy", images)).notes


def test_what_no_picture_can_hold_is_refused(tmp_path: Path) -> None:
    """Pixels from 0 to 255, which nobody normalized."""
    reason = r"channel \d reaches from 0.* to 25.*; a picture's, .* from -2 to [23]; subtract the mean"
    with pytest.raises(ArchspecError, match=reason):
        calibrate(prepared(), save(tmp_path / "raw.npy", 255 * pictures()))


@needs_whole_sums
@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda images: PREPARED.normalize(images), None),
        (lambda images: PREPARED.normalize(1.3 * images), "is not all of pictures"),
        (lambda images: PREPARED.normalize(0.1 * images), "covers 1.*% of the numbers that a picture can have"),
        (lambda images: 0.9 * images, "covers 2.*% of the numbers that a picture can have"),
        (lambda images: PREPARED.normalize(0.5 + images / 2), None),
        (lambda images: PREPARED.normalize(images * [[[1]], [[0]]]), "has the same number everywhere in channel 1"),
        (lambda images: PREPARED.normalize(images[:1]), "the ranges are those of 1 image:"),
    ],
)
def test_what_is_odd_is_said(change: Any, note: str | None, tmp_path: Path) -> None:
    found = calibrate(prepared(), save(tmp_path / "images.npy", change(pictures())))
    assert [bool(note and re.search(note, said)) for said in found.notes] == [True] * bool(note)


@pytest.mark.parametrize(("mean", "std", "told"), [(0.1307, 0.3081, True), (0.5, 0.5, True), (0.0, 1.0, False)])
def test_pixels_from_which_no_mean_was_taken_are_told(mean: float, std: float, told: bool, tmp_path: Path) -> None:
    """However much of what a picture can hold they cover; there is nothing to tell where the mean is 0."""
    model = build(
        {PREPROCESS: Preprocess(1, (8, 8), (mean,), (std,)).to_json()}, {**NETWORK, "inputs": {"x": [1, "H", "W"]}}
    )
    bare = pictures()[:, :1]
    assert (
        any("nowhere below the mean" in note for note in calibrate(model, save(tmp_path / "a.npy", bare)).notes) == told
    )
    normalized = save(tmp_path / "b.npy", (bare - mean) / std)
    assert not any("nowhere below" in note for note in calibrate(model, normalized).notes)


def test_ranges_of_few_numbers_are_said(tmp_path: Path) -> None:
    pooled = {**NETWORK, "network": [{"conv": 4}, "global_avg_pool", "flatten", {"linear": 3}]}
    for count, few in ((20, True), (300, False)):
        notes = calibrate(build(document=pooled), save(tmp_path / "images.npy", pictures(count))).notes
        assert (
            any(re.search("other images may leave the range of .*, that of 80 numbers", note) for note in notes) == few
        )


def test_large_numbers_are_said_where_nothing_is_known_of_pictures(tmp_path: Path) -> None:
    assert calibrate(build(), save(tmp_path / "raw.npy", 255 * pictures())).notes == ()
    (note,) = calibrate(build(), save(tmp_path / "huge.npy", 1e8 * pictures())).notes
    assert "is it prepared as for training?" in note


def test_folders_pass_over_what_is_no_picture(tmp_path: Path) -> None:
    model = build(
        {PREPROCESS: Preprocess(1, (8, 8), (0.5,), (0.25,)).to_json()}, {**NETWORK, "inputs": {"x": [1, "H", "W"]}}
    )
    for number in range(8):
        Image.fromarray((number + 1) * np.arange(64, dtype=np.uint8).reshape(8, 8) // 2).save(
            tmp_path / f"{number}.png"
        )
    (tmp_path / "._0.png").write_bytes(b"\0\5\26\7")
    (tmp_path / "dir.png").mkdir()
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "a.png").write_bytes(b"nothing")
    for name in ("a.webp", "b.WEBP", "c.bmp"):
        (tmp_path / name).write_bytes(b"not looked at")
    found = calibrate(model, tmp_path)
    assert found.images == 8
    assert [note for note in found.notes if "other pictures" in note] == [
        f"3 other pictures of {tmp_path} (BMP, WebP) were not read: PNG and JPEG are"
    ]


def test_all_broken_pictures_are_named(tmp_path: Path) -> None:
    for number in range(6):
        Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / f"{number}.png")
    for number in (1, 4):
        (tmp_path / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    model = build(
        {PREPROCESS: Preprocess(1, (8, 8), (0.5,), (0.25,)).to_json()}, {**NETWORK, "inputs": {"x": [1, "H", "W"]}}
    )
    with pytest.raises(ArchspecError, match=r"2 of the 6 pictures of .*1\.png.*4\.png.*mend them or take them out"):
        calibrate(model, tmp_path)


def test_transparent_pictures_lie_on_a_ground(tmp_path: Path) -> None:
    model = gray()
    for number in range(8):
        pixels = np.full((8, 8, 2), 200, np.uint8)
        pixels[:, :, 1] = np.where(np.arange(64).reshape(8, 8) % (number + 2), 255, 0)
        Image.fromarray(pixels, "LA").save(tmp_path / f"{number}.png")
    with pytest.raises(ArchspecError, match=r"8 of the 8 pictures .* --ground white"):
        calibrate(model, tmp_path)
    data = open_calibration_data(tmp_path, model.graph, model.metadata, (0, 0, 0))
    (images,) = data.batches(8)
    with pytest.raises(ArchspecError, match="a ground is read for these alone"):
        open_calibration_data("digits", model.graph, model.metadata, (0, 0, 0))
    assert set(np.unique(np.rint((images * 0.25 + 0.5) * 255)).tolist()) == {0, 200}


def test_one_image_is_taken_as_run_takes_it(tmp_path: Path) -> None:
    one = calibrate(build(), save(tmp_path / "one.npy", pictures(1)[0]))
    row = calibrate(build(), save(tmp_path / "row.npy", pictures(1)))
    assert one.images == row.images == 1
    assert one.loss == row.loss
    assert any("1 image:" in note for note in one.notes)


def test_images_of_the_training_size_fit_a_network_that_was_written_for_another(tmp_path: Path) -> None:
    """The output is placed on the images as it is on them."""
    model = build({"archspec.task": "maps"}, {**NETWORK, "sizes": {"H": 64, "W": 64}})
    assert calibrate(model, save(tmp_path / "small.npy", pictures())).loss.last.metric == "agreement"


def test_the_options_that_fit_the_images_are_named(tmp_path: Path) -> None:
    document = {**NETWORK, "network": [{"conv": 4}, "flatten", {"linear": 3}]}
    reason = "the model takes only 8; --size H=8 --size W=12 exports it for these, where its weights fit"
    with pytest.raises(ArchspecError, match=reason):
        calibrate(build(document=document), save(tmp_path / "wide.npy", np.zeros((4, 2, 8, 12))))
