"""What a trained network loses with each of its bodies (Veit, Wilber and Belongie, "Residual Networks Behave Like
Ensembles of Relatively Shallow Networks", 2016): one at a time is left out, nothing is trained again, and the rest
answers for the held-out images. Of a network without bodies each layer is left out that keeps its input's shape."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from archspec.callbacks import OnStep, ignore_step
from archspec.errors import InputError
from compiler.analysis.cost.cost import measure_cost
from compiler.graph import Graph
from compiler.passes.remove_bodies import RemovablePart, RemoveBodies, Stays, find_parts
from compiler.passes.weight_arrays import WeightArrays
from compiler.torch_target.module import build_module
from runtime.data.dataset import Split
from runtime.training.run import Run


@dataclass(frozen=True, slots=True)
class Removal:
    """The network without one part: its score, and the parameters and MACs (conv-linear) that went."""

    name: str
    stays: Stays
    parameters: int
    macs: int
    score: float


@dataclass(frozen=True, slots=True)
class Lesion:
    """The score of the task's `metric` on `images` held-out images: of the whole network, and without each part."""

    name: str
    data: str
    metric: str
    images: int
    score: float
    removals: tuple[Removal, ...]

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True, eq=False)
class PrunedNetwork:
    """The network without some parts, its score on some images, and its rank by it: the best has the highest."""

    parts: tuple[RemovablePart, ...]
    graph: Graph
    weights: WeightArrays
    score: float
    rank: float

    @property
    def macs(self) -> int:
        """The multiply-accumulates for one image, by the convention conv-linear."""
        return measure_cost(self.graph).macs["conv-linear"]

    @property
    def parameters(self) -> int:
        """The number of trainable parameters."""
        return measure_cost(self.graph).parameters


def measure_lesion(run: Run, *, on_step: OnStep = ignore_step) -> Lesion:
    """Leave out each part alone. Raises InputError where there is none that could be."""
    parts = list_parts(run)
    whole = try_without(run, (), run.data.held_out)
    removals = []
    for done, part in enumerate(parts, start=1):
        trial = try_without(run, (part,), run.data.held_out)
        parameters, macs = whole.parameters - trial.parameters, whole.macs - trial.macs
        removals.append(Removal(part.name, part.stays, parameters=parameters, macs=macs, score=trial.score))
        on_step(done, len(parts))
    return Lesion(run.graph.name, run.data.name, run.metric, len(run.data.held_out), whole.score, tuple(removals))


def list_parts(run: Run) -> list[RemovablePart]:
    """List what can be left out of a run's network. Raises InputError where nothing can."""
    parts = list(find_parts(run.graph).values())
    if not parts:
        raise InputError(
            f"{run.graph.name} has no residual or dense bodies, and no layer that keeps the shape of its input: "
            "nothing can be left out of it"
        )
    return parts


def try_without(run: Run, parts: Sequence[RemovablePart], split: Split) -> PrunedNetwork:
    """Leave these parts out of a run's network, and measure what remains on a split."""
    graph, weights = RemoveBodies(tuple(parts))(run.graph, run.weights)
    score = run.measure(build_module(graph, weights), split)[1]
    return PrunedNetwork(tuple(parts), graph, weights, score, run.task.rank(score))
