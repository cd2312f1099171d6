"""The row of a verification that says whether what a model says of its answers and of pictures fits the model."""

from __future__ import annotations

from collections.abc import Iterator

from archspec.errors import ArchspecError
from compiler.onnx_file.extents import list_inputs, list_outputs
from compiler.onnx_file.metadata import CLASSES, EPOCH, PREPROCESS, STRIDE, TASK, tell_epoch
from runtime.verification.checks import Check
from runtime.verification.model.facts import ModelFacts
from runtime.verification.model.inside import ModelInside
from runtime.verification.static.metadata_fit import check_answers

COMPARED = (TASK, CLASSES, PREPROCESS, STRIDE, EPOCH)
"""The keys that are compared with the network."""


def check_metadata(inside: ModelInside, facts: ModelFacts) -> Iterator[Check]:
    """Check that task, names, preprocessing and stride fit the file's inputs and outputs, or what does not; nothing of
    a file that says none of these. Weights of a training that was stopped are noted."""
    said = facts.metadata
    told = [key.word for key in COMPARED if key in said]
    if not told:
        return
    graph = inside.model.graph
    try:
        check_answers(said, list_inputs(graph), list_outputs(graph))
        unfinished = tell_epoch(said)
    except ArchspecError as error:
        yield Check("metadata", "failed", str(error))
        return
    text = f"{', '.join(told)} fit the inputs and outputs"
    yield Check("metadata", "noted" if unfinished else "passed", f"{text}; {unfinished}" if unfinished else text)
