"""Samples at the size at which they are cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from archspec.arrays import Array
from archspec.errors import InputError
from runtime.data.dataset import Dataset
from runtime.data.mask_pairs import MaskedPictures
from runtime.data.mask_values import MaskValues
from runtime.data.preparing import cut_sample, size_sample
from runtime.data.sized import ResizingSamples
from runtime.data.source import LabelledPictures, Subset
from runtime.pictures.preprocess import Preprocess
from runtime.pictures.reading import load_image
from runtime.tasks.registry import find_task
from tests.support.odd_samples import DrawingSamples, FailingSamples
from tests.support.photographs import write_photographs

LABELS = find_task("labels")
SMALL = Preprocess(1, (4, 4), (0.5,), (0.5,))


class Files:
    """Samples that know their files."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> tuple[Array, int]:
        return np.full((1, 8, 8 + index), index, np.uint8), index

    def list_files(self, index: int) -> tuple[Path, ...]:
        return (Path(f"dir/{index}.png"),)


def test_images_are_resized_and_named_by_their_files() -> None:
    samples = ResizingSamples(Files(), SMALL, LABELS)
    image, target = samples.read(2)
    assert (image.shape, image.max(), int(target)) == ((1, 4, 4), 2, 2)
    assert (samples.name(1), samples.is_foreign) == ("dir/1.png", False)
    with pytest.raises(InputError, match=r"dir/1\.png: an image is 1×8×9, and the network is trained on 3×4×4"):
        ResizingSamples(Files(), Preprocess(3, (4, 4), (0.5,) * 3, (0.5,) * 3), LABELS).read(1)


def test_other_peoples_errors_are_told_with_the_sample() -> None:
    with pytest.raises(InputError, match=r"^sample 3 cannot be read: KeyError: 3$"):
        ResizingSamples(FailingSamples((3,), "bug"), SMALL, LABELS).read(3)
    with pytest.raises(InputError, match=r"^photos/3\.jpg is a broken picture$"):
        ResizingSamples(FailingSamples((3,)), SMALL, LABELS).read(3)
    assert ResizingSamples(DrawingSamples(), SMALL, LABELS).is_foreign


@pytest.mark.parametrize("way", [{}, {"resize": "shorter"}, {"resize": "letterbox", "interpolation": "bicubic"}])
def test_large_photographs_are_read_as_run_reads_them(way: dict[str, Any], tmp_path: Path) -> None:
    """Bit for bit, turned ones too. Decoded whole, a level is off by less than one in the mean, and by a few dozen at
    single edges; the control is the picture moved by a pixel."""
    write_photographs(tmp_path, 4, (480, 640), 1)
    names = tuple(sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.jpg")))
    samples = LabelledPictures(tmp_path, names, channels=3, targets=np.zeros(4, np.int64))
    preprocess = Preprocess(3, (56, 64), (0.5,) * 3, (0.25,) * 3, **way)
    sized = ResizingSamples(Subset(samples, np.arange(4)), preprocess, LABELS)
    data = Dataset("photos", samples, samples, ("a",), preprocess)
    for index, name in enumerate(names):
        image, _ = cut_sample(*sized.read(index), preprocess, LABELS)
        run = load_image(tmp_path / name, preprocess)
        assert np.array_equal(preprocess.normalize(image), run)
        assert np.array_equal(data.prepare(samples, [index]).images[0], run)
        whole, _ = cut_sample(*size_sample(samples[index][0], 0, preprocess, LABELS), preprocess, LABELS)
        off = np.abs(image.astype(np.int64) - whole)
        assert 0 < off.mean() < 1
        assert off.max() < 60
        assert np.abs(np.roll(image, 1, 2).astype(np.int64) - whole).mean() > 1.5


def test_masks_of_large_photographs_stay_in_the_pictures_own_pixels(tmp_path: Path) -> None:
    """A disc and its mask, of a JPEG that is decoded at a part of its size: IoU at least 0.97. The control is one
    pixel off."""
    rows, columns = np.mgrid[:480, :640]
    disc = (rows - 200) ** 2 + (columns - 350) ** 2 < 130**2
    Image.fromarray(np.repeat(np.where(disc, 230, 20).astype(np.uint8)[..., None], 3, 2)).save(tmp_path / "a.jpg")
    Image.fromarray(np.where(disc, 255, 0).astype(np.uint8)).save(tmp_path / "a.png")
    values = MaskValues(((0, 0), (255, 1)))
    samples = MaskedPictures(tmp_path, ("a.jpg",), channels=3, masks=("a.png",), values=values)
    sized = ResizingSamples(samples, Preprocess(3, (60, 80), (0.5,) * 3, (0.25,) * 3), find_task("maps"))
    image, classes = sized.read(0)
    found, said = image[0] > 125, classes == 1
    assert (found & said).sum() / (found | said).sum() > 0.97
    moved = np.roll(said, 1, 1)
    assert (found & moved).sum() / (found | moved).sum() < 0.97
    Image.fromarray(np.zeros((240, 320), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(
        InputError,
        match=r"a\.png is 240×320 \(height × width\), and its image .*a\.jpg is 480×640: they must be of one",
    ):
        sized.read(0)
