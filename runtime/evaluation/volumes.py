"""Scores of whole volumes that are held out, of a module and of its exported file."""

from __future__ import annotations

from functools import partial

import numpy as np

from archspec.arrays import Array, Float32Array
from archspec.extras import extra
from compiler.torch_target.modes import evaluating
from runtime.pictures.frame import Frame
from runtime.prediction.network_outputs import run_images
from runtime.prediction.sliding import Slide, WindowRun, decide, slide
from runtime.session.session import Session
from runtime.tasks.grid import OutputGrid
from runtime.tasks.task import ScoreCounts
from runtime.training.mirror_mean import MirrorMean
from runtime.training.run import Run
from runtime.training.volume_evaluation import choose_at_once, run_module

with extra("train"):
    from torch import nn


def count_volumes(
    run: Run, module: nn.Module, session: Session, grid: OutputGrid, mean: MirrorMean | None = None
) -> list[ScoreCounts]:
    """Count the right and wrong voxels of a run's module and of the session on its file, in this order, in the volumes
    that are held out, one after the other, by windows on which an output lies by `grid`; the answer for a window is the
    `mean` over its mirror images. Raises InputError where a volume cannot be read."""
    at_once = session.fixed_batch or choose_at_once(run.data.preprocess)
    runs: tuple[WindowRun, ...] = (partial(run_module, module), partial(_run_session, session, at_once))
    if mean is not None:
        runs = tuple(_average(answer, mean) for answer in runs)
    with evaluating(module):
        return [sum_counts(run, answer, grid, at_once) for answer in runs]


def _average(answer: WindowRun, mean: MirrorMean) -> WindowRun:
    """The mean of the last output over the mirror images of windows."""
    name = list(mean.grids)[-1]
    averaged = mean.over(lambda windows: {name: answer(windows)})
    return lambda windows: averaged(windows)[name]


def sum_counts(run: Run, answer: WindowRun, grid: OutputGrid, at_once: int) -> ScoreCounts:
    """Count what is right and wrong in the answers for all volumes that are held out, voxel by voxel."""
    data, counts = run.data, np.zeros(())
    for index in range(len(data.test)):
        image, labels = data.test[index]
        plan = Slide(image.shape[1:], grid)
        whole = OutputGrid(plan.volume, plan.volume)
        blocks = slide(image, plan, data.preprocess.normalize, answer, at_once)
        found = decide(blocks, plan, Frame.whole(plan.volume), len(data.classes))
        counts = counts + run.task.count(found[None].astype(np.int64), labels[None], whole)
    return counts


def _run_session(session: Session, at_once: int, windows: Float32Array) -> Array:
    """The last output of a file for windows."""
    outputs = run_images(session, windows, at_once)
    return outputs[list(outputs)[-1]].astype(np.float32, copy=False)
