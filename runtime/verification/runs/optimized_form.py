"""The check whether the optimized form that a session loads in place of a model computes what the model computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from archspec.arrays import Arrays
from archspec.errors import ArchspecError
from runtime.session.inputs import make_inputs
from runtime.session.model_file import ModelFile
from runtime.session.optimized_form import examine_optimized
from runtime.session.session import Session
from runtime.verification.checks import Check
from runtime.verification.model.inside import ModelInside
from runtime.verification.options import VerifyOptions
from runtime.verification.proof.cases import choose_small
from runtime.verification.witness.comparator import WitnessOutputs


def check_optimized(
    inside: ModelInside, options: VerifyOptions, compare: Callable[[Arrays, WitnessOutputs], str]
) -> Iterator[Check]:
    """Check, where an optimized file lies beside a model, that it was made from this one, and gives what this one
    gives.

    `compare` says how near outputs are to those of a witness, or raises ArchspecError.
    """
    path = inside.path
    try:
        beside = examine_optimized(inside.file, trust_times=False)
    except ArchspecError as error:
        loaded = _find_trusted(inside.file)
        if loaded is None:
            yield Check("optimized", "noted", str(error))
        else:
            why = f"a session here loads {loaded.name} instead, since lengths and times are what they were"
            yield Check("optimized", "failed", f"{why}, but {error.__cause__ or error}; touch it, or export again")
        return
    if beside is None:
        return
    try:
        plain = Session(path, providers=("cpu",), settings="default", as_written=True)
    except ArchspecError as error:  # which the file's own rows say, where it should be loaded
        yield Check("optimized", "noted", f"{beside.name}, which no session here loads: {error}")
        return
    where = f"{beside.name}, which a session here loads instead"
    try:
        quick = Session(path, providers=("cpu",), settings="default")
        batch, sizes = (options.cases or choose_small(plain.sizes))[0]
        feed = make_inputs(plain, batch, sizes, options.seed)
        text = compare(quick.run(feed), (path.name, plain.run(feed)))
    except ArchspecError as error:
        yield Check("optimized", "failed", f"{where}: {error}")
    else:
        yield Check("optimized", "passed", f"{where}: {text}")


def _find_trusted(file: ModelFile) -> Path | None:
    """The optimized file that a session takes, which trusts times."""
    try:
        return examine_optimized(file)
    except ArchspecError:
        return None
