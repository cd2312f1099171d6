"""The evaluation of a network while it is trained, batch by batch: no more than one is in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archspec.extras import extra
from compiler.torch_target.modes import device_of, evaluating
from runtime.data.dataset import Dataset, Samples, Split
from runtime.training.metrics import Measured
from runtime.training.mirror_mean import Mirror, MirrorMean
from runtime.training.module_outputs import EVALUATION_BATCH, name_outputs
from runtime.training.objective import Objective, ObjectiveMeter
from runtime.training.ranks import Ranks
from runtime.training.volume_evaluation import VolumeEvaluator

with extra("train"):
    import torch
    from torch import nn


class PartEvaluator:
    """Measures a module on samples of a data set: the plain loss and the task's scores. Of several processes each
    takes every so manieth batch, and all get the figures of all. Volumes are measured whole, see VolumeEvaluator.

    An answer is the mean over an image and its `mirrors`. Raises InputError where that cannot be taken.
    """

    def __init__(self, data: Dataset, objective: Objective, ranks: Ranks, mirrors: Sequence[Mirror] = ()) -> None:
        self.data, self.objective, self.ranks = data, objective, ranks
        self.mean = MirrorMean(objective.task, objective.grids, mirrors, data.classes, data.flip_index)

    def measure(self, module: nn.Module, samples: Samples) -> Measured:
        """Measure the module in evaluation mode; its own mode is left as it was."""
        if self.data.preprocess.slides:
            return VolumeEvaluator(self.data, self.objective, self.ranks, self.mean).measure(module, samples)
        device, meter = device_of(module), ObjectiveMeter(self.objective)
        with evaluating(module):
            for split in self._read(samples):
                images = torch.from_numpy(split.images).to(device)
                outputs = self.mean(lambda seen: name_outputs(module(seen)), images)
                meter.add({name: output.float() for name, output in outputs.items()}, torch.from_numpy(split.labels))
        meter.sums, meter.counts = self.ranks.add_up(meter.sums), self.ranks.add_up(meter.counts)
        return Measured(len(samples), meter.loss, meter.scores)

    def _read(self, samples: Samples) -> Iterator[Split]:
        starts = range(0, len(samples), EVALUATION_BATCH)
        for start in starts[self.ranks.rank :: self.ranks.size]:
            yield self.data.prepare(samples, range(start, min(start + EVALUATION_BATCH, len(samples))))
