"""What a model says of its answers where no training of ours did: by the user's words, or by who published weights."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import floor
from pathlib import Path
from typing import Any

from archspec.errors import ArchspecError, InputError, suggest
from archspec.ops import Input
from archspec.spec.zoo import ZOO, find_rule_files, real_path
from archspec.wording import list_some, write_shape
from compiler.graph import Graph
from compiler.onnx_file.metadata import CLASSES, PREPROCESS, SIZES, TASK
from compiler.sizes.accepted_sizes import accepted_sizes
from runtime.pictures.preprocess import Preprocess
from runtime.pictures.preprocess_file import SHARE, read_preprocess_file
from runtime.tasks.registry import UNNAMED
from runtime.verification.static.metadata_fit import check_answers
from runtime.weights.class_names import read_classes
from runtime.weights.convert import Conversion
from runtime.weights.pretrained import PublishedWeights, find_published, list_published, read_class_set

IMAGENET = "imagenet"
"""The name of the usual preprocessing for ImageNet: the shorter side is 8/7 of what is seen, which is the middle."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Those of ImageNet's training images, as everybody uses them (torchvision/transforms/_presets.py)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerWords:
    """What a user says of a network's answers: how pictures become its input (a name or a file), the names of its
    classes (a set or a file), and its task. None is not said."""

    preprocess: str | None = None
    classes: str | None = None
    task: str | None = None

    @property
    def options(self) -> dict[str, str]:
        """The words by the options of the command line that say them."""
        said = {"--preprocess": self.preprocess, "--classes": self.classes, "--task": self.task}
        return {option: value for option, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True)
class PublishedAnswers:
    """What a library publishes of the answers of converted weights, as `metadata`; none where nobody can tell. `told`
    says whose it is, or why there is none, and what to do."""

    metadata: Mapping[str, str]
    told: str

    def to_dict(self) -> dict[str, Any]:
        classes = CLASSES.read(self.metadata)
        preprocess = self.metadata.get(PREPROCESS)
        return {
            "preprocess": None if preprocess is None else json.loads(preprocess),
            "classes": None if classes is None else len(classes),
        }


def list_zoo_names(source: str | Path) -> list[str]:
    """List the name of a spec of the zoo, and those of the specs that it extends; of a spec of one's own those alone.
    Raises SpecError where one cannot be found or read."""
    return [path.stem for path, _ in find_rule_files(source) if real_path(path).is_relative_to(ZOO)]


