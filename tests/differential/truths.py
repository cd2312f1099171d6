"""What must be true of an exported file, and of everything that it and its report say."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
import torch
from typer.testing import CliRunner

from archspec.cli.main import app
from archspec.errors import ArchspecError
from runtime.session.session import Session
from tests.differential.harness import Disagreement
from tests.differential.layers import RefusedError
from tests.differential.network import Network
from tests.differential.witness import Inputs, Run, Written, list_runs

TOLERANCES = {"fp32": 1e-4, "fp16": 2e-2, "bf16": 1e-1}
"""What docs/export/precision.md allows, relative to the largest value."""
FLIPS = {"fp32": 1e-3, "fp16": 1e-2, "bf16": 1e-1}
"""The share of positions in which votes may differ."""
KINDS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
ROUNDINGS = 30
"""How many times as far off as the executor's own rounding a result may be: sums are in another order."""
FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
LARGEST = 70
"""Promised sizes beyond this are taken on trust: they cost too much."""
FAR = 12
"""So many steps a size goes where several vary at once."""


def tell_truths(written: Written, words: Counter[str]) -> Iterator[Disagreement]:
    """Everything that is not true; what could not be asked is counted in `words`."""
    yield from check_file(written)
    yield from check_report(written)
    yield from check_refused_sizes(written, words)
    runs = list_runs(written.path)
    yield from check_proof(written, runs)
    for sizes in promised_sizes(written):
        for batch in (1, 3):
            yield from check_answers(written, runs, sizes, batch, words)
    yield from check_session(written)
    yield from check_verdict(written, words)
    if damage(written):
        yield from check_session(written, "after a change of a weight")
        yield from check_damaged_verdict(written)


# What was said


def check_file(written: Written) -> Iterator[Disagreement]:
    try:
        onnx.checker.check_model(written.path, full_check=True)
    except Exception as error:  # its own, of several types
        yield Disagreement("onnx.checker", str(error)[:300])


def check_report(written: Written) -> Iterator[Disagreement]:
    """Files, bytes, precision and metadata are what lies there."""
    export, wish = written.export, written.wish
    there = {path for path in written.path.parent.iterdir() if path.is_file()}
    optimized = {path for path in there if export.optimized and path.name.startswith(export.optimized.name)}
    places = [entry for tensor in written.model.graph.initializer for entry in tensor.external_data]
    data = {entry.value for entry in places if entry.key == "location"}
    said = {
        "files": (set(export.files), there - optimized),
        "data": ({path.name for path in export.files[1:] if path.stat().st_size}, data),
        "bytes": (export.bytes, sum(path.stat().st_size for path in there - optimized)),
        "optimized": (export.optimized in optimized, wish.optimized),
        "precision": (export.to_dict()["precision"], wish.precision),
        "proof": (export.proof is not None, wish.verify),
        "metadata": ({key: written.facts.get(key) for key in wish.metadata}, wish.metadata),
    }
    for name, (one, other) in said.items():
        if one != other:
            yield Disagreement(f"report: {name}", f"{one}, found {other}"[:300])


def check_verdict(written: Written, words: Counter[str]) -> Iterator[Disagreement]:
    """What was proven is verified; but for networks that magnify rounding, whose proof had other inputs."""
    code, checks = verify(written.path)
    if written.wish.verify and code:
        if magnifies_rounding(written):
            words["(verify: rounding decides)"] += 1
        else:
            yield Disagreement("verify", f"exit {code}: {checks}"[:300])


def check_damaged_verdict(written: Written) -> Iterator[Disagreement]:
    code, checks = verify(written.path)
    if code != 1:
        yield Disagreement("verify: changed weight", f"exit {code}: {checks}"[:300])


def verify(path: Path) -> tuple[int, list[str]]:
    """The exit code of the command, and what it lists that is not as it should be."""
    result = CliRunner().invoke(app, ["verify", str(path), "--json"], catch_exceptions=False)
    said = json.loads(result.stdout)
    assert said["passed"] == (result.exit_code == 0)
    return result.exit_code, [check["text"] for check in said["checks"] if check["status"] != "passed"]


