"""A folder of images and masks the whole way, by the command line: trained, exported, run on images of other sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.support.commands import archspec

Pixels = npt.NDArray[np.uint8]


def draw_scene(seed: int, height: int, width: int) -> tuple[Pixels, Pixels]:
    """An image (height, width) of noise with a rectangle and a lighter ellipse that may cover a part of it, and the
    class of each pixel: 0, 1 and 2."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    levels, mask = np.full((height, width), 60.0), np.zeros((height, width), np.uint8)
    for number, level in ((1, 130), (2, 200)):
        high, wide = random.integers(6, 12, 2)
        middle = random.integers(8, height - 8), random.integers(8, width - 8)
        down, across = (rows - middle[0]) / high, (columns - middle[1]) / wide
        inside = np.maximum(abs(down), abs(across)) <= 1 if number == 1 else down**2 + across**2 <= 1
        levels[inside], mask[inside] = level, number
    return (levels + random.normal(0, 20, levels.shape)).clip(0, 255).astype(np.uint8), mask


def write_scenes(folder: Path, count: int, size: tuple[int, int]) -> None:
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number in range(count):
        for kind, pixels in zip(("images", "masks"), draw_scene(number, *size), strict=True):
            Image.fromarray(pixels).save(folder / kind / f"{number:02}.png")


def compute_mean_iou(found: Pixels, drawn: Pixels) -> float:
    """The mean over the three classes of their intersection over union."""
    pairs = [(found == number, drawn == number) for number in range(3)]
    return float(np.mean([(one & other).sum() / (one | other).sum() for one, other in pairs]))


def run_on_other_sizes(model: Path, folder: Path) -> None:
    """Masks lie on their images pixel by pixel, and a mask that is moved by three pixels does not."""
    for seed, size in enumerate([(96, 80), (50, 70), (64, 100)], 900):
        pixels, drawn = draw_scene(seed, *size)
        image = folder / f"{seed}.png"
        Image.fromarray(pixels).save(image)
        (row,) = archspec("run", model, image, "--json", "--pictures", folder / f"answers{seed}")
        assert row["extents"] == list(size)
        with Image.open(folder / f"answers{seed}" / f"0-{seed}.map.png") as answered:
            found = np.asarray(answered)
        assert found.shape == size
        assert compute_mean_iou(found, drawn) >= 0.85, (size, compute_mean_iou(found, drawn))
        for control in (np.roll(drawn, 3, 0), np.roll(drawn, 3, 1), drawn[::-1], drawn[:, ::-1]):
            assert compute_mean_iou(found, control) < 0.85, size


def train_the_whole_way(tmp_path: Path, *words: str) -> float:
    """The mean IoU of the images that are held out."""
    data, run = tmp_path / "pairs", tmp_path / "run"
    write_scenes(data, 60, (48, 48))
    trained = archspec("train", "unet_bn", "--data", data, "-o", run, *words, "--json")
    model = run / "model.onnx"
    archspec("export", run / "spec.yaml", "--weights", run / "weights.safetensors", "-o", model)
    run_on_other_sizes(model, tmp_path)
    evaluated = archspec("evaluate", run, "--json")
    assert evaluated["predictions"] == 12 * 48 * 48
    return float(trained["test_mean_iou"])


def test_sixty_pairs_to_masks_on_images_of_other_sizes(tmp_path: Path) -> None:
    words = ("--set=widths=[8,16]", "--epochs", "5", "--batch", "6", "--lr", "0.3", "--threads", "1")
    assert train_the_whole_way(tmp_path, *words) >= 0.9


@pytest.mark.slow
def test_sixty_pairs_with_nothing_but_the_folder(tmp_path: Path) -> None:
    assert train_the_whole_way(tmp_path) >= 0.9
