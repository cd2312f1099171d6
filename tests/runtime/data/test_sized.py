"""Samples at the size at which they are cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archspec.arrays import Array
from archspec.errors import InputError
from runtime.data.sized import ResizingSamples
from runtime.pictures.preprocess import Preprocess
from runtime.tasks.registry import find_task
from tests.support.odd_samples import DrawingSamples, FailingSamples

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
