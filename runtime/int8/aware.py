"""Quantization-aware training: from weights and training images to a module that computes in integers as it learns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from archspec.errors import InputError, tell_value
from archspec.extras import extra
from archspec.log import warn
from archspec.wording import list_some
from compiler.graph import Graph
from compiler.onnx_target.int8.scheme import RECIPES, Int8Recipe
from compiler.onnx_target.model import build_model
from runtime.data.dataset import Dataset
from runtime.int8.data import take_training_images
from runtime.int8.fake_quantized import INT8, FakeQuantized, prepare_fake_quantized
from runtime.int8.quantize import calibrate
from runtime.int8.trained import TrainedScheme
from runtime.recipes.recipe import Recipe
from runtime.training.reshaping import Reshaped
from runtime.weights.in_memory import take_weights

with extra("train"):
    from torch import nn


def measure_scheme(
    graph: Graph,
    weights: Mapping[str, Any],
    data: Dataset,
    recipe: Int8Recipe = "u8s8",
    *,
    reduce_range: bool = False,
) -> TrainedScheme:
    """Measure by which scales weights are to be trained in integers: those that an int8 export of them would choose
    from the training images, of which it takes up to 1,000. All layers are in integers.

    Raises InputError where the network has no layer for integers, or does not take the images.
    """
    target = next(target for target, found in RECIPES.items() if found == recipe)
    model = build_model(graph, take_weights(weights), options=INT8)
    images = take_training_images(data, graph, model.metadata)
    found = calibrate(model, images, target=target, reduce_range=reduce_range)
    return TrainedScheme.take(model, found, images)


def prepare_aware_training(graph: Graph, weights: Mapping[str, Any], trained: TrainedScheme) -> FakeQuantized:
    """Build the module that is trained by a scheme, and warn of weights that an export leaves out, as those of a
    normalization that does nothing, and that learn nothing so.

    Raises what `prepare_fake_quantized` does.
    """
    module = prepare_fake_quantized(graph, weights, trained.scheme)
    idle = [name for name, weight in graph.weights.items() if weight.trainable and name not in module.learning]
    for name in idle:
        module.get_parameter(name).requires_grad_(False)  # processes wait for the gradients of all others
    if idle:
        warn(f"{list_some(idle)} change nothing in the int8 file as they are: they stay so in this training")
    return module


def quantize_module(
    graph: Graph,
    module: nn.Module,
    data: Dataset,
    recipe: Int8Recipe = "u8s8",
    *,
    reduce_range: bool = False,
    earlier: Mapping[str, str] | None = None,
) -> tuple[FakeQuantized, dict[str, str]]:
    """Make of a module with its weights the one that is trained in integers, and what the metadata of its weights say
    of that. The scales are those of `earlier` metadata where these have some, as a training that goes on needs, and
    else are measured on the training images.

    Raises what `measure_scheme` and `prepare_aware_training` do, and ModelError where the metadata are malformed.
    """
    weights = {name: value.detach().cpu() for name, value in module.state_dict().items()}
    trained = TrainedScheme.read(earlier or {})
    trained = trained or measure_scheme(graph, weights, data, recipe, reduce_range=reduce_range)
    return prepare_aware_training(graph, weights, trained), trained.to_metadata()


UNFIT: Mapping[str, tuple[frozenset[object], str]] = MappingProxyType(
    {
        "precision": (frozenset({"bf16", "fp16"}), "everything is computed in float32, as the integers need it"),
        "batch": (frozenset({"auto"}), "the estimate is of the network in float: write a number"),
        "compile": (frozenset({True}), "a compiled network sums in another order, and rounds other numbers"),
        "sync_batch_norm": (frozenset({True}), "the statistics of normalizations stay as they are"),
        "ramp_drop": (frozenset({True}), "nothing is dropped by chance"),
        "fsdp": (frozenset({True}), "each step needs all weights whole"),
    }
)
"""What recipes ask that cannot be in a training in integers, by the names of fields: the values, and why."""


@dataclass(frozen=True)
class AwareTraining:
    """What `archspec.train` makes of a network that is to be trained in integers, by the recipe `quantize`, with
    weights of seven bits with `reduce_range`: the module that computes what its int8 file does.

    Raises InputError for another recipe.
    """

    quantize: Int8Recipe
    reduce_range: bool = False

    def __post_init__(self) -> None:
        known = sorted(set(RECIPES.values()), reverse=True)
        if self.quantize not in known:
            raise InputError(f"`quantize` is {' or '.join(known)}, found {tell_value(self.quantize)}")
        if not isinstance(self.reduce_range, bool):
            raise InputError(f"`reduce_range` is True or False, found {tell_value(self.reduce_range)}")

    @property
    def asked(self) -> Mapping[str, Any]:
        """The words of what was asked for, by name."""
        return {"quantize": self.quantize, "reduce_range": self.reduce_range}

    @property
    def words(self) -> Sequence[str]:
        """The words of a command that ask for it."""
        return ("--quantize", self.quantize, *(["--reduce-range"] if self.reduce_range else []))

    def settle(self, recipe: Recipe) -> Recipe:
        """Choose float32 where the recipe leaves the precision open. Raises InputError for what UNFIT names."""
        for name, (values, reason) in UNFIT.items():
            value = getattr(recipe, name)
            if value in values:
                word = json.dumps(value).strip('"')
                raise InputError(f"{name}: {word} is not for a training in integers ({self.quantize}): {reason}")
        return recipe.model_copy(update={"precision": "fp32"})

    def reshape(self, graph: Graph, module: nn.Module, data: Dataset, facts: Mapping[str, str]) -> Reshaped:
        """Make the module that is trained in integers, as `quantize_module` does, by the scales in `facts` where there
        are some. Raises what that does."""
        recipe, reduced = self.quantize, self.reduce_range
        made, found = quantize_module(graph, module, data, recipe, reduce_range=reduced, earlier=facts)
        return Reshaped(made, found, made.digest())


def choose_reshaping(quantize: Int8Recipe | None, reduce_range: bool = False) -> AwareTraining | None:
    """Choose what a network is made to before it is trained; None where it is trained as it is. Raises InputError for
    `reduce_range` where nothing is in integers, and as AwareTraining does."""
    if quantize is not None:
        return AwareTraining(quantize, reduce_range)
    if reduce_range:
        raise InputError("`reduce_range` is about a training in integers: give `quantize` (--quantize u8s8) too")
    return None
