"""A network that is made another one before it is trained, under the same names of weights: by whom, is not known here.

What rounds its values as an int8 file does is one (runtime/int8/aware.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from archspec.errors import InputError, ModelError
from archspec.extras import extra
from compiler.graph import Graph
from compiler.torch_target.modes import device_of
from runtime.data.dataset import Dataset
from runtime.recipes.recipe import Recipe
from runtime.training.manifest import WEIGHTS
from runtime.training.ranks import Ranks
from runtime.training.resume import TakenUp

with extra("train"):
    from torch import nn

RESHAPED = "reshaped"
"""The key of a run's settings under which the facts stand by which its network was made another one."""


@dataclass(frozen=True, eq=False)
class Reshaped:
    """A network that was made another one: the module, by which `facts` it was made so, which go into the metadata of
    its weights too, and the hash of what it computes."""

    module: nn.Module
    facts: Mapping[str, str]
    digest: str

    @property
    def settings(self) -> dict[str, Any]:
        """The part of a run's settings that is kept, so that a training which goes on has the same network."""
        return {"facts": dict(self.facts), "digest": self.digest}


class Reshaping(Protocol):
    """How a network is made another one."""

    @property
    def asked(self) -> Mapping[str, Any]:
        """The words of what was asked for, by name: a training that goes on has to ask for the same."""

    @property
    def words(self) -> Sequence[str]:
        """The words of a command that ask for it."""

    def settle(self, recipe: Recipe) -> Recipe:
        """Fill in what the recipe leaves open and only one choice fits. Raises InputError where it asks for what
        cannot be with this."""

    def reshape(self, graph: Graph, module: nn.Module, data: Dataset, facts: Mapping[str, str]) -> Reshaped:
        """Make a graph's module with its weights the other one: by these facts, or where there are none, by what it
        finds of the training images."""


@dataclass(frozen=True, eq=False)
class ReshapingRun:
    """A reshaping in a training of several processes, which may go on with an earlier one."""

    reshaping: Reshaping
    ranks: Ranks = field(default_factory=Ranks)
    taken_up: TakenUp | None = None

    def reshape(self, graph: Graph, module: nn.Module, data: Dataset) -> Reshaped:
        """Make the other network, on the module's device: where a training goes on of its checkpoint's weights and by
        the facts of its start, else by those that the main process finds, and all others take.

        Raises InputError where the weights of the checkpoint would make another network than was trained, and
        ModelError where the run does not say how that was made.
        """
        device = device_of(module)
        if self.taken_up is not None:
            made = self._reshape_again(self.taken_up, graph, module, data)
        elif self.ranks.is_main:
            made = self.reshaping.reshape(graph, module, data, {})
            self.ranks.share_text(json.dumps(dict(made.facts)))
        else:
            made = self.reshaping.reshape(graph, module, data, json.loads(self.ranks.share_text("")))
        return Reshaped(made.module.to(device), made.facts, made.digest)

    def _reshape_again(self, taken_up: TakenUp, graph: Graph, module: nn.Module, data: Dataset) -> Reshaped:
        facts, digest = _read_settings(taken_up)
        step = taken_up.snapshot.step
        try:
            module.load_state_dict(taken_up.snapshot.tensors[WEIGHTS])
        except (KeyError, RuntimeError) as error:
            raise ModelError(f"the checkpoint of step {step} is of another training: {error}") from error
        made = self.reshaping.reshape(graph, module, data, facts)
        if made.digest != digest:
            raise InputError(
                f"{taken_up.folder} cannot be gone on with from step {step}: of the weights that it has there, another "
                "network would be made than was trained so far, as where a factor of a normalization changed its sign; "
                f"begin anew from its weights: --init, with {' '.join(self.reshaping.words)}"
            )
        return made


def _read_settings(taken_up: TakenUp) -> tuple[dict[str, str], str]:
    """Read how a run's network was made. Raises ModelError where it does not say."""
    found = taken_up.manifest.settings.get(RESHAPED)
    facts, digest = (found.get("facts"), found.get("digest")) if isinstance(found, dict) else (None, None)
    if not isinstance(facts, dict) or not isinstance(digest, str) or not facts:
        raise ModelError(f"the list of checkpoints of {taken_up.folder} does not say how its network was made")
    if not all(isinstance(text, str) for text in facts.values()):
        raise ModelError(f"the list of checkpoints of {taken_up.folder}: '{RESHAPED}' holds texts by name")
    return dict(facts), digest
