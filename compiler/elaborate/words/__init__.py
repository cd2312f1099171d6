"""What each word of the language does on its turn: a file for each subject."""

from compiler.elaborate.bodies import run_body
from compiler.elaborate.words import (
    attention,
    blocks,
    ext,
    flow,
    layers,
    levels,
    like,
    merges,
    networks,
    residual,
    split,
    taps,
)

__all__ = [
    "attention",
    "blocks",
    "ext",
    "flow",
    "layers",
    "levels",
    "like",
    "merges",
    "networks",
    "residual",
    "run_body",
    "split",
    "taps",
]
