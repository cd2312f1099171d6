"""How torchvision and timm prepare pictures for the weights that they publish, as they say it themselves.

    python -m tests.zoo.preprocessing torchvision|timm

writes `runtime/weights/facts/LIBRARY.json` anew, from the library that is installed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from archspec.spec.text import read_file
from archspec.spec.zoo import RULES, ZOO
from runtime.weights.name_rules import RuleFile
from runtime.weights.pretrained import FOLDER
from tests.support.torchvision_models import import_torchvision_models

IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}

ARCHITECTURES = {
    "cbam_resnet50": [],  # built with arguments: nobody publishes weights of it
    "deit_small": ["deit_small_patch16_224"],
    "deit_tiny": ["deit_tiny_patch16_224"],
    "mobilenet_v1": ["mobilenetv1_100"],
    "mobilenet_v2": ["mobilenetv2_100"],
    "se_resnet50": ["seresnet50"],
    "vit_b_16": ["vit_base_patch16_224", "vit_base_patch16_384"],
    "vit_b_32": ["vit_base_patch32_224", "vit_base_patch32_384"],
    "vit_l_16": ["vit_large_patch16_224", "vit_large_patch16_384"],
    "vit_l_32": ["vit_large_patch32_224", "vit_large_patch32_384"],
    "xception": ["legacy_xception"],
}
"""timm's names of what the zoo calls otherwise."""

NORMALIZES_ITSELF = ("googlenet", "inception_v3")
"""Models of torchvision that, with its weights, turn ImageNet's mean and std into 0.5 and 0.5 in their first step
(`transform_input`), which the zoo's networks do not."""


class Published(NamedTuple):
    """What a library says of one set of weights: the spec of the zoo, the weights' name, how the hash of their file
    begins (empty where it is not said), the preprocessing, the names of the classes, and the task."""

    spec: str
    weights: str
    file: str
    preprocess: dict[str, Any]
    classes: str
    task: str


def list_torchvision() -> Iterator[Published]:
    """The enumerations of torchvision's weights, of classifiers and segmentations that the zoo has."""
    models = import_torchvision_models()
    for spec in _list_served("torchvision"):
        if spec not in models.list_models():
            continue
        for weights in models.get_model_weights(spec):
            made = weights.transforms()
            kind, names = type(made).__name__, weights.meta.get("categories")
            if kind not in ("ImageClassification", "SemanticSegmentation") or names is None:
                continue
            said = {"mean": made.mean, "std": made.std} if spec not in NORMALIZES_ITSELF else _halves()
            size = made.crop_size if kind == "ImageClassification" else made.resize_size
            match = re.search(r"-([0-9a-f]+)\.pth$", weights.url)
            assert match is not None
            yield Published(
                spec,
                weights.name,
                match[1],
                _describe(size[0], made.resize_size[0], made.interpolation.value, said),
                "imagenet" if kind == "ImageClassification" else "voc",
                "labels" if kind == "ImageClassification" else "maps",
            )


def list_timm() -> Iterator[Published]:
    """The configurations of timm's pretrained models, at the size that it takes by default."""
    import_torchvision_models()
    timm = import_module("timm")
    for spec in _list_served("timm"):
        for architecture in ARCHITECTURES.get(spec, [spec]):
            for name in timm.list_models(f"{architecture}.*", pretrained=True):
                said = timm.get_pretrained_cfg(name).to_dict()
                size, mode = said["input_size"][-1], said.get("crop_mode", "center")
                assert said["input_size"] == (3, size, size)
                assert mode in ("center", "squash")
                described = _describe(size, int(size / said["crop_pct"]), said["interpolation"], said)
                if mode == "squash":
                    described.pop("resize")
                    if described["resize_to"] == size:
                        described.pop("resize_to")
                match = re.search(r"-([0-9a-f]{8})\.\w+$", said.get("url") or "")
                classes = "imagenet" if said["num_classes"] == 1000 else ""
                yield Published(spec, name, match[1] if match else "", described, classes, "labels")


def group(found: Iterator[Published], library: str, version: str, source: str) -> dict[str, Any]:
    """The rows as the file has them: those that are prepared alike together."""
    groups: dict[str, dict[str, Any]] = {}
    for row in found:
        key = json.dumps((row.preprocess, row.classes, row.task))
        empty = {"preprocess": row.preprocess, "classes": row.classes, "task": row.task, "weights": {}}
        groups.setdefault(key, empty)["weights"].setdefault(row.spec, {})[row.weights] = row.file
    return {"library": library, "version": version, "source": source, "groups": list(groups.values())}


def write(library: str) -> str:
    """The text of a library's file, with a line for each network."""
    import_torchvision_models()  # timm imports torchvision
    version = str(import_module(library).__version__).partition("+")[0]
    if library == "torchvision":
        source = "the transforms and addresses of its weights' enumerations (torchvision/models/*.py)"
        rows = group(list_torchvision(), library, version, source)
    else:
        rows = group(list_timm(), library, version, "its default_cfgs (timm/models/*.py)")
    groups = []
    for item in rows.pop("groups"):
        weights = ",\n  ".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in item.pop("weights").items())
        groups.append(f'{json.dumps(item)[:-1]}, "weights": {{\n  {weights}}}}}')
    return f'{json.dumps(rows)[:-1]}, "groups": [\n {(chr(44) + chr(10) + " ").join(groups)}\n]}}\n'


def _halves() -> dict[str, Any]:
    return {"mean": [0.5] * 3, "std": [0.5] * 3}


def _describe(size: int, resized: int, interpolation: str, said: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"channels": 3, "height": size, "width": size}
    described |= {name: [round(float(value), 9) for value in said[name]] for name in ("mean", "std")}
    described |= {"resize": "shorter", "resize_to": resized}
    return described | ({} if interpolation == "bilinear" else {"interpolation": interpolation})


def _list_served(library: str) -> list[str]:
    files = (RuleFile.model_validate(read_file(path, path.name).data) for path in ZOO.rglob(f"*{RULES}"))
    return sorted({name for file in files for rules in file.rules if library in rules.sources for name in rules.specs})


if __name__ == "__main__":
    Path(FOLDER / f"{sys.argv[1]}.json").write_text(write(sys.argv[1]))
