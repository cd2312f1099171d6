"""How often each class is asked in the samples of a data set, and in which of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.arrays import Float64Array
from archspec.errors import InputError
from runtime.tasks.task import Task


@dataclass(frozen=True, eq=False)
class ClassCensus:
    """The classes of a number of `samples`.

    `counts` (classes,) is how often each class is asked: in so many images, or pixels. `owners` and `classes`, of one
    length, are the pairs of a sample and a class in it.
    """

    samples: int
    counts: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int64]
    classes: npt.NDArray[np.int64]

    def weigh_samples(self) -> Float64Array:
        """Compute the probability (samples,) with which each sample is drawn so that classes are balanced.

        A class is drawn first, each as likely as any other of those that are there, and then a sample that has it
        (class-aware sampling: Shen, Lin and Huang, "Relay backpropagation", 2016). For labels that is 1 over the
        class's frequency. A sample in which nothing is asked is never drawn.
        """
        holders = np.bincount(self.classes, minlength=len(self.counts))
        shares: Float64Array = 1 / (holders[self.classes] * float(np.count_nonzero(holders)))
        return np.asarray(np.bincount(self.owners, shares, minlength=self.samples), np.float64)


def take_census(targets: Iterable[Any], task: Task, classes: int) -> ClassCensus:
    """Count the classes of samples from what is stored for each, one in memory at a time.

    Raises InputError where the task has no classes, and for a class that is not there, with the sample's index.
    """
    counts = np.zeros(classes, np.int64)
    owners: list[npt.NDArray[np.int64]] = []
    found: list[npt.NDArray[np.int64]] = []
    number = 0
    for index, target in enumerate(targets):
        number = index + 1
        there, times = task.count_classes(np.asarray(target))
        if there.size and not 0 <= there.min() <= there.max() < classes:
            wrong = there.min() if there.min() < 0 else there.max()
            raise InputError(f"sample {index} has the class {wrong}, and there are {classes} (0 to {classes - 1})")
        counts[there] += times
        owners.append(np.full(len(there), index, np.int64))
        found.append(np.asarray(there, np.int64))
    none = [np.empty(0, np.int64)]
    return ClassCensus(number, counts, np.concatenate(owners or none), np.concatenate(found or none))
