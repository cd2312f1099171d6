"""Quantization-aware training: from weights and training images to a module that computes in integers as it learns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archspec.callbacks import OnStep, ignore_step
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
from runtime.weights.in_memory import take_weights

with extra("train"):
    from torch import nn


def measure_scheme(
    graph: Graph,
    weights: Mapping[str, Any],
    data: Dataset,
    recipe: Int8Recipe = "u8s8",
    *,
    method: str = "mse",
    reduce_range: bool = False,
    on_step: OnStep = ignore_step,
) -> TrainedScheme:
    """Measure by which scales weights are to be trained in integers: those that an int8 export of them would choose
    from the training images, of which it takes up to 1,000. All layers are in integers.

    Raises InputError where the network has no layer for integers, or does not take the images.
    """
    target = next(target for target, found in RECIPES.items() if found == recipe)
    model = build_model(graph, take_weights(weights), options=INT8)
    images = take_training_images(data, graph, model.metadata)
    found = calibrate(model, images, method=method, target=target, reduce_range=reduce_range, on_step=on_step)
    return TrainedScheme.take(model, found, images)


def prepare_aware_training(graph: Graph, weights: Mapping[str, Any], trained: TrainedScheme) -> FakeQuantized:
    """Build the module that is trained by a scheme, and warn of weights that an export leaves out, as those of a
    normalization that does nothing, and that learn nothing so.

    Raises what `prepare_fake_quantized` does.
    """
    module = prepare_fake_quantized(graph, weights, trained.scheme)
    idle = [name for name, weight in graph.weights.items() if weight.trainable and name not in module.learning]
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
