"""torchmetrics as a witness, also beside a build of torch with which torchvision's operators do not load."""

from functools import cache
from importlib import import_module
from types import ModuleType

from tests.support.torchvision_models import import_torchvision_models


@cache
def import_torchmetrics(name: str = "") -> ModuleType:
    """The module `torchmetrics`, or one in it, which refers to operators of torchvision where that is installed."""
    import_torchvision_models()
    return import_module(".".join(filter(None, ("torchmetrics", name))))