def damage(written: Written) -> bool:
    """Change one bit of one stored number, as a tool would or in its place; False where there is none."""
    random, model = Random(written.wish.seed), onnx.load(written.path, load_external_data=False)
    factors = {name for node in model.graph.node if node.op_type == "Resize" for name in node.input[1:]}
    numbers = [tensor for tensor in model.graph.initializer if tensor.data_type in FLOATS and math.prod(tensor.dims)]
    stored = [tensor for tensor in numbers if tensor.name not in factors]  # which are shapes
    if not stored:
        return False
    tensor = random.choice(stored)
    place = {entry.key: entry.value for entry in tensor.external_data}
    file = written.path.parent / place.get("location", written.path.name)
    data = bytearray(file.read_bytes() if place else tensor.raw_data)
    at = int(place["offset"]) + random.randrange(int(place["length"])) if place else random.randrange(len(data))
    data[at] ^= 1 << random.randrange(8)
    tensor.raw_data = b"" if place else bytes(data)
    file.write_bytes(data if place else model.SerializeToString())
    return True


# What is computed


def check_answers(
    written: Written, runs: Sequence[Run], sizes: Mapping[str, int], batch: int, words: Counter[str]
) -> Iterator[Disagreement]:
    """At a promised size there is a network, and the file computes it."""
    try:
        network = written.spec.interpret(dict(sizes))
    except RefusedError as error:
        yield Disagreement("promised size", f"{sizes}: {error}")
        return
    inputs = draw_inputs(shapes_of(network, batch), np.random.default_rng(written.wish.seed))
    try:
        found = [run(inputs) for run in runs]
    except Exception as error:  # ONNX Runtime's own, of several types
        yield Disagreement("onnxruntime", f"{sizes}, {batch} samples: {str(error)[:300]}")
        return
    allowed = allow(written, network, inputs)
    for one in found:
        for name, value in written.witness.answer(network, inputs, torch.float64).items():
            if not np.isfinite(allowed[name]):
                words["(no finite numbers)"] += 1
            elif not (off := written.witness.differ(value, one[name])) <= allowed[name]:
                yield Disagreement("onnx", f"{name} at {sizes}: {off:.3g}, allowed {allowed[name]:.3g}")


def allow(written: Written, network: Network, inputs: Inputs) -> dict[str, float]:
    """By output how far off a file may be; infinite where rounding makes numbers infinite, or the network does."""
    precision = written.wish.precision
    exact = written.witness.answer(network, inputs, torch.float64)
    own = written.witness.answer(network, inputs, torch.float32, KINDS[precision])
    least = (FLIPS if written.witness.votes else TOLERANCES)[precision]
    return {name: max(least, ROUNDINGS * written.witness.differ(exact[name], own[name].double())) for name in exact}


def magnifies_rounding(written: Written) -> bool:
    """Whether at some promised size the executor's own rounding is a part of what is allowed that counts."""
    worst = 0.0
    for sizes in promised_sizes(written):
        with suppress(RefusedError):  # of which `check_answers` tells
            network = written.spec.interpret(sizes)
            inputs = draw_inputs(shapes_of(network, 1), np.random.default_rng(written.wish.seed))
            worst = max(worst, *allow(written, network, inputs).values())
    return worst > TOLERANCES[written.wish.precision]


def check_session(written: Written, when: str = "as written") -> Iterator[Disagreement]:
    """A session, which maps weights and takes what was optimized, answers as ONNX Runtime does for the file alone."""
    if written.wish.precision == "bf16":
        return
    network = written.spec.interpret()
    inputs = draw_inputs(shapes_of(network, 2), np.random.default_rng(written.wish.seed))
    try:
        session = Session(written.path, providers=("cpu",), settings="default")
        found = session.run({name: value.astype(session.dtypes[name]) for name, value in inputs.items()})
    except ArchspecError as error:
        yield Disagreement(f"session {when}", str(error)[:300])
        return
    allowed = allow(written, network, inputs)
    for name, value in Run(written.path)(inputs).items():
        off = written.witness.differ(value, torch.from_numpy(found[name]).double())
        if bool(torch.isfinite(value).all()) and not off <= allowed[name]:
            yield Disagreement(f"session {when}", f"{name}: {off:.3g}, allowed {allowed[name]:.3g}")


