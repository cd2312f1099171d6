"""Detectors of torchvision that answer with what their heads say at each level, before boxes are made of it.

Their names are those of torchvision's models, and so are the names of their weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import MethodType
from typing import Any

from torch import Tensor, nn

from tests.support.torchvision_models import find_torchvision_model

Heads = Callable[[Any, Tensor], Iterator[Tensor]]
"""What the heads of a model say of one level's features, one output after the other."""


def _answer_raw(name: str, say: Heads) -> nn.Module:
    model = find_torchvision_model(name)(weights=None)

    def forward(self: Any, images: Tensor) -> list[Tensor]:
        return [said for features in self.backbone(images).values() for said in say(self.head, features)]

    model.forward = MethodType(forward, model)
    return model


def retinanet_resnet50_fpn() -> nn.Module:
    def say(head: Any, features: Tensor) -> Iterator[Tensor]:
        classes, boxes = head.classification_head, head.regression_head
        yield classes.cls_logits(classes.conv(features))
        yield boxes.bbox_reg(boxes.conv(features))

    return _answer_raw("retinanet_resnet50_fpn", say)


def fcos_resnet50_fpn() -> nn.Module:
    def say(head: Any, features: Tensor) -> Iterator[Tensor]:
        classes, boxes = head.classification_head, head.regression_head
        yield classes.cls_logits(classes.conv(features))
        tower = boxes.conv(features)
        yield boxes.bbox_reg(tower).relu()
        yield boxes.bbox_ctrness(tower)

    return _answer_raw("fcos_resnet50_fpn", say)
