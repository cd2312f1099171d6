"""ONNX Runtime's own optimized form of a model, in a file beside it: found again by the model it was made from, and by
the runtime's version and the processor's instructions, to which it is tied."""

from __future__ import annotations

import functools
import os
import platform
from dataclasses import replace
from pathlib import Path

from archspec.errors import ArchspecError, ModelError
from archspec.extras import extra
from archspec.files import list_folder
from archspec.log import warn
from runtime.session.machine import read_instructions
from runtime.session.model_file import ModelFile

with extra("run"):
    import onnxruntime as ort

    from compiler.onnx_file.metadata import CONTENT, OPTIMIZED
    from compiler.onnx_file.skim import read_metadata

PREFIX = "ort"
"""The beginning of what a form is tied to, and so of what stands in its name behind the model's."""

X86 = ("x86_64", "AMD64", "i386", "i686")


class OtherModelError(ModelError):
    """A form that is sound, and was made from another model than the one that is loaded."""


def find_optimized(model: ModelFile) -> Path | None:
    """Find the file that may be loaded instead of a model's, here and now, if there is one. Where one was made from
    another model than this is now, or is itself not what was written, or has left its weights behind, the log says
    so."""
    try:
        return examine_optimized(model)
    except ArchspecError as error:
        warn(str(error))
        return None


def examine_optimized(model: ModelFile, *, trust_times: bool = True) -> Path | None:
    """Find the same, but raise ModelError where one is there that may not be used. Unless times are trusted, all
    numbers are read.

    The form of this name comes first. Where that is none of this model, any form of its folder is taken that is: model
    and form may have been renamed apart from each other. Of a link, the folder of what it leads to counts too.
    """
    tied = describe_runtime()
    return _find_form(model, tied, trust_times) if tied else None


def find_model(form: Path) -> Path | None:
    """Find the model in its folder that a form says it was made from; None where there is none, or it is no form."""
    facts = _read_facts(form)
    if OPTIMIZED not in facts or CONTENT not in facts:
        return None
    others = [path for path in list_folder(form.parent) or () if path.suffix == form.suffix]
    for path in sorted(others, key=lambda path: not _is_named_after(form, path)):
        said = _read_facts(path)
        if said.get(CONTENT) == facts[CONTENT] and OPTIMIZED not in said:
            return path
    return None


def describe_unused(beside: Path, path: Path, error: ArchspecError) -> str:
    """Write that an optimized file is not used, why, and what to do."""
    return f"{beside} is not used: {error}; export {path.name} again with --optimized, or remove it"


@functools.cache
def describe_runtime() -> str | None:
    """Write what an optimized file is tied to, as in `ort1.31.1-avx2-avx512-vnni`; None where that cannot be known.

    The block of the blocked layout follows the width of the vectors, and the form of int8 sums their instructions.
    """
    instructions = read_instructions()
    if platform.machine() in X86:
        return "-".join([f"{PREFIX}{ort.__version__}", *instructions]) if instructions else None
    return f"{PREFIX}{ort.__version__}-{platform.machine().lower()}"


def place_form(path: Path, tied: str) -> Path:
    """Give the path at which the form of a model is written that is tied to this runtime and processor."""
    return path.with_name(f"{path.stem}.{tied}{path.suffix}")


def _check_form(beside: Path, model: ModelFile, tied: str, trust_times: bool) -> None:
    """Raises ArchspecError unless this is the form of the model, as it was written, for this runtime and processor."""
    from compiler.onnx_file.content import read_fingerprint  # hashes are loaded where there is a form
    from compiler.onnx_file.digest import OTHER_HASH, is_content
    from runtime.session.provenance import list_states, read_provenance

    facts = read_provenance(beside, trust_times=trust_times)
    if facts.tied != tied:
        raise ModelError(f"it was made for {facts.tied}")
    if not is_content(facts.content):
        raise ModelError(f"it {OTHER_HASH}")
    # Files have the length and time that they had; one that was put in the place of another with its time says other
    # content.
    same = (
        trust_times
        and model.metadata.get(CONTENT) == facts.content
        and list_states(model.path, (model.path.name, *model.data)) == facts.model
    )
    if not same and read_fingerprint(model.path) != facts.fingerprint:
        raise OtherModelError(f"{model.path.name} is not the model that it was made from")


def _find_form(model: ModelFile, tied: str, trust_times: bool) -> Path | None:
    problem: ArchspecError | None = None
    for find in (_find_named, _find_renamed, _find_linked):
        try:
            found = find(model, tied, trust_times)
        except ArchspecError as error:
            problem = problem or error
        else:
            if found is not None:
                return found
    if problem is not None:
        raise problem
    return None


def _find_named(model: ModelFile, tied: str, trust_times: bool) -> Path | None:
    """The form that has the model's name. Raises ArchspecError where it may not be used."""
    beside = place_form(model.path, tied)
    if not os.path.isfile(beside):  # Path's own raises on names that are too long
        return None
    try:
        _check_form(beside, model, tied, trust_times)
    except ArchspecError as error:
        raise ModelError(describe_unused(beside, model.path, error)) from error
    return beside


def _find_linked(model: ModelFile, tied: str, trust_times: bool) -> Path | None:
    """A form of what a link leads to."""
    if not os.path.islink(model.path):
        return None
    return _find_form(replace(model, path=Path(os.path.realpath(model.path))), tied, trust_times)


def _find_renamed(model: ModelFile, tied: str, trust_times: bool) -> Path | None:
    """A form of the model whose name is not made of the model's. Raises ArchspecError where only its weights are there,
    or a form that is not what was written.

    Names come first: where none in the folder tells of this runtime and processor, no file is read.
    """
    path, content = model.path, model.metadata.get(CONTENT)
    if content is None or OPTIMIZED in model.metadata:
        return None
    names = list_folder(path.parent) or ()
    telling = [beside for beside in names if f".{tied}." in beside.name]
    if not telling:
        return None
    from compiler.onnx_file.companions import name_data
    from compiler.onnx_file.digest import OTHER_HASH, is_content

    weights = [beside for beside in telling if beside.name.endswith(name_data("", content))]
    models = [beside for beside in (names if weights else telling) if beside.suffix == path.suffix]
    forms = [beside for beside in models if _is_form(beside, content, tied)]
    if forms and not is_content(content):
        raise ModelError(describe_unused(forms[0], path, ModelError(f"it {OTHER_HASH}")))
    spoilt: tuple[Path, ArchspecError] | None = None
    for beside in forms:
        try:
            _check_form(beside, model, tied, trust_times)
            return beside
        except OtherModelError:  # is none of this one's concern
            continue
        except ArchspecError as error:
            spoilt = spoilt or (beside, error)
    if spoilt:
        raise ModelError(describe_unused(spoilt[0], path, spoilt[1])) from spoilt[1]
    if weights and not forms:
        problem = ModelError(f"these are weights of an optimized form of {path.name} that is no longer here")
        raise ModelError(describe_unused(weights[0], path, problem))
    return None


def _is_named_after(beside: Path, path: Path) -> bool:
    return beside.name.startswith(f"{path.stem}.{PREFIX}") and beside.suffix == path.suffix


def _is_form(path: Path, content: str, tied: str) -> bool:
    """Tell whether a file says that it is an optimized form of the model of this content, tied to this."""
    facts = _read_facts(path)
    return facts.get(CONTENT) == content and facts.get(OPTIMIZED) == tied


def _read_facts(path: Path) -> dict[str, str]:
    """Read what a model file says of itself; nothing where it is none."""
    try:
        return read_metadata(path)
    except ArchspecError:
        return {}
