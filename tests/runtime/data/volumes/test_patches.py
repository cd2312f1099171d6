"""Patches follow from their seed, lie where they should, and their labels go where the image goes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from archspec.errors import InputError
from runtime.data.volumes.patches import FOR_PICTURES, PatchAugmentation, choose_voxel
from runtime.pictures.geometry import NOT_ASKED
from runtime.recipes.data import AugmentSection

LABELS = np.zeros((40, 44, 48), np.uint8)
LABELS[2:6, 30:36, 10:20] = 1
LABELS[30:31, 5:7, 40:42] = 2
LABELS[20, 20, 20] = NOT_ASKED
IMAGE = np.where(LABELS == NOT_ASKED, 0, LABELS.astype(np.uint16) * 20000)[None]
PATCH = (16, 12, 20)


def draw(section: AugmentSection, count: int, patch: tuple[int, ...] = PATCH) -> list[tuple[np.ndarray, np.ndarray]]:
    augmentation = PatchAugmentation(patch, section)
    return [augmentation(IMAGE, LABELS, seed) for seed in range(count)]


EVERYTHING = AugmentSection(
    flip="all", rotate=20, zoom=[0.8, 1.25], shear=5, brightness=0.2, contrast=0.2, blur=0.5, noise=0.05
)


@pytest.mark.parametrize(
    "section", [AugmentSection(), AugmentSection(flip="both"), EVERYTHING], ids=["cut", "flip", "all"]
)
def test_a_seed_is_the_whole_patch(section: AugmentSection) -> None:
    """In whichever order patches are drawn."""
    first = draw(section, 6)
    again = PatchAugmentation(PATCH, section)
    for seed in (4, 1, 4, 0):
        image, labels = again(IMAGE, LABELS, seed)
        assert (str(image.dtype), str(labels.dtype)) == ("float32", "uint8")
        assert (image.shape, labels.shape) == ((1, *PATCH), PATCH)
        np.testing.assert_array_equal(image, first[seed][0])
        np.testing.assert_array_equal(labels, first[seed][1])
    assert not all(np.array_equal(first[0][0], image) for image, _ in first), "control: seeds differ"


def test_the_share_around_the_foreground() -> None:
    """All patches that are drawn around a class hold it, half of them each of the two; others rarely do."""
    around = [labels for _, labels in draw(AugmentSection(foreground=1.0), 200)]
    with_class = [np.mean([(labels == number).any() for labels in around]) for number in (1, 2)]
    assert sum(with_class) == pytest.approx(1.0)
    assert 0.4 < with_class[1] < 0.6, "the small class as often as the large one"
    anywhere = [labels for _, labels in draw(AugmentSection(foreground=0.0), 200)]
    assert np.mean([(labels == 2).any() for labels in anywhere]) < 0.25
    third = [labels for _, labels in draw(AugmentSection(), 300)]
    assert 0.3 < np.mean([((labels == 1) | (labels == 2)).any() for labels in third]) < 0.75


def test_patches_lie_everywhere_and_inside() -> None:
    """Each is cut out of the volume as it is; together they reach its first and last voxels."""
    numbered = np.arange(LABELS.size, dtype=np.float32).reshape(1, *LABELS.shape)
    augmentation = PatchAugmentation(PATCH, AugmentSection(foreground=0.5))
    starts = []
    for seed in range(400):
        image, labels = augmentation(numbered, LABELS, seed)
        start = np.unravel_index(int(image[0, 0, 0, 0]), LABELS.shape)
        place = tuple(slice(at, at + extent) for at, extent in zip(start, PATCH, strict=True))
        np.testing.assert_array_equal(image[0], numbered[0][place])
        np.testing.assert_array_equal(labels, LABELS[place])
        starts.append(start)
    assert np.min(starts, 0).tolist() == [0, 0, 0]
    assert np.max(starts, 0).tolist() == [40 - 16, 44 - 12, 48 - 20]


def test_beyond_a_small_volume_lies_its_mirror_image() -> None:
    patch = (16, 64, 61)
    ((image, labels),) = draw(AugmentSection(foreground=0.0), 1, patch)
    inside = labels[:, 10:54, 7:55]
    assert set(np.unique(labels[:, :10])) == set(np.unique(labels[:, :, 55:])) == {NOT_ASKED}
    assert not (inside == NOT_ASKED).all()
    np.testing.assert_array_equal(image[0][:, 9], image[0][:, 11])


def test_labels_go_where_the_image_goes() -> None:
    """A ball that is brighter than the rest: after turning, zooming and mirroring, voxels are bright where the label
    is, but for the border; labels that stay behind are found out."""
    grid = np.indices((36, 36, 36)) - np.array([12, 18, 22])[:, None, None, None]
    ball = ((grid**2).sum(0) <= 7**2).astype(np.uint8)
    image = (ball * np.uint16(65535))[None]
    moved = PatchAugmentation(
        (32, 32, 32), AugmentSection(rotate=40, zoom=[0.7, 1.4], shear=5, flip="all", foreground=0)
    )
    plain = PatchAugmentation((32, 32, 32), AugmentSection(foreground=0))
    together, apart, sizes = [], [], []
    for seed in range(12):
        (bright, labels), (_, before) = moved(image, ball, seed), plain(image, ball, seed)
        bright = (bright[0] > 0.5) & (labels != NOT_ASKED)
        together.append((bright & (labels == 1)).sum() / (bright | (labels == 1)).sum())
        apart.append((bright & (before == 1)).sum() / (bright | (before == 1)).sum())
        sizes.append(bright.sum() / ball.sum())
    assert min(together) > 0.85
    assert np.mean(apart) < 0.7, "control"
    assert min(sizes) < 0.75 < 1.15 < max(sizes), "it shrinks and grows"


def test_brightness_contrast_and_noise() -> None:
    flat = np.full((1, 20, 44, 24), 32768, np.uint16)
    flat[:, :, :22] = 16384
    for section, low, high in (
        (AugmentSection(brightness=0.5, foreground=0.0), 0.5, 1.5),
        (AugmentSection(contrast=0.5, foreground=0.0), 0.5, 1.5),
    ):
        found = [PatchAugmentation((20, 44, 24), section)(flat, LABELS[:20, :, :24], seed)[0][0] for seed in range(20)]
        steps = np.array([(image[0, 40, 0] - image[0, 0, 0]) / 0.25 for image in found])
        assert low <= steps.min() < 0.85 < 1.15 < steps.max() <= high * 1.001
        means = np.array([image.mean() for image in found])
        assert (np.ptp(means) > 0.1) == (section.brightness > 0), "contrast keeps the mean"
    noisy = PatchAugmentation((20, 44, 24), AugmentSection(noise=0.1, foreground=0.0))
    spreads = [float((noisy(flat, LABELS[:20, :, :24], seed)[0] - flat / 65535).std()) for seed in range(3)]
    np.testing.assert_allclose(spreads, 0.1, rtol=0.03)


@pytest.mark.parametrize("name", FOR_PICTURES)
def test_what_is_for_pictures_is_refused(name: str) -> None:
    values = {"auto": "rand_augment", "scale": [0.5, 1.0], "ratio": [0.5, 2.0], "shift": 2, "pad_crop": 2}
    with_scale = {"scale": [0.5, 1.0]} if name == "ratio" else {}  # a ratio is none without
    section = AugmentSection.model_validate({name: values.get(name, 0.1)} | with_scale)
    with pytest.raises(InputError, match=f"augment.({name}|scale) varies pictures, and these are volumes"):
        PatchAugmentation(PATCH, section)


def test_every_voxel_of_a_class_is_chosen() -> None:
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1, 2, 3:5], labels[3, 4, 5], labels[0, 0, 0] = 1, 7, NOT_ASKED
    chance = np.random.default_rng(0)
    found = [choose_voxel(labels, chance) for _ in range(400)]
    shares = {place: found.count(place) / 400 for place in set(found)}
    assert set(shares) == {(1, 2, 3), (1, 2, 4), (3, 4, 5)}
    assert shares[3, 4, 5] == pytest.approx(0.5, abs=0.08)
    assert shares[1, 2, 3] == pytest.approx(0.25, abs=0.08)
    assert choose_voxel(np.full((2, 2, 2), NOT_ASKED, np.uint8), chance) is None


def test_workers_get_what_is_pickled() -> None:
    augmentation = pickle.loads(pickle.dumps(PatchAugmentation(PATCH, EVERYTHING)))
    np.testing.assert_array_equal(augmentation(IMAGE, LABELS, 5)[0], draw(EVERYTHING, 6)[5][0])
