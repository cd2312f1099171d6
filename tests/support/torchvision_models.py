"""torchvision's models as witnesses, also beside a build of torch with which its own operators do not load."""

import warnings
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from types import ModuleType

import torch
from torch import nn

_DECLARED: list[torch.library.Library] = []
"""Declarations end with the object that made them, so it is kept."""


@cache
def import_torchvision_models() -> ModuleType:
    """The module `torchvision.models`.

    The wheel on PyPI is built for one CUDA version; beside any other torch its operators are missing, and importing it
    fails where it refers to two of them. The models call neither, so declaring their schemas is enough.
    """
    try:
        return import_module("torchvision.models")
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _DECLARED.append(library)
    return import_module("torchvision.models")


def import_torchvision_datasets() -> ModuleType:
    """The module `torchvision.datasets`, which needs none of the operators either."""
    import_torchvision_models()
    return import_module("torchvision.datasets")


def find_torchvision_model(name: str) -> Callable[..., nn.Module]:
    """The function that makes a model of torchvision: for pictures, clips, segmentation or detection."""
    warnings.filterwarnings("ignore", "The default weight initialization", FutureWarning)
    models = import_torchvision_models()
    rooms = (models, models.video, models.segmentation, models.detection)
    room = next(room for room in rooms if hasattr(room, name))
    make: Callable[..., nn.Module] = getattr(room, name)
    return partial(make, weights_backbone=None) if room in rooms[2:] else make


def build_on_meta(name: str) -> nn.Module:
    """A model of torchvision with shapes and without numbers, in evaluation mode."""
    make = find_torchvision_model(name)
    model: nn.Module
    try:
        with torch.device("meta"):
            model = make(weights=None)
    except (NotImplementedError, RuntimeError):  # it computes its own widths, or rates, by tensors
        model = make(weights=None).to("meta")
    return model.eval()
