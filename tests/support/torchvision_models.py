"""torchvision's models as witnesses, also beside a build of torch with which its own operators do not load."""

import warnings
from collections.abc import Callable
from functools import partial
from types import ModuleType

import torch
from torch import nn

from runtime.data.torchvision_import import import_torchvision


def import_torchvision_models() -> ModuleType:
    """The module `torchvision.models`."""
    return import_torchvision("torchvision.models")


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
