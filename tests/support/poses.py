"""Folders of pictures with joints, in COCO's JSON and as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.folders import draw_pixels, save_pixels

JOINTS = ["nose", "left_eye", "right_eye"]


def write_pictures(folder: Path, sizes: Mapping[str, tuple[int, int]]) -> None:
    """Pictures of these heights and widths by their names, all different."""
    for seed, (name, size) in enumerate(sizes.items()):
        save_pixels(folder / name, draw_pixels((*size, 3), seed))


def make_coco(images: Sequence[str], annotations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A document of COCO's: images by their files, numbered from 1, and annotations of these."""
    return {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(images, 1)],
        "categories": [{"id": 1, "name": "person", "keypoints": JOINTS, "skeleton": [[1, 2], [1, 3]]}],
        "annotations": [
            {"id": 100 + number, "category_id": 1, "iscrowd": 0, **given} for number, given in enumerate(annotations)
        ],
    }


def write_coco(path: Path, document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path
