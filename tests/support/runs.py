"""Small specs and runs for the tests of experiments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from archspec.api import elaborate, load, train
from archspec.spec.spec import Spec
from compiler.graph import Graph
from runtime.recipes.recipe import Recipe
from runtime.training.run import Run

QUICK = Recipe(epochs=3, batch=64, threads=1)
WIDTHS = [8, 8, 8]
"""Channels of the small residual network; all of one width, so that one body's kernels fit another."""


def write_spec(folder: Path, network: list[Any], shape: list[Any], name: str = "net", **more: Any) -> Spec:
    document = {"archspec": 1, "name": name, "inputs": {"x": shape}, "network": network, **more}
    path = folder / "net.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return load(path)


def build(folder: Path, network: list[Any], shape: list[Any], **more: Any) -> Graph:
    return elaborate(write_spec(folder, network, shape, **more))


def train_digits(folder: Path) -> Run:
    """A residual network after some steps on the digits."""
    train(load("resnet_digits", {"widths": WIDTHS}), "digits", QUICK, folder=folder)
    return Run.open(folder)
