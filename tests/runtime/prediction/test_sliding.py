"""Windows over a volume: as MONAI blends them, and where MONAI has no answer, as the whole volume at once has it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.data.utils import compute_importance_map
from monai.inferers import sliding_window_inference
from torch import nn

from archspec.arrays import Array, Float32Array
from archspec.errors import InputError, ModelError
from runtime.pictures.frame import Frame
from runtime.prediction import sliding
from runtime.prediction.sliding import Slide, decide, slide, weigh_window
from runtime.tasks.class_map import find_classes
from runtime.tasks.grid import OutputGrid, place_output

torch.manual_seed(0)
NET = nn.Conv3d(2, 3, 5, padding=2)
VALID = nn.Sequential(nn.Conv3d(2, 4, 3), nn.ReLU(), nn.Conv3d(4, 3, 3)).double()
STRIDED = nn.Conv3d(2, 3, 4, stride=4)


def runner(module: nn.Module) -> Callable[[Array], Array]:
    dtype = next(module.parameters()).dtype
    return lambda windows: module(torch.from_numpy(windows).to(dtype)).detach().float().numpy()


def keep(window: Array) -> Float32Array:
    return window


def draw(*extents: int) -> Float32Array:
    return np.random.default_rng(1).normal(size=(2, *extents)).astype(np.float32)


def blend(image: Float32Array, plan: Slide, module: nn.Module, at_once: int = 1) -> Array:
    return np.concatenate(list(slide(image, plan, keep, runner(module), at_once)), 1)


@pytest.mark.parametrize("extents", [(16, 16, 16), (7, 32, 1)])
def test_weights_are_monais(extents: tuple[int, ...]) -> None:
    wanted = compute_importance_map(extents, "gaussian", 0.125).numpy()
    np.testing.assert_allclose(weigh_window(extents), wanted, rtol=2e-5)
    assert (
        np.abs(weigh_window((16, 16, 16)) - compute_importance_map((16, 16, 16), "gaussian", 0.25).numpy()).max() > 0.1
    )


@pytest.mark.parametrize(
    ("volume", "window", "overlap"),
    [
        ((24, 21, 30), (16, 16, 16), 0.5),
        ((20, 26, 18), (16, 24, 18), 0.25),
        ((10, 12, 30), (16, 16, 16), 0.5),
        ((13, 24, 17), (8, 12, 16), 0.6),
        ((9, 9, 9), (9, 9, 9), 0.0),
    ],
)
def test_blended_as_monai_does(volume: tuple[int, ...], window: tuple[int, ...], overlap: float) -> None:
    """To float32's rounding. The control blends with equal weights, which is another answer."""
    image, plan = draw(*volume), Slide(volume, place_output(window, window), overlap)
    given = torch.from_numpy(image)[None]
    with torch.no_grad():
        wanted, control = (
            sliding_window_inference(given, window, 2, NET, overlap, mode, padding_mode="reflect")[0].numpy()
            for mode in ("gaussian", "constant")
        )
    found = blend(image, plan, NET, 3)[(slice(None), *_inside(plan))]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=5e-6)
    if volume != window and overlap:
        assert np.abs(found - control).max() > 1e-3 or min(volume) <= min(window)


def _inside(plan: Slide) -> tuple[slice, ...]:
    return tuple(slice(before, before + own) for before, own in zip(plan.before, plan.volume, strict=True))


@pytest.mark.parametrize("volume", [(20, 17, 23), (5, 9, 31)])
def test_valid_convolutions_see_the_mirror_image(volume: tuple[int, ...]) -> None:
    """What a network without padding gives for the whole volume and its mirrored border: windows change nothing."""
    image = draw(*volume)
    padded = np.pad(image, [(0, 0), *((2, 2),) * 3], mode="reflect")
    wanted = runner(VALID)(padded[None])[0]
    plan = Slide(volume, place_output((12, 12, 12), (8, 8, 8)))
    found = blend(image, plan, VALID)
    np.testing.assert_allclose(found[(slice(None), *_inside(plan))], wanted, atol=1e-5)
    shifted = Slide(volume, OutputGrid((12, 12, 12), (8, 8, 8), 1), overlap=0.0)
    np.testing.assert_allclose(blend(image, shifted, VALID)[(slice(None), *_inside(plan))], wanted, atol=1e-5)
    zeros = np.pad(image, [(0, 0), *((2, 2),) * 3])
    assert np.abs(runner(VALID)(zeros[None])[0] - wanted).max() > 1e-2, "control"


