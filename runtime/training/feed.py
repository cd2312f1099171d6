"""The images of a training's steps, from memory."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from archspec.extras import extra
from runtime.data.batches import count_steps, iterate_batches, mix_seed, shift_images
from runtime.data.dataset import Dataset
from runtime.recipes.recipe import Recipe
from runtime.tasks.task import Task
from runtime.training.clock import batch_of
from runtime.training.step import StepImages

with extra("train"):
    import torch


class MemoryFeed:
    """Reads the images of steps from the prepared training part; what a step gets is a function of (seed, step)."""

    def __init__(self, data: Dataset, recipe: Recipe, task: Task) -> None:
        self.split, self.recipe = data.training, recipe
        self.images, self.labels = torch.from_numpy(self.split.images), torch.from_numpy(self.split.labels)
        self.blank = data.preprocess.normalize(np.zeros((data.preprocess.channels, 1, 1))).ravel().tolist()
        self.shift = recipe.augment.shift if task.shifted else 0

    def iterate(self, steps: range) -> Generator[StepImages, None, None]:
        """Yield the images of each of some steps, which are counted from 0."""
        recipe, count = self.recipe, len(self.split)
        per_epoch = count_steps(count, batch_of(recipe))
        for epoch in range(steps.start // per_epoch, -(-steps.stop // per_epoch)):
            batches = iterate_batches(count, batch_of(recipe), recipe.seed, epoch)
            for step, chosen in enumerate(batches, epoch * per_epoch):
                if step in steps:
                    seed = mix_seed(recipe.seed, epoch, step)
                    images = shift_images(self.images[chosen], self.shift, self.blank, seed)
                    yield StepImages(images, self.labels[chosen], chosen.tolist())
