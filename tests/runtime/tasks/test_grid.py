"""Outputs lie where torch's own layers put them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from archspec.api import elaborate, load
from archspec.errors import ArchspecError
from runtime.tasks.grid import OutputGrid, Stride, measure_strides, place_output
from tests.support.documents import graph_from


@pytest.mark.parametrize(
    ("image", "output", "stride", "found"),
    [
        ((64, 64), (64, 64), None, (1, (0, 0))),
        ((64, 32), (16, 8), None, (4, (0, 0))),
        ((572, 572), (388, 388), None, (1, (92, 92))),
        ((8, 8), (4, 4), 1, (1, (2, 2))),  # a half by accident
        ((8, 8), (4, 4), None, (2, (0, 0))),
        ((9, 8), (4, 4), 2, (2, (0, 0))),
        ((9, 8), (5, 4), 2, (2, (-1, 0))),
        ((10, 11), (4, 4), None, (1, (3, 3))),
        ((20, 320, 256), (5, 20, 16), None, ((4, 16, 16), (0, 0, 0))),
        ((21, 321), (5, 20), (4, 16), ((4, 16), (0, 0))),
        ((8, 12), (4, 6), (2, 2), (2, (0, 0))),
        ((12, 8), (6, 2), None, (1, (3, 3))),  # three pixels less on each side, and a half and a quarter by accident
        ((116, 132, 132), (28, 44, 44), None, (1, (44, 44, 44))),
    ],
)
def test_where_an_output_lies(
    image: tuple[int, ...], output: tuple[int, ...], stride: Stride | None, found: tuple[Stride, tuple[int, ...]]
) -> None:
    grid = place_output(image, output, stride)
    assert (grid.stride, grid.offsets) == found
    assert (grid.image, grid.extents) == (image, output)


@pytest.mark.parametrize(
    ("image", "output", "stride", "message"),
    [
        ((8, 8), (9, 8), None, "an output of 9×8 positions, 1 pixels apart, is larger than the image, 8×8"),
        ((8, 9), (4, 4), 3, "3 pixels apart, is larger than the image, 8×9"),
        ((9, 8, 8), (3, 4, 5), (3, 2, 2), "3, 2 and 2 pixels apart, is larger than the image, 9×8×8"),
        ((8, 8), (4,), None, "an output of 4 positions does not lie on an image of 8×8 pixels"),
        ((), (), None, "an output of no positions"),
    ],
)
def test_what_does_not_fit_is_refused(
    image: tuple[int, ...], output: tuple[int, ...], stride: Stride | None, message: str
) -> None:
    with pytest.raises(ArchspecError, match=message):
        place_output(image, output, stride)


def test_valid_convolutions_leave_the_pixels_that_the_grid_cuts() -> None:
    """The witness is torch: kernels that pick their middle."""
    image = torch.arange(11.0 * 9).view(1, 1, 11, 9)
    middle = torch.zeros(1, 1, 3, 3)
    middle[..., 1, 1] = 1
    valid = F.conv2d(F.conv2d(image, middle), middle)
    grid = place_output((11, 9), tuple(valid.shape[2:]))
    assert np.array_equal(image[0, 0].numpy()[grid.cut()], valid[0, 0].numpy())


def test_a_strides_positions_are_the_middles_of_their_pixels() -> None:
    """The witness is torch's mean over blocks: of coordinates, it is the block's centre."""
    rows = torch.arange(12.0).view(1, 1, 12, 1).expand(1, 1, 12, 8)
    centres = F.avg_pool2d(rows, 4)[0, 0, :, 0]
    grid = place_output((12, 8), (3, 2))
    assert [grid.to_pixel(float(i), 0) for i in range(3)] == centres.tolist() == [1.5, 5.5, 9.5]
    assert [grid.from_pixel(float(centre), 0) for centre in centres] == [0, 1, 2]
    assert rows[0, 0].numpy()[grid.cut()][:, 0].tolist() == [2, 6, 10]
    third = place_output((9, 9), (3, 3))
    assert np.arange(9)[third.cut()[0]].tolist() == [1, 4, 7]


@pytest.mark.parametrize("stride", [2, 3, 4, 5])
@pytest.mark.parametrize("pixels", range(9, 25))
def test_a_padded_strides_positions_are_on_the_image(pixels: int, stride: int) -> None:
    """The witness is torch: how many positions there are, and at most half a stride from where each looks."""
    image = torch.arange(float(pixels)).view(1, 1, pixels)
    looks = F.max_pool1d(image, 1, stride)[0, 0].numpy()
    cut = np.arange(pixels)[place_output((pixels,), looks.shape, stride).cut()]
    assert cut.shape == looks.shape
    assert np.abs(cut - looks).max() <= stride / 2


def test_there_and_back() -> None:
    grid = OutputGrid((65, 70), (16, 16), 4)
    assert grid.offsets == (0, 3)
    for axis in (0, 1):
        assert grid.from_pixel(grid.to_pixel(7.25, axis), axis) == 7.25


def test_strides_of_the_zoo() -> None:
    assert measure_strides(elaborate(load("hourglass2"))) == {"heatmap0": 4, "heatmap1": 4}
    assert measure_strides(elaborate(load("unet"))) == {"output": 1}
    assert measure_strides(elaborate(load("resnet_digits"))) == {}


def test_each_axis_has_its_stride() -> None:
    """The witness is torch's mean over blocks of other sides; the strides are measured by how outputs grow."""
    coordinates = torch.stack(torch.meshgrid(*(torch.arange(float(n)) for n in (6, 8, 4)), indexing="ij"))
    centres = F.avg_pool3d(coordinates, (1, 2, 4))
    grid = OutputGrid((6, 8, 4), tuple(centres.shape[1:]), (1, 2, 4))
    for axis in range(3):
        positions = np.arange(grid.extents[axis], dtype=np.float64)
        found = grid.to_pixel(positions, axis)
        assert found.tolist() == np.unique(centres[axis].numpy()).tolist()
        assert grid.from_pixel(found, axis).tolist() == positions.tolist()
    assert np.arange(6 * 8 * 4).reshape(6, 8, 4)[grid.cut()].shape == grid.extents
    strides = measure_strides(elaborate(load("nnunet_3d")))
    assert list(strides.values()) == [(4, 32, 32), (4, 16, 16), (2, 8, 8), (1, 4, 4), (1, 2, 2), 1]


def test_a_half_by_accident_is_no_stride() -> None:
    document = {"archspec": 1, "inputs": {"x": [1, "H", "W"]}, "sizes": {"H": 8, "W": 8}}
    graph = graph_from(document | {"network": [{"conv": {"out": 2, "kernel": 5, "padding": 0}}]})
    assert graph[graph.outputs["output"]].shape == (2, 4, 4)
    assert measure_strides(graph) == {"output": 1}


def test_strides_that_round() -> None:
    document = {"archspec": 1, "inputs": {"x": [1, "H", "W"]}, "sizes": {"H": 9, "W": 9}}
    network = [{"conv": {"out": 2, "stride": 2}}, {"conv": {"out": 2, "stride": 3}}]
    assert measure_strides(graph_from(document | {"network": network})) == {"output": 6}
    larger = [{"upsample": 2}, {"conv": 2}]
    assert measure_strides(graph_from(document | {"network": larger})) == {}
