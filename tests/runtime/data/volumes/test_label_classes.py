"""Numbers in label volumes stand for classes, and numbers that stand for none are named."""

from __future__ import annotations

import numpy as np
import pytest

from archspec.arrays import Array
from archspec.errors import InputError
from runtime.data.volumes.label_classes import LabelClasses, choose_classes, find_values
from runtime.data.volumes.volume import Volume
from runtime.pictures.geometry import NOT_ASKED


def hold(*numbers: float, dtype: type = np.int16) -> Volume:
    return Volume("x.nii", np.array(numbers, dtype).reshape(1, 1, 1, -1))


def encode(classes: LabelClasses, *numbers: float, dtype: type = np.int16) -> list[int]:
    found: Array = classes.encode(hold(*numbers, dtype=dtype))
    assert found.dtype == np.uint8
    return [int(number) for number in found.reshape(-1)]


def test_all_numbers_up_to_the_largest() -> None:
    classes = choose_classes({0, 3, 255}, None)
    assert classes == LabelClasses((0, 1, 2, 3), ("background", "1", "2", "3"), (255,))
    assert encode(classes, 3, 0, 255) == [3, 0, NOT_ASKED]
    assert choose_classes({0, 255}, None) == LabelClasses((0, 255), ("background", "foreground"))
    assert choose_classes({0, 255}, None, {255}).ignored == (255,)


def test_named_numbers() -> None:
    classes = choose_classes({0, 7}, {0: "rest", 7: "liver", 700: "tumour"}, {9})
    assert classes == LabelClasses((0, 7, 700), ("rest", "liver", "tumour"), (9, 255))
    assert encode(classes, 700, 7, 9, 0) == [2, 1, NOT_ASKED, 0]
    assert encode(classes, 700, 7, 9, 0, dtype=np.float32) == [2, 1, NOT_ASKED, 0]
    assert encode(classes, 700, 7, 9, 0, dtype=np.uint64) == [2, 1, NOT_ASKED, 0]


def test_large_numbers_are_those_that_are_there() -> None:
    assert choose_classes({0, 1605, 12}, None).values == (0, 12, 1605)


def test_numbers_out_of_range() -> None:
    classes = choose_classes((), {0: "rest", 1: "cell"})
    with pytest.raises(
        InputError, match=r"x.nii holds labels out of range: -1 in 1 voxel; 2 in 3 voxels; the classes are"
    ):
        classes.encode(hold(0, 2, 2, 2, -1, 1))


def test_too_many_or_too_few() -> None:
    with pytest.raises(InputError, match=r"there are 299 classes, and at most 255"):
        choose_classes(range(300), None)
    with pytest.raises(InputError, match=r"at least two classes"):
        choose_classes((), {0: "rest"})


def test_values_of_a_volume() -> None:
    assert find_values(hold(0, 4, 4, dtype=np.float64)) == {0, 4}
    with pytest.raises(InputError, match=r"holds the number -3"):
        find_values(hold(0, -3))
    with pytest.raises(InputError, match=r"holds 70,000 different numbers"):
        find_values(hold(*range(70000), dtype=np.int32))
