"""The evaluation of a network while it is trained, batch by batch: no more than a few are in memory."""

from __future__ import annotations

import numpy as np

from archspec.extras import extra
from compiler.torch_target.modes import device_of, evaluating
from runtime.data.batches import Shard
from runtime.data.cache import open_samples
from runtime.data.dataset import Dataset, Samples
from runtime.data.fetching import Batch, normalize_images
from runtime.data.loader import Loader, make_loader
from runtime.data.sized import SizedSamples
from runtime.recipes.recipe import Recipe
from runtime.training.metrics import Measured
from runtime.training.mirror_mean import MirrorMean
from runtime.training.module_outputs import name_outputs
from runtime.training.objective import Objective, ObjectiveMeter
from runtime.training.ranks import Ranks
from runtime.training.volume_evaluation import VolumeEvaluator

with extra("train"):
    from torch import Tensor, nn


class PartEvaluator:
    """Measures a module on samples of a data set: the plain loss and the task's scores, with the recipe's test-time
    augmentation. Of several processes each takes a part, and all get the figures of all. Volumes are measured whole,
    see VolumeEvaluator.

    Raises InputError where mirror images cannot be averaged exactly.
    """

    def __init__(self, data: Dataset, objective: Objective, ranks: Ranks, recipe: Recipe | None = None) -> None:
        self.data, self.objective, self.ranks, self.recipe = data, objective, ranks, recipe or Recipe()
        mirrors = self.recipe.test_time_augmentation
        self.mean = MirrorMean(objective.task, objective.grids, mirrors, data.classes, data.flip_idx)
        self._opened: dict[int, SizedSamples] = {}

    def measure(self, module: nn.Module, samples: Samples) -> Measured:
        """Measure the module in evaluation mode; its own mode is left as it was. Raises InputError where a sample
        cannot be read."""
        if self.data.preprocess.slides:
            return VolumeEvaluator(self.data, self.objective, self.ranks, self.mean).measure(module, samples)
        device, meter, seen = device_of(module), ObjectiveMeter(self.objective), 0

        def run(images: Tensor) -> dict[str, Tensor]:
            return {name: output.float() for name, output in name_outputs(module(images)).items()}

        with evaluating(module), self._load(samples) as batches:
            for batch in batches:
                images = normalize_images(batch.images.to(device, non_blocking=True), self.data.preprocess)
                meter.add(self.mean(run, images), batch.targets)
                seen += len(batch)
        meter.sums, meter.counts = self.ranks.add_up(meter.sums), self.ranks.add_up(meter.counts)
        return Measured(int(self.ranks.add_up(np.array(float(seen)))), meter.loss, meter.scores)

    def _load(self, samples: Samples) -> Loader[Batch]:
        """The batches of a part, of a micro-batch's size each: so much is known to fit the memory."""
        opened = self._opened.setdefault(id(samples), open_samples(self.data, samples, self.recipe.data))
        assert isinstance(self.recipe.batch, int)
        part = self.recipe.model_copy(update={"batch": max(1, self.recipe.batch // self.recipe.accumulate)})
        shard = Shard(self.ranks.rank, self.ranks.size)
        return make_loader(self.data, opened, part, training=False, shard=shard)