def test_strides() -> None:
    """Positions four voxels apart: each is that of its own block, and a voxel's class is found between them."""
    image = draw(16, 24, 20)
    plan = Slide((16, 24, 20), place_output((8, 8, 8), (2, 2, 2)))
    found, wanted = blend(image, plan, STRIDED), runner(STRIDED)(image[None])[0]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    frame = Frame.whole((16, 24, 20))
    classes = decide(iter([found]), plan, frame, 3)
    np.testing.assert_array_equal(classes, find_classes(wanted, place_output((16, 24, 20), (4, 6, 5)), frame))


EXTENT = st.integers(1, 40)


@given(st.tuples(EXTENT, EXTENT, EXTENT), st.tuples(*[st.integers(1, 12)] * 3), st.integers(1, 3), st.floats(0, 0.9))
def test_windows_reach_every_voxel(volume: tuple[int, ...], part: tuple[int, ...], stride: int, overlap: float) -> None:
    """Each position is in a window, none lies beyond, and the pixels that a window's positions stand for are those in
    its middle."""
    window = tuple(extent * stride + 4 for extent in part)
    plan = Slide(volume, OutputGrid(window, part, stride), overlap)
    for axis, starts in enumerate(plan.list_starts()):
        reached = {start + step for start in starts for step in range(part[axis])}
        assert reached == set(range(plan.positions[axis]))
        assert plan.positions[axis] * stride >= volume[axis]
        seen = plan.find_pixels([each[-1] for each in plan.list_starts()])[axis]
        assert seen.min() >= 0
        assert seen.max() < volume[axis]
        first = starts[0] * stride - plan.before[axis]
        middle = plan.find_pixels([each[0] for each in plan.list_starts()])[axis][2:-2]
        inside = [place for place in range(first, first + part[axis] * stride) if 0 <= place < volume[axis]]
        assert set(inside) <= set(middle.tolist())


def test_each_axis_has_its_stride() -> None:
    image, network = draw(16, 24, 20), nn.Conv3d(2, 3, (1, 2, 4), stride=(1, 2, 4))
    plan = Slide((16, 24, 20), place_output((8, 8, 8), (8, 4, 2)))
    wanted = runner(network)(image[None])[0]
    np.testing.assert_allclose(blend(image, plan, network), wanted, atol=1e-5)


@pytest.mark.parametrize("channels", [3, 1])
def test_classes_on_the_volumes_own_grid(channels: int) -> None:
    """Resampled from the network's spacing as `find_classes` does it for a whole output."""
    output = np.random.default_rng(2).normal(size=(channels, 12, 14, 10)).astype(np.float32)
    frame = Frame((30, 9, 23), (12, 14, 10), (12, 14, 10))
    plan = Slide((12, 14, 10), place_output((12, 14, 10), (12, 14, 10)))
    wanted = find_classes(output.astype(np.float64), plan.grid, frame)
    found = decide(iter([output[:, :5], output[:, 5:6], output[:, 6:]]), plan, frame, channels)
    assert found.dtype == np.uint8
    assert (found == wanted).mean() > 0.999
    assert (found == wanted[::-1]).mean() < 0.9, "control"


def test_steps_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[tuple[int, int]] = []
    plan = Slide((20, 12, 20), place_output((8, 8, 8), (8, 8, 8)))
    image = draw(20, 12, 20)
    blocks = slide(image, plan, keep, runner(NET), 3, lambda done, of: told.append((done, of)))
    decide(blocks, plan, Frame.whole((20, 12, 20)), 3)
    assert told[0] == (3, 32)
    assert told[-1] == (32, 32)


def test_few_planes_are_kept() -> None:
    plan = Slide((64, 8, 8), place_output((8, 8, 8), (8, 8, 8)))
    blocks = list(slide(draw(64, 8, 8), plan, keep, runner(NET)))
    assert [block.shape for block in blocks] == [(3, 4, 8, 8)] * 14 + [(3, 8, 8, 8)]


def test_what_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match=r"reaches beyond its window of 7×7×7"):
        Slide((20, 20, 20), OutputGrid((7, 7, 7), (4, 4, 4), 2))
    plan = Slide((20, 20, 20), place_output((8, 8, 8), (8, 8, 8)))
    with pytest.raises(ModelError, match=r"a window gave an output of 4×4×4 positions, where 8×8×8 were expected"):
        list(slide(draw(20, 20, 20), plan, keep, runner(nn.Conv3d(2, 3, 5))))
    monkeypatch.setattr(sliding, "MAX_SLAB_BYTES", 1000)
    with pytest.raises(InputError, match=r"3 classes of planes of 20×20 positions take 38.4 kB at a time, more than 1"):
        list(slide(draw(20, 20, 20), plan, keep, runner(NET)))
