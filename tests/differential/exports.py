"""Random exports: each is refused for a reason, or gives a file of which everything is true.

Specs come from `documents.py`, how they are exported and with which weights from `wishes.py`; what a file must be is in
`truths.py`, what a refusal must be in `refusals.py`.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from archspec.api import to_onnx, to_torch
from archspec.errors import ArchspecError
from compiler.graph import Graph
from compiler.onnx_target import write
from runtime.export.export import Export
from tests.differential.documents import Spec, write_spec
from tests.differential.harness import Disagreement, Outcome, examine_safely
from tests.differential.refusals import Refusal, judge_refusal, name_refusal
from tests.differential.shrink import shrink
from tests.differential.specs import compile_spec
from tests.differential.truths import tell_truths
from tests.differential.wishes import Wish, draw_wish, give_weights
from tests.differential.witness import Written
from tests.support.documents import graph_from

FEW, SMALL = 200, 128
"""Where two files are wished: bytes of all weights above which there are two, and of a tensor in the second one."""
OLDER = {"archspec": 1, "name": "older", "inputs": {"x": [1]}, "network": [{"linear": 400}]}


def examine(seed: int) -> Outcome:
    words = Counter[str]()
    return Outcome(list(compare(write_spec(Random(seed)), draw_wish(Random(seed)), words)), words)


def explain(seed: int) -> str:
    """The smallest spec and the plainest wish about which the same disagrees."""
    spec, wish = write_spec(Random(seed)), draw_wish(Random(seed))
    kinds = set(find_kinds(vars(spec), wish))
    if not kinds:
        return f"seed {seed}: no disagreement"
    for field in fields(wish):
        usual: Any = {field.name: field.default}
        plainer = replace(wish, **usual)
        wish = plainer if kinds <= set(find_kinds(vars(spec), plainer)) else wish
    smallest = shrink(vars(spec), lambda data: kinds <= set(find_kinds(data, wish)))
    said = (f"{kind}: {detail}" for kind, detail in find_kinds(smallest, wish).items())
    return "\n".join([json.dumps(smallest, indent=1), json.dumps(asdict(wish)), *said])


def find_kinds(data: Any, wish: Wish) -> dict[str, str]:
    found = examine_safely(lambda seed: Outcome(list(compare(Spec(**data), wish, Counter()))), 0).disagreements
    return {one.kind: one.detail for one in found}


def compare(spec: Spec, wish: Wish, words: Counter[str]) -> Iterator[Disagreement]:
    """What is not true of an export; what was asked and what became of it is counted in `words`."""
    words.update(wish.words())
    spec.interpret()
    graph = compile_spec(spec)
    if graph.rows:  # numbers at random name no rows; the tests of `embedding` draw their own
        words["whole numbers"] += 1
        return
    given = give_weights(graph, wish)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        path = Path(folder) / "model.onnx"
        if wish.replaces:
            write_older(path, wish)
        before = read_folder(path.parent)
        try:
            export = write_wish(wish.shape(graph), given, path, wish)
        except ArchspecError as error:
            words[f"refused: {name_refusal(str(error))}"] += 1
            yield from judge_refusal(Refusal(str(error), path, spec, wish, given, graph))
            if read_folder(path.parent) != before:
                yield Disagreement("left behind", f"{sorted(set(read_folder(path.parent)) ^ set(before))}")
            return
        words["written"] += 1
        again = write_wish(wish.shape(graph), given, path.parent / "again" / path.name, wish)
        if {file.name: file.read_bytes() for file in export.files} != {
            file.name: file.read_bytes() for file in again.files
        }:
            yield Disagreement("bytes", "two exports differ")
        yield from tell_truths(Written(spec, wish, given, export), words)


def write_wish(graph: Graph, given: dict[str, Any], path: Path, wish: Wish) -> Export:
    with splitting(wish):
        return to_onnx(
            graph,
            given,
            path,
            options=wish.options,
            verify=wish.verify,
            optimized=wish.optimized,
            metadata=wish.metadata,
        )


def write_older(path: Path, wish: Wish) -> None:
    """Another model, of as many files, under the name that is to be written."""
    graph = graph_from(OLDER)
    with splitting(wish):
        to_onnx(graph, to_torch(graph).state_dict(), path, verify=False)


@contextmanager
def splitting(wish: Wish) -> Iterator[None]:
    if not wish.two_files:
        yield
        return
    with patch.object(write, "MAX_FILE_BYTES", FEW), patch.object(write, "MAX_INLINE_BYTES", SMALL):
        yield


def read_folder(folder: Path) -> dict[str, bytes]:
    """Every file in a folder and below, with what it holds; folders are empty."""
    return {str(path): b"" if path.is_dir() else path.read_bytes() for path in sorted(folder.rglob("*"))}
