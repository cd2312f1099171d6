"""How many boxes a picture of a network has, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compiler.draw.picture import Picture


def count_boxes(picture: Picture) -> str:
    boxes, operations = sum(1 for _ in picture.visible()), len(picture.graph) - len(picture.graph.inputs)
    return f"{_count(boxes, 'box', 'boxes')} for {_count(operations, 'operation', 'operations')}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
