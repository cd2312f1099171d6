"""Samples of volumes: on one grid with their labels, at the spacing that is wished for, cut to their place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from archspec.arrays import Array
from archspec.errors import InputError
from runtime.data.volumes.label_classes import LabelClasses
from runtime.data.volumes.samples import WHOLE, VolumeCase, VolumeSamples, cut_box, place_spacing, read_for
from runtime.data.volumes.volume_file import open_volume
from runtime.pictures.preprocess import Preprocess
from tests.support.phantoms import draw_spheres, write_nifti

PREPROCESS = Preprocess(1, (8, 8, 8), (0.5,), (0.25,), resize="none", window=((-1000.0, 1000.0),))
CLASSES = LabelClasses((0, 1, 2), ("rest", "dark", "bright"))


@pytest.fixture
def case(tmp_path: Path) -> tuple[VolumeCase, Array, Array]:
    """Two files whose axes run in other ways."""
    values, labels = draw_spheres((20, 24, 28), 4, 3)
    image = write_nifti(tmp_path / "image.nii.gz", values, "LPS", (2.0, 1.0, 0.5))
    mask = write_nifti(tmp_path / "mask.nii", labels, "ASR", (2.0, 1.0, 0.5))
    return VolumeCase("a", (image,), mask), values, labels


def test_labels_lie_on_their_image(case: tuple[VolumeCase, Array, Array]) -> None:
    one, values, labels = case
    (image, target), *_ = [VolumeSamples([one], CLASSES, PREPROCESS)[0]]
    assert (str(image.dtype), str(target.dtype)) == ("uint16", "uint8")
    np.testing.assert_array_equal(target, labels)
    np.testing.assert_allclose(image[0] / 65535, (values.clip(-1000, 1000) + 1000) / 2000, atol=1e-5)
    bright = image[0][target == 2].mean()
    assert bright > 1.1 * image[0][target == 1].mean()
    assert bright > 1.3 * image[0][::-1][target == 2].mean(), "control: a mirrored image is another"


def test_spacing_keeps_places(case: tuple[VolumeCase, Array, Array]) -> None:
    """At half a millimetre along each axis both have four and two times as many voxels, where scipy puts them."""
    one, values, labels = case
    finer = replace(PREPROCESS, spacing=(0.5, 0.5, 0.5))
    image, target = VolumeSamples([one], CLASSES, finer)[0]
    assert image.shape[1:] == target.shape == (80, 48, 28)
    np.testing.assert_array_equal(target, labels.repeat(4, 0).repeat(2, 1))
    wanted = ndimage.zoom(values.astype(float).clip(-1000, 1000), (4, 2, 1), order=1, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(image[0] / 65535 * 2000 - 1000, wanted, atol=0.05)
    assert np.abs(image[0, :-4] / 65535 * 2000 - 1000 - wanted[4:]).mean() > 20, "control: a voxel further"


def test_place_is_a_share(case: tuple[VolumeCase, Array, Array]) -> None:
    one, _, labels = case
    halves = [replace(one, box=((0.0, 1.0), (0.25, 0.75), part)) for part in ((0.0, 0.5), (0.5, 1.0))]
    found = [VolumeSamples(halves, CLASSES, PREPROCESS)[number][1] for number in (0, 1)]
    np.testing.assert_array_equal(np.concatenate(found, 2), labels[:, 6:18])
    assert cut_box((20, 24, 28), WHOLE) == (slice(0, 20), slice(0, 24), slice(0, 28))


def test_channels_may_lie_in_several_files(case: tuple[VolumeCase, Array, Array], tmp_path: Path) -> None:
    one, values, _ = case
    second = write_nifti(tmp_path / "second.nii.gz", -values, "RAS", (2.0, 1.0, 0.5))
    both = replace(one, images=(*one.images, second))
    preprocess = replace(PREPROCESS, channels=2, mean=(0.0, 0.0), std=(1.0, 1.0), window=((-1000.0, 1000.0),) * 2)
    image, _ = VolumeSamples([both], CLASSES, preprocess)[0]
    np.testing.assert_allclose(image[0] + image[1].astype(float), 65535, atol=1)


def test_what_lies_elsewhere_is_refused(case: tuple[VolumeCase, Array, Array], tmp_path: Path) -> None:
    one, values, labels = case
    other = write_nifti(tmp_path / "other.nii", labels[1:], "RAS", (2.0, 1.0, 0.5))
    with pytest.raises(InputError, match=r"other.nii is 19 by 24 by 28 voxels"):
        VolumeSamples([replace(one, labels=other)], CLASSES, PREPROCESS)[0]
    apart = write_nifti(tmp_path / "apart.nii", labels, "RAS", (2.0, 1.0, 1.0))
    with pytest.raises(InputError, match=r"apart.nii lies up to 27 voxels from"):
        VolumeSamples([replace(one, labels=apart)], CLASSES, PREPROCESS)[0]
    np.save(tmp_path / "image.npy", values)
    np.save(tmp_path / "mask.npy", labels)
    bare = VolumeCase("b", (tmp_path / "image.npy",), tmp_path / "mask.npy")
    spaced = replace(PREPROCESS, spacing=(1.0, 1.0, 1.0))
    with pytest.raises(InputError, match=r"does not say how far apart its voxels are, .* at 1 by 1 by 1"):
        VolumeSamples([bare], CLASSES, spaced)[0]
    assert VolumeSamples([bare], CLASSES, spaced, (2.0, 1.0, 1.0))[0][0].shape == (1, 40, 24, 28)
    with pytest.raises(InputError, match=r"would be 536870912×24×28 at 1e-09 by 1 by 1: that is more than"):
        place_spacing((20, 24, 28), (2.0, 1.0, 1.0), replace(PREPROCESS, spacing=(1e-9, 1.0, 1.0)))


def test_a_network_reads_as_its_training_did(case: tuple[VolumeCase, Array, Array]) -> None:
    one, *_ = case
    coarse = replace(PREPROCESS, spacing=(2.0, 2.0, 2.0))
    levels, frame = read_for(open_volume(one.images[0]), coarse)
    np.testing.assert_array_equal(levels, VolumeSamples([one], CLASSES, coarse)[0][0])
    assert (frame.own, frame.shown) == ((20, 24, 28), (20, 12, 7))
    with pytest.raises(InputError, match=r"has 1 channel, and the network takes 2"):
        read_for(
            open_volume(one.images[0]), replace(PREPROCESS, channels=2, mean=(0.0, 0.0), std=(1.0, 1.0), window="each")
        )


def test_files_of_a_sample(case: tuple[VolumeCase, Array, Array]) -> None:
    one, *_ = case
    assert VolumeSamples([one], CLASSES, PREPROCESS).list_files(0) == (*one.images, one.labels)
