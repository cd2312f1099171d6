"""A package that is not there is one line that names its extra; importing the package needs none of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.errors import MissingExtra
from archspec.extras import extra
from tests.support.without import run_without

HEAVY = ("torch", "onnx", "onnxruntime", "sklearn", "PIL", "safetensors")


@pytest.mark.parametrize(
    ("missing", "module", "name"),
    [
        ("torch", "runtime.training.loop", "train"),
        ("torch", "runtime.verification.proof.proof", "train"),
        ("onnx", "runtime.session.session", "run"),
        ("onnxruntime", "runtime.session.session", "run"),
        ("onnxruntime", "runtime.evaluation.evaluate", "run"),
        ("PIL", "runtime.prediction.predict", "run"),
    ],
)
def test_a_missing_package_names_its_extra(missing: str, module: str, name: str) -> None:
    code = f"""
from archspec.errors import MissingExtra
try:
    import {module}
except MissingExtra as error:
    print(error)
"""
    assert run_without([missing], code) == f"{missing} is not installed; run: pip install 'archspec-compiler[{name}]'\n"


ARCHSPEC = """
from archspec.cli.main import main
sys.argv = ["archspec", *{words!r}]
sys.stderr = sys.stdout
try:
    main()
except SystemExit as ended:
    print(ended.code)
"""


def test_fresh_weights_are_exported_without_what_reads_files_of_them(tmp_path: Path) -> None:
    """The control: weights of a file need it."""
    model, weights = tmp_path / "me.onnx", tmp_path / "w.safetensors"
    export = ["export", "residual_mlp", "--no-verify", "-o", str(model)]
    assert run_without(["safetensors"], ARCHSPEC.format(words=export)).endswith("\n0\n")
    assert model.stat().st_size > 0
    weights.write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    told = run_without(["safetensors"], ARCHSPEC.format(words=[*export, "--weights", str(weights)]))
    assert told == "error: safetensors is not installed; run: pip install 'archspec-compiler[train]'\n2\n"


@pytest.mark.parametrize("missing", ["torch", "onnx", "onnxruntime", "PIL"])
def test_a_run_that_lacks_its_model_says_so_before_what_evaluating_it_needs(missing: str, tmp_path: Path) -> None:
    """The control: with a model there, the package is asked for."""
    for name in ("spec.yaml", "weights.safetensors"):
        (tmp_path / name).touch()
    evaluate = ARCHSPEC.format(words=["evaluate", str(tmp_path)])
    told = f"error: {tmp_path} has no model.onnx: make it first: archspec export {tmp_path}/spec.yaml "
    assert run_without([missing], evaluate).startswith(told)
    (tmp_path / "model.onnx").touch()
    assert run_without([missing], evaluate).startswith(f"error: {missing} is not installed")


@pytest.mark.parametrize(
    "module", ["runtime", "runtime.doctor", "runtime.session.machine", "runtime.session.sizes", "archspec.strict_json"]
)
def test_these_import_nothing_heavy(module: str) -> None:
    code = f"import {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert run_without([], code) == "[]\n"


def test_other_errors_pass_through() -> None:
    with pytest.raises(ValueError, match="other"), extra("run"):
        raise ValueError("other")
    with pytest.raises(MissingExtra, match=r"no_such_module is not installed; .*\[run\]"), extra("run"):
        import no_such_module.inner  # type: ignore[import-not-found]  # noqa: F401


def test_an_export_that_is_not_proven_loads_neither_the_runtime_nor_what_reads_pictures() -> None:
    """Which would be 19 MB of its memory."""
    code = "import sys, runtime.export.export; print([name for name in ('onnxruntime', 'PIL') if name in sys.modules])"
    assert run_without([], code) == "[]\n"
    assert run_without([], code.replace("runtime.export.export", "runtime.session.session")) != "[]\n"
