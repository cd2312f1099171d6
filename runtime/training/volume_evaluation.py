"""The evaluation of a network on whole volumes, by windows that slide over them as `run` does it."""

from __future__ import annotations

from math import prod

import numpy as np

from archspec.arrays import Array, Float32Array
from archspec.errors import InputError
from archspec.extras import extra
from archspec.wording import shorten_bytes
from compiler.torch_target.modes import device_of, evaluating
from runtime.data.dataset import Dataset, Samples
from runtime.pictures.frame import Frame
from runtime.pictures.preprocess import Preprocess
from runtime.pictures.resample import find_taps, resample
from runtime.prediction.sliding import Slide, slide
from runtime.tasks.grid import OutputGrid
from runtime.training.metrics import Measured
from runtime.training.mirror_mean import MirrorMean
from runtime.training.module_outputs import last_of, name_outputs
from runtime.training.objective import Objective, ObjectiveMeter
from runtime.training.ranks import Ranks

with extra("train"):
    import torch
    from torch import Tensor, nn

MAX_WINDOW_VALUES = 1 << 22
"""The largest number of values in the windows that are computed together, 16 MiB."""

MAX_OUTPUT_BYTES = 1 << 32
"""The largest number of bytes of the output for a whole volume: 4 for each class and voxel."""


class VolumeEvaluator:
    """Measures a module on whole volumes: the plain loss of the answering output, and the task's scores. Of several
    processes each takes every so manieth volume, and all get the figures of all. The answer for a window is the `mean`
    over its mirror images."""

    def __init__(self, data: Dataset, objective: Objective, ranks: Ranks, mean: MirrorMean) -> None:
        self.data, self.ranks, self.mean = data, ranks, mean
        self.name, self.grid = list(objective.grids.items())[-1]
        self.task, self.classes = objective.task, objective.classes
        self.settings = objective.plain.settings.model_copy(update={"outputs": None})

    def measure(self, module: nn.Module, samples: Samples) -> Measured:
        """Measure the module in evaluation mode; its own mode is left as it was. Raises InputError where the output for
        a volume is too large for the memory."""
        sums, counts = np.zeros((2, 1)), np.zeros(())
        with evaluating(module):
            for index in range(self.ranks.rank, len(samples), self.ranks.size):
                image, labels = samples[index]
                output = self._blend(module, image)
                meter = self._meter(output.shape[2:])
                meter.add({self.name: output}, torch.from_numpy(np.asarray(labels)[None].astype(np.int64)))
                sums, counts = sums + meter.sums, counts + meter.counts
        meter = self._meter(self.data.preprocess.size)
        meter.sums, meter.counts = self.ranks.add_up(sums), self.ranks.add_up(counts)
        return Measured(len(samples), meter.loss, meter.scores)

    def _meter(self, extents: tuple[int, ...]) -> ObjectiveMeter:
        """A meter of outputs with a position for each voxel."""
        grids = {self.name: OutputGrid(tuple(extents), tuple(extents))}
        return ObjectiveMeter(Objective(self.task, grids, self.settings, self.classes))

    def _blend(self, module: nn.Module, image: Array) -> Tensor:
        """The output for a volume, (1, K, *extents), on the CPU: at each voxel."""
        plan, preprocess = Slide(tuple(image.shape[1:]), self.grid), self.data.preprocess
        size = 4 * self.classes * prod(plan.volume)
        if size > MAX_OUTPUT_BYTES:
            raise InputError(
                f"the output for a volume of {prod(plan.volume):,} voxels takes {shorten_bytes(size)}, more than "
                f"{shorten_bytes(MAX_OUTPUT_BYTES)}: hold out places of volumes (data.yaml), or smaller ones"
            )
        blocks = slide(
            image, plan, preprocess.normalize, lambda windows: self._run(module, windows), choose_at_once(preprocess)
        )
        return torch.from_numpy(spread(np.concatenate(list(blocks), 1), plan)[None])

    def _run(self, module: nn.Module, windows: Float32Array) -> Array:
        images = torch.from_numpy(windows).to(device_of(module))
        found: Array = self.mean(lambda seen: name_outputs(module(seen)), images)[self.name].float().cpu().numpy()
        return found


def spread(output: Float32Array, plan: Slide) -> Float32Array:
    """Give a blended output (K, *positions) at each voxel of its volume, (K, *volume): between positions linearly."""
    taps, frame = [], Frame.whole(plan.volume)
    for axis, extent in enumerate(plan.positions):
        taps.append(find_taps(plan.to_positions(frame, axis), extent, 1 / plan.grid.strides[axis]))
    if all(along is None for along in taps):
        return output
    return np.ascontiguousarray(np.moveaxis(resample(np.moveaxis(output, 0, -1), taps, np.float32), -1, 0))


def run_module(module: nn.Module, windows: Float32Array) -> Array:
    """Compute the module's last output for windows (N, C, *window), in float32."""
    found = last_of(name_outputs(module(torch.from_numpy(windows).to(device_of(module)))))
    computed: Array = found.float().cpu().numpy()
    return computed


def choose_at_once(preprocess: Preprocess) -> int:
    """Choose how many windows are computed together."""
    return max(1, MAX_WINDOW_VALUES // prod(preprocess.shape))
