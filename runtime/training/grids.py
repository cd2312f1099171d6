"""Where the outputs of a module lie on the images of a data set."""

from __future__ import annotations

from collections.abc import Mapping

from archspec.errors import ArchspecError, InputError, raising
from archspec.extras import extra
from compiler.graph import Graph
from runtime.data.dataset import Dataset
from runtime.tasks.grid import OutputGrid, Stride, measure_strides, write_stride
from runtime.tasks.registry import find_task
from runtime.training.module_outputs import ONLY, run_images

with extra("train"):
    from torch import nn


def name_strides(graph: Graph) -> dict[str, Stride]:
    """Measure the strides of a graph's outputs, in pixels, where they have one, by the names that `name_outputs` gives
    what its module computes: an only output is a tensor, which has no name."""
    only = len(graph.outputs) == 1
    return {ONLY if only else name: stride for name, stride in measure_strides(graph).items()}


@raising(InputError)
def find_grids(module: nn.Module, data: Dataset, strides: Mapping[str, Stride] | None = None) -> dict[str, OutputGrid]:
    """Find where each output of the module, by its name, lies on the data's images.

    Raises InputError unless two of the images give two rows of what the data's task needs, from every output, the last
    of which, which answers, has one stride along all axes.
    """
    if not any(weight.requires_grad for weight in module.parameters()):
        raise InputError("the network has no weights to train")
    task, images = find_task(data.task), data.prepare(data.train, range(min(2, len(data.train)))).images
    grids = {}
    for name, output in run_images(module, images, data).items():
        shape = tuple(output.shape[1:])
        where = "the network" if name == ONLY else f"the output '{name}'"
        if len(output) != len(images):
            raise InputError(f"{where} gives {len(output)} rows for {len(images)} images; it must give one per image")
        try:
            grids[name] = task.place(data.preprocess.shape, shape, (strides or {}).get(name))
        except ArchspecError as error:
            raise InputError(f"{where} does not fit {data.name}: {error}") from error
        if task.count_channels(shape) != len(data.classes):
            needed = (len(data.classes), *shape[1:])
            raise InputError(
                f"{where} gives {shape} per image; {data.name} has {len(data.classes)} {task.names}, "
                f"so it must give {needed}"
            )
    find_stride(grids)
    return grids


def find_stride(grids: Mapping[str, OutputGrid]) -> int | None:
    """Find how many pixels the positions of the last output are apart; None where it has none. Raises InputError where
    it is not the same number along each axis."""
    name, grid = list(grids.items())[-1]
    if isinstance(grid.stride, int):
        return grid.stride if grid.extents else None
    raise InputError(
        f"the positions of the last output, '{name}', are {write_stride(grid.stride)} pixels apart: an answer needs "
        "one distance along all axes; put an output behind it that has"
    )