def describe_answers(
    graph: Graph, words: AnswerWords, names: Iterable[str] = (), known: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Write down what a user says of a network's answers, as metadata of its model; `names` are those of its spec in
    the zoo, `known` what its weights say already, which the user's words replace.

    Raises InputError where there is no such name or file, or what is said does not fit the network, and SpecError with
    the place where a file is wrong.
    """
    if not words.options:
        return {}
    said = dict(known or {})
    made: dict[str, str] = {}
    if words.preprocess is not None:
        preprocess, published = _read_preprocess(words.preprocess, graph, list_published(names))
        made |= PREPROCESS.write(preprocess.to_json())
        if published is not None:
            made |= {key: text for key, text in _describe_others(graph, published).items() if key not in said}
    if words.classes is not None:
        made |= CLASSES.write(read_classes(words.classes))
    if words.task is not None:
        made |= TASK.write(words.task)
    try:
        _check(graph, said | made)
    except ArchspecError as error:
        said_by = ", ".join(f"{option} {value}" for option, value in words.options.items())
        advice = "; --task says another" if "the task is" in str(error) else ""
        raise InputError(f"{said_by}: {error}{advice}") from error
    return made


def answer_as_published(
    path: str | Path, graph: Graph, spec: str, conversion: Conversion, words: AnswerWords
) -> PublishedAnswers:
    """Find what converted weights say of their answers: by the user's words, by the file itself, or as the library
    published it, in this order. Raises as `describe_answers` does."""
    facts = dict(conversion.facts)
    if not conversion.is_whole:
        return PublishedAnswers(facts, "")
    names, told = list_zoo_names(spec), ""
    if PREPROCESS not in facts and words.preprocess is None:
        found = find_published_answers(path, graph, names, conversion.sources)
        facts, told = {**found.metadata, **facts}, found.told
    return PublishedAnswers({**facts, **describe_answers(graph, words, names, facts)}, told)


def find_published_answers(
    path: str | Path, graph: Graph, names: Iterable[str], libraries: Sequence[str]
) -> PublishedAnswers:
    """Find what the library that published the weights of a file says of their answers: by the file's hash, else where
    all weights of the network are prepared alike. Where it does not fit the network nothing is taken."""
    rows = [row for row in list_published(names, libraries) if _has_as_many_classes(graph, row)]
    if not rows:
        return PublishedAnswers({}, "")
    found, told = find_published(path, rows), "as the file's hash says"
    if found is None and all(row.preprocess == rows[0].preprocess for row in rows):
        found, told = rows[0], f"as all of its weights in {' and '.join(dict.fromkeys(row.library for row in rows))}"
    if found is None:
        listed = list_some(list(dict.fromkeys(row.short_name for row in rows)), 8, ", ")
        return PublishedAnswers(
            _describe_others(graph, rows[0]),
            f"how pictures become the input is not known of this file: --preprocess NAME says it ({listed})",
        )
    preprocess = Preprocess.from_dict(found.preprocess)
    metadata = PREPROCESS.write(preprocess.to_json()) | _describe_others(graph, found)
    try:
        _check(graph, metadata)
    except ArchspecError as error:
        return PublishedAnswers({}, f"{found.library} prepares pictures for {found.name} otherwise: {error}")
    return PublishedAnswers(metadata, f"pictures as of {found.library}'s {found.spec} {found.short_name}, {told}")


def _read_preprocess(
    source: str, graph: Graph, published: Sequence[PublishedWeights]
) -> tuple[Preprocess, PublishedWeights | None]:
    """The preprocessing of a name or a file, and whose weights the name is of."""
    if source == IMAGENET:
        return _prepare_as_imagenet(graph), None
    alike = [row for row in published if source in (row.name, row.short_name)]
    if any(row.preprocess != alike[0].preprocess for row in alike):
        raise InputError(f"several are called '{source}': {list_some([row.name for row in alike], 8, ', ')}; name one")
    if alike:
        return Preprocess.from_dict(alike[0].preprocess), alike[0]
    if os.path.exists(source):
        return read_preprocess_file(source), None
    names = [IMAGENET, *dict.fromkeys(row.short_name for row in published)]
    raise InputError(
        f"no file and no preprocessing is called '{source}'{suggest(source, names)} (has: {list_some(names, 12, ', ')})"
    )


def _prepare_as_imagenet(graph: Graph) -> Preprocess:
    """ImageNet's usual preprocessing at the network's own size."""
    shape = next(iter(graph.inputs.values())).shape if len(graph.inputs) == 1 else ()
    channels, *size = (*shape,) if len(shape) == 3 else (0,)
    if channels != len(MEAN):
        taken = write_shape(shape, "several inputs")
        raise InputError(f"--preprocess {IMAGENET} makes pictures of three channels, and {graph.name} takes {taken}")
    return Preprocess(channels, tuple(size), MEAN, STD, resize="shorter", resize_to=floor(max(size) / SHARE))


def _describe_others(graph: Graph, row: PublishedWeights) -> dict[str, str]:
    """The names of the classes and the task, where the network has as many."""
    if not row.classes or not _has_as_many_classes(graph, row):
        return {}
    task = TASK.write(row.task) if row.task != UNNAMED else {}
    return CLASSES.write(read_class_set(row.classes)) | task


def _has_as_many_classes(graph: Graph, row: PublishedWeights) -> bool:
    """Tell whether the output that answers has a channel for each of the classes; of others nothing is known."""
    channels = _list_outputs(graph)[-1][1]
    return not row.classes or channels == len(read_class_set(row.classes))


def _list_outputs(graph: Graph) -> list[tuple[str | int, ...]]:
    return [("N", *graph[id].shape) for id in graph.outputs.values()]


def _check(graph: Graph, metadata: Mapping[str, str]) -> None:
    """Raises ModelError where metadata do not fit a network, as its export does."""
    inputs: dict[str, tuple[int | str, ...]] = {}
    for name, node in graph.inputs.items():
        assert isinstance(node.op, Input)
        inputs[name] = ("N", *node.op.dims)
    outputs = dict(zip(graph.outputs, _list_outputs(graph), strict=True))
    check_answers(SIZES.write(accepted_sizes(graph)) | dict(metadata), inputs, outputs)
