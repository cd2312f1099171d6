"""A sheet of samples: as many as are asked for, with what is asked of them drawn on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec.errors import InputError
from runtime.data.check import check_data
from runtime.data.opening import open_source
from runtime.prediction.sample_sheet import save_samples
from tests.support.folders import draw_pixels, save_pixels, write_class_folders, write_mask_pairs


@pytest.mark.parametrize("name", ["digits", "digit_maps", "digit_points"])
def test_each_task_has_a_sheet(tmp_path: Path, name: str) -> None:
    source = open_source(name)
    save_samples(tmp_path / "a.png", source, check_data(source))
    with Image.open(tmp_path / "a.png") as picture:
        assert len(np.unique(np.asarray(picture).reshape(-1, 3), axis=0)) > 10


def test_masks_show_on_their_images(tmp_path: Path) -> None:
    write_mask_pairs(tmp_path / "d", ["a", "b", "c", "e", "f"], shape=(16, 16))
    source = open_source(tmp_path / "d")
    save_samples(tmp_path / "a.png", source, check_data(source))
    for name in "abcef":
        save_pixels(tmp_path / "d" / "masks" / f"{name}.png", draw_pixels((16, 16), 77, 3))
    source = open_source(tmp_path / "d")
    save_samples(tmp_path / "b.png", source, check_data(source))
    first, second = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in "ab")
    assert first.shape == second.shape
    assert not np.array_equal(first, second)


def test_nothing_to_draw(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"a": 1, "b": 1})
    for name in "ab":
        (tmp_path / name / "000.png").write_text("")
    source = open_source(tmp_path)
    with pytest.raises(InputError, match="has no pictures to draw on a sheet"):
        save_samples(tmp_path / "a.png", source, check_data(source))
