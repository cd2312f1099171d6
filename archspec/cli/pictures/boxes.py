"""The words for how many boxes a picture of a network has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archspec.wording import tell_count

if TYPE_CHECKING:
    from compiler.draw.picture import GraphPicture


def count_boxes(picture: GraphPicture) -> str:
    boxes, operations = sum(1 for _ in picture.visible()), len(picture.graph) - len(picture.graph.inputs)
    return f"{tell_count(boxes, 'box', 'boxes')} for {tell_count(operations, 'operation', 'operations')}"
