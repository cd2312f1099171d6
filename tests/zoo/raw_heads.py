"""Detectors of torchvision that answer with what their heads say at each level, before boxes are made of it.

Their names are those of torchvision's models, and so are the names of their weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import MethodType
from typing import Any

from torch import Tensor, nn

from tests.support.torchvision_models import find_torchvision_model

Heads = Callable[[Any, int, Tensor], Iterator[Tensor]]
"""What the heads of a model say of one level's features, by its number, one output after the other."""


def _answer_raw(name: str, say: Heads) -> nn.Module:
    model = find_torchvision_model(name)(weights=None)

    def forward(self: Any, images: Tensor) -> list[Tensor]:
        levels = enumerate(self.backbone(images).values())
        return [said for level, features in levels for said in say(self.head, level, features)]

    model.forward = MethodType(forward, model)
    return model


def retinanet_resnet50_fpn() -> nn.Module:
    def say(head: Any, level: int, features: Tensor) -> Iterator[Tensor]:
        classes, boxes = head.classification_head, head.regression_head
        yield classes.cls_logits(classes.conv(features))
        yield boxes.bbox_reg(boxes.conv(features))

    return _answer_raw("retinanet_resnet50_fpn", say)


def fcos_resnet50_fpn() -> nn.Module:
    def say(head: Any, level: int, features: Tensor) -> Iterator[Tensor]:
        classes, boxes = head.classification_head, head.regression_head
        yield classes.cls_logits(classes.conv(features))
        tower = boxes.conv(features)
        yield boxes.bbox_reg(tower).relu()
        yield boxes.bbox_ctrness(tower)

    return _answer_raw("fcos_resnet50_fpn", say)


def _say_by_level(head: Any, level: int, features: Tensor) -> Iterator[Tensor]:
    for part in (head.classification_head, head.regression_head):
        yield part.module_list[level](features)


def ssd300_vgg16() -> nn.Module:
    return _answer_raw("ssd300_vgg16", _say_by_level)


def ssdlite320_mobilenet_v3_large() -> nn.Module:
    return _answer_raw("ssdlite320_mobilenet_v3_large", _say_by_level)
