"""Data sets of volumes: their parts, what is measured on the training part alone, and patches per epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archspec.errors import InputError
from runtime.data.dataset import Dataset
from runtime.data.opening import open_data
from runtime.data.volumes.assembling import choose_patch
from runtime.recipes.data import DataSection
from tests.support.phantoms import draw_spheres, write_nifti


def put(folder: Path, count: int, bright: int | None = None) -> Path:
    """Volumes of which the one with the number `bright` has ten times the values."""
    for number in range(count):
        values, labels = draw_spheres((20, 24, 36), 4, number)
        values = values * np.int16(10) if number == bright else values
        for name, content, axes in (("images", values, "LPS"), ("labels", labels, "RAS")):
            (folder / name).mkdir(exist_ok=True)
            write_nifti(folder / name / f"{number}.nii.gz", content, axes, (2.0, 1.0, 1.0))
    return folder


def open_folder(folder: Path, **section: Any) -> Dataset:
    return open_data(folder, DataSection(**section))


def test_a_folder_is_a_data_set(tmp_path: Path) -> None:
    data = open_folder(put(tmp_path, 5), patches=3, validation=0.2)
    assert (data.task, data.classes) == ("maps", ("background", "1", "2"))
    assert (len(data.train), len(data.test), len(data.validation or ())) == (9, 1, 1)
    np.testing.assert_array_equal(data.train[0][1], data.train[2][1])
    assert not np.array_equal(data.train[0][1], data.train[3][1])
    assert data.train[8][0].shape == (1, 20, 24, 36)
    preprocess = data.preprocess
    assert (preprocess.channels, preprocess.size, preprocess.resize, preprocess.spacing) == (
        1,
        (16, 16, 32),
        "none",
        None,
    )
    assert type(preprocess).from_json(preprocess.to_json()) == preprocess
    image, labels = data.train[0]
    normal = preprocess.normalize(image)[0][labels > 0]
    assert abs(normal.mean()) < 0.2
    assert 0.8 < normal.std() < 1.2
    assert data.census.counts.sum() == 9 * 20 * 24 * 36


def test_levels_are_measured_on_the_training_part(tmp_path: Path) -> None:
    """Whatever the values of the volume that is held out are."""
    plain, other = tmp_path / "plain", tmp_path / "other"
    held = {}
    for folder, bright in ((plain, None), (other, 3)):
        folder.mkdir()
        put(folder, 4, bright)
        (folder / "test").mkdir()
        for name in ("images", "labels"):
            (folder / "test" / name).mkdir()
            (folder / name / "3.nii.gz").rename(folder / "test" / name / "3.nii.gz")
        held[folder] = open_folder(folder)
    assert held[plain].preprocess == held[other].preprocess
    (tmp_path / "third").mkdir()
    assert open_folder(put(tmp_path / "third", 4, bright=0)).preprocess != held[plain].preprocess, "control"


def test_windows_of_a_recipe(tmp_path: Path) -> None:
    put(tmp_path, 3)
    assert open_folder(tmp_path, window=[-100, 240]).preprocess.window == ((-100.0, 240.0),)
    assert open_folder(tmp_path, window="each").preprocess.window == "each"
    plain = open_folder(tmp_path, normalize="none").preprocess
    assert (plain.mean, plain.std) == ((0.0,), (1.0,))


def test_spacing_of_a_recipe(tmp_path: Path) -> None:
    data = open_folder(put(tmp_path, 3), spacing=[2, 2, 2], size=[16])
    assert (data.preprocess.spacing, data.preprocess.size) == ((2.0, 2.0, 2.0), (16, 16, 16))
    image, labels = data.train[0]
    assert image.shape[1:] == labels.shape == (20, 12, 18)


def test_one_volume_is_split_by_place(tmp_path: Path) -> None:
    put(tmp_path, 1)
    with pytest.raises(
        InputError, match=r"is one volume: say in its data.yaml which place of it .* `place: {train: {width"
    ):
        open_folder(tmp_path)
    (tmp_path / "data.yaml").write_text("place: {train: {width: [0, 0.5]}, test: {width: [0.6, 1]}}")
    data = open_folder(tmp_path, patches=8)
    assert (len(data.train), len(data.test)) == (8, 1)
    whole = draw_spheres((20, 24, 36), 4, 0)[1]
    np.testing.assert_array_equal(data.train[7][1], whole[:, :, :18])
    np.testing.assert_array_equal(data.test[0][1], whole[:, :, 22:])


def test_targets_are_read_alone(tmp_path: Path) -> None:
    data: Any = open_folder(put(tmp_path, 3), spacing=[2, 2, 2], patches=2)
    np.testing.assert_array_equal(data.train.read_target(3), data.train[3][1])
    assert data.train.peek(3) == (1, (20, 24, 36))
    assert [path.parent.name for path in data.train.list_files(3)] == ["images", "labels"]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"resize": "letterbox"}, "data.resize is of pictures"),
        ({"interpolation": "nearest"}, "data.interpolation is of pictures"),
        ({"ground": "white"}, "data.ground is of pictures"),
        ({"normalize": "imagenet"}, "imagenet is of pictures"),
        ({"spacing": [1, 1]}, "data.spacing has 2 numbers"),
        ({"size": [16, 16]}, "data.size is 16×16, and volumes have three extents"),
    ],
)
def test_what_is_of_pictures_is_refused(tmp_path: Path, section: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_folder(put(tmp_path, 2), **section)


def test_bad_files_are_named_or_left_out(tmp_path: Path) -> None:
    put(tmp_path, 4)
    (tmp_path / "images" / "2.nii.gz").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"1 file of .* cannot be used: .*2.nii.gz is no NIfTI file"):
        open_folder(tmp_path)
    assert len(open_folder(tmp_path, skip_bad=True).train) == 2


def test_volumes_of_other_channels(tmp_path: Path) -> None:
    put(tmp_path, 2)
    np.save(tmp_path / "images" / "x.npy", np.zeros((2, 4, 5, 6)))
    np.save(tmp_path / "labels" / "x.npy", np.zeros((4, 5, 6)))
    with pytest.raises(InputError, match="have 1 or 2 channels: all need the same number"):
        open_folder(tmp_path)


def test_patches_fit() -> None:
    section = DataSection()
    assert choose_patch([(200, 70, 40), (90, 100, 12)], section) == (64, 64, 12)
    assert choose_patch([(200, 70, 40)], DataSection(size=[24])) == (24, 24, 24)