def check_proof(written: Written, runs: Sequence[Run]) -> Iterator[Disagreement]:
    """Each difference that the proof states, computed again for the same inputs with the executor in torch's place."""
    proof, generator = written.export.proof, np.random.default_rng(0)
    precision = written.wish.precision
    if proof is None:
        return
    if proof.tolerance != TOLERANCES[precision]:
        yield Disagreement("proof: tolerance", f"{proof.tolerance} for {precision}")
    for case in proof.cases:
        network = written.spec.interpret(sizes_of(written.spec.interpret(), case.inputs))
        inputs = draw_inputs(case.inputs, generator)
        exact, own = (written.witness.answer(network, inputs, dtype) for dtype in (torch.float64, torch.float32))
        found = [run(inputs) for run in runs]
        for name, said in case.differences.items():
            again = max(written.witness.differ(own[name].double(), one[name]) for one in found)
            rounding = written.witness.differ(exact[name], own[name].double())
            if not abs(again - said) <= ROUNDINGS * rounding + 1e-3 * said + 1e-6:
                yield Disagreement("proof", f"{name} at {case.inputs}: said {said:.3g}, found {again:.3g}")


# Sizes


def promised_sizes(written: Written) -> Iterator[dict[str, int]]:
    """The file's own sizes, the ends of each row and one within, and all that depend on no other at once."""
    random = Random(written.wish.seed)
    rows = {letter: row for letter, row in written.sizes.items() if "first" in row}
    steps = {
        letter: max(0, (min(row.get("last", LARGEST), LARGEST) - row["first"]) // row["step"])
        for letter, row in rows.items()
    }
    yield {}
    for letter, row in rows.items():
        for turn in sorted({0, random.randint(0, steps[letter]), steps[letter]}):
            yield {letter: row["first"] + turn * row["step"]}
    free = {letter: row for letter, row in rows.items() if "beside" not in row}
    yield {
        letter: row["first"] + random.randint(0, min(FAR, steps[letter])) * row["step"] for letter, row in free.items()
    }


def check_refused_sizes(written: Written, words: Counter[str]) -> Iterator[Disagreement]:
    """A session takes no size beside the promised ones. That there is a network all the same is counted."""
    if written.wish.precision == "bf16":
        return
    network = written.spec.interpret()
    session = Session(written.path, providers=("cpu",), settings="default")
    for letter, row in written.sizes.items():
        for size in sorted(outside(row)):
            shapes = shapes_of(network, 1, {letter: size})
            inputs = draw_inputs(shapes, np.random.default_rng(0))
            try:
                session.run({name: value.astype(session.dtypes[name]) for name, value in inputs.items()})
                yield Disagreement("size that is not promised", f"{letter} = {size} of {row}")
            except ArchspecError as error:
                if "the model takes" not in str(error):
                    yield Disagreement("message of a size", str(error)[:300])
            try:
                if written.spec.interpret({letter: size}).weights() == network.weights():
                    words["(fits, not promised)"] += 1
            except RefusedError:
                words["(does not fit)"] += 1


def outside(row: Mapping[str, Any]) -> set[int]:
    if "first" not in row:
        return {size for size in (row["value"] - 1, row["value"] + 1) if size > 0}
    step, beyond = row["step"], {row["first"] - row["step"]}
    beyond |= {row["last"] + step} if "last" in row else set()
    beyond |= {row["first"] + 1} if step > 1 else set()
    return {size for size in beyond if size > 0}


def shapes_of(network: Network, batch: int, sizes: Mapping[str, int] | None = None) -> dict[str, tuple[int, ...]]:
    """The shapes of the inputs, with other values of some letters."""
    shapes = {name: network.operations[name].shape for name in network.letters}
    return {
        name: (batch, *((sizes or {}).get(entry, extent) for entry, extent in zip(entries, shapes[name], strict=True)))
        for name, entries in network.letters.items()
    }


def sizes_of(network: Network, shapes: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """The values of the letters in shapes with a batch."""
    pairs = [zip(entries, shapes[name][1:], strict=True) for name, entries in network.letters.items()]
    return {entry: extent for pair in pairs for entry, extent in pair if isinstance(entry, str)}


def draw_inputs(shapes: Mapping[str, Sequence[int]], generator: np.random.Generator) -> Inputs:
    return {name: generator.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
