"""Class folders: which classes there are, and which pictures are of which; torchvision's ImageFolder is the witness."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archspec.errors import InputError
from runtime.data.class_folders import LAYOUT, find_part_folders, recognize
from runtime.data.listing import list_data
from runtime.data.opening import open_data
from runtime.data.torchvision_import import import_torchvision
from tests.support.folders import draw_pixels, save_pixels, write_class_folders


def test_classes_and_samples_are_those_of_torchvision(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"dog": 3, "Cat": 2, "ant hill/deep": 1, "ant hill": 2})
    source = LAYOUT.read(list_data(tmp_path), "data")
    witness = import_torchvision("torchvision.datasets").ImageFolder(str(tmp_path))
    assert list(source.classes) == witness.classes == ["Cat", "ant hill", "dog"]
    expected = {str(Path(path).relative_to(tmp_path)): label for path, label in witness.samples}
    assert dict(zip(source.names, source.strata or (), strict=True)) == expected
    for index, name in enumerate(source.names):
        image, label = source.samples[index]
        pixels = np.asarray(witness.loader(str(tmp_path / name)))
        assert label == expected[name]
        assert np.array_equal(image, np.moveaxis(pixels, 2, 0))
    assert source.parts is None


def test_folders_of_parts_hold_folders_of_classes(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"Train/a": 3, "Train/b": 2, "valid/b": 1, "test/a": 1, "test/b": 0})
    listing = list_data(tmp_path)
    assert recognize(listing)
    source = LAYOUT.read(listing, "data")
    assert source.classes == ("a", "b")
    assert [*zip(source.parts or (), source.strata or (), strict=True)] == [
        *[("train", 0)] * 3,
        *[("train", 1)] * 2,
        ("test", 0),
        ("validation", 1),
    ]


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    listing = list_data(write_class_folders(tmp_path, {"train": 2, "bus": 2}))
    assert find_part_folders(listing) == {}
    assert LAYOUT.read(listing, "data").classes == ("bus", "train")


def test_what_is_not_laid_out_so(tmp_path: Path) -> None:
    assert not recognize(list_data(tmp_path))
    write_class_folders(tmp_path, {"only": 2})
    assert not recognize(list_data(tmp_path)), "one class is nothing to tell apart"
    (tmp_path / "empty").mkdir()
    assert recognize(list_data(tmp_path)), "an empty class is a mistake, and is told"


def test_an_empty_class_is_a_problem(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"a": 2, "b": 0, "c": 0})
    (tmp_path / "c" / "1.webp").write_bytes(b"")
    source = LAYOUT.read(list_data(tmp_path), "data")
    (problem,) = source.problems
    assert f"{tmp_path} has no pictures in the folder of b, c: each class needs at least one" in problem
    assert source.strays == ("1 other picture (WebP) is not read: PNG and JPEG are",)
    with pytest.raises(InputError, match="has no pictures in the folder of b, c"):
        open_data(tmp_path)


def test_a_class_that_is_never_trained_is_a_problem(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train/a": 2, "test/a": 1, "test/b": 1})
    with pytest.raises(
        InputError, match="has no pictures to train on in the folder of b: each class needs at least one"
    ):
        open_data(tmp_path)


def test_a_description_says_the_order_and_which_classes_there_are(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"a": 2, "b": 1, "c": 2})
    (tmp_path / "data.yaml").write_text("classes: [c, a]\n")
    source = LAYOUT.read(list_data(tmp_path), "data")
    assert source.classes == ("c", "a")
    assert [*zip(source.names, source.strata or (), strict=True)] == [
        ("a/000.png", 1),
        ("a/001.png", 1),
        ("c/000.png", 0),
        ("c/001.png", 0),
    ]
    assert source.notes == ("1 picture of data, in folders that data.yaml does not name, is left out: b",)


def test_loose_pictures_are_left_out_and_told(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"a": 2, "b": 2})
    save_pixels(tmp_path / "loose.png", draw_pixels((4, 4)))
    source = LAYOUT.read(list_data(tmp_path), "data")
    assert len(source.names) == 4
    assert source.strays == ("1 picture of data is in no folder of a class, and is left out: loose.png",)
