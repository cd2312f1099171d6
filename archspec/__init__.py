"""archspec: network architectures as data; analysed, trained in torch, run in ONNX Runtime.

The names below are loaded when they are first used, so that `import archspec` brings in nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archspec.telemetry import turn_off

if TYPE_CHECKING:
    from archspec.api import (
        accepted_sizes,
        analyze,
        check,
        compare_choices,
        elaborate,
        evaluate,
        largest_batch,
        load,
        measure_path_gradient,
        measure_signal,
        open_network,
        proof_cases,
        to_onnx,
        to_torch,
        train,
        verify_model,
    )
    from archspec.errors import (
        ArchspecError,
        Diagnostic,
        InputError,
        MissingExtra,
        ModelError,
        RuntimeFailure,
        SpecError,
    )
    from archspec.libraries import list_blocks
    from archspec.spec.spec import Spec
    from archspec.weights import (
        combine_weights,
        find_rules,
        match_weights,
        read_weights,
        sample_ensemble,
        write_converted,
    )
    from archspec.zoo import list_zoo
    from compiler.analysis.report import Report
    from runtime.data.dataset import Dataset
    from runtime.pictures.preprocess import Preprocess
    from runtime.recipes.recipe import Recipe
    from runtime.session.session import Session
    from runtime.training.callbacks import TrainingCallback

__version__ = "0.1.0"
__all__ = [
    "ArchspecError",
    "Dataset",
    "Diagnostic",
    "InputError",
    "MissingExtra",
    "ModelError",
    "Preprocess",
    "Recipe",
    "Report",
    "RuntimeFailure",
    "Session",
    "Spec",
    "SpecError",
    "TrainingCallback",
    "accepted_sizes",
    "analyze",
    "check",
    "combine_weights",
    "compare_choices",
    "elaborate",
    "evaluate",
    "find_rules",
    "largest_batch",
    "list_blocks",
    "list_zoo",
    "load",
    "match_weights",
    "measure_path_gradient",
    "measure_signal",
    "open_network",
    "proof_cases",
    "read_weights",
    "sample_ensemble",
    "to_onnx",
    "to_torch",
    "train",
    "verify_model",
    "write_converted",
]

_ERRORS = ("ArchspecError", "Diagnostic", "InputError", "MissingExtra", "ModelError", "RuntimeFailure", "SpecError")
_HOMES = dict.fromkeys(_ERRORS, "archspec.errors")
_WEIGHTS = ("combine_weights", "find_rules", "match_weights", "read_weights", "sample_ensemble", "write_converted")
_HOMES |= dict.fromkeys(_WEIGHTS, "archspec.weights")
_HOMES |= {"Session": "runtime.session.session", "list_blocks": "archspec.libraries", "list_zoo": "archspec.zoo"}
_HOMES |= {"Dataset": "runtime.data.dataset", "Recipe": "runtime.recipes.recipe"}
_HOMES |= {"Preprocess": "runtime.pictures.preprocess"}
_HOMES |= {"TrainingCallback": "runtime.training.callbacks"}
_HOMES |= {"Report": "compiler.analysis.report", "Spec": "archspec.spec.load"}


def _refuse_shadowed() -> None:
    """Refuse at once, since `compiler` and `runtime` are common names, where another module of that name comes
    first."""
    here = Path(__file__).resolve().parent.parent
    for name in ("compiler", "runtime"):
        found = find_spec(name)
        origin = found.origin if found and found.origin else None
        if origin is None or Path(origin).resolve().parent != here / name:
            where = origin or next(iter(found.submodule_search_locations or ()), "nowhere") if found else "nowhere"
            raise ImportError(f"archspec needs its own package '{name}', but another one comes first: {where}")


_refuse_shadowed()
turn_off()


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'archspec' has no attribute '{name}'")
    return getattr(import_module(_HOMES.get(name, "archspec.api")), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
