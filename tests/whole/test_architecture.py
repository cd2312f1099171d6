"""The promises about the project's own structure: the public surface, what an import brings in, missing extras."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import archspec
from archspec import api

ROOT = Path(__file__).parents[2]
PUBLIC = {
    *("load", "elaborate", "analyze", "check", "to_torch", "to_onnx", "Session", "Spec", "Report"),
    *("Dataset", "Preprocess", "Recipe", "TrainingCallback"),
    *("ArchspecError", "InputError", "ModelError", "RuntimeFailure", "SpecError", "MissingExtra", "Diagnostic"),
    *("list_zoo", "list_blocks", "open_network", "accepted_sizes", "largest_batch", "compare_choices", "proof_cases"),
    *("measure_signal", "measure_path_gradient", "train", "evaluate", "verify_model"),
    *("read_weights", "find_rules", "match_weights", "write_converted", "combine_weights", "sample_ensemble"),
}


def test_the_public_names_are_these() -> None:
    assert set(archspec.__all__) == PUBLIC
    assert all(getattr(archspec, name) for name in PUBLIC)
    assert set(api.__all__) < PUBLIC
    assert archspec.to_onnx is api.to_onnx


def test_import_brings_in_nothing_heavy() -> None:
    heavy = ("pydantic", "networkx", "torch", "onnx", "yaml")
    code = f"import archspec, sys; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("blocked", "code", "extra"),
    [
        ("torch", "archspec.to_torch(archspec.elaborate(archspec.load('residual_mlp')))", "train"),
        ("onnx", "archspec.to_onnx(archspec.elaborate(archspec.load('residual_mlp')), {}, 'x.onnx')", "run"),
        ("onnxruntime", "archspec.Session('x.onnx')", "run"),
        ("sklearn", "from runtime.data.digits import load_digits; load_digits()", "train"),
    ],
)
def test_a_missing_extra_is_named_in_one_line(blocked: str, code: str, extra: str, tmp_path: Path) -> None:
    """The package is hidden from a fresh process, as if it had not been installed."""
    hide = f"""
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hide())
import archspec
try:
    {code}
except archspec.MissingExtra as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{blocked} is not installed; run: pip install 'archspec-compiler[{extra}]'"


def test_analysis_needs_no_extra(tmp_path: Path) -> None:
    code = """
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "onnx", "onnxruntime", "safetensors", "PIL", "sklearn"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Hide())
import archspec
print(archspec.analyze(archspec.elaborate(archspec.load("resnet50"))).cost.parameters)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "25557032"


def test_every_module_has_its_layer() -> None:
    """A module that stands in no import contract would be checked by none."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    text = " ".join(entry for contract in contracts for entry in contract.get("layers", []))
    layered = set(re.findall(r"[\w.]+", text))
    children = {
        f"{package}.{path.stem}"
        for package in ("archspec", "compiler")
        for path in (ROOT / package).iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    outside = {"archspec.__init__", "archspec.__main__", "compiler.__init__"}
    assert children - outside <= layered


def test_files_fit_in_the_head() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for package in ("archspec", "compiler", "runtime")
        for path in (ROOT / package).rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 450
    }
    assert long == {}


@pytest.mark.parametrize("word", ["eval(", "exec(", "pickle", "__import__", "urllib", "requests"])
def test_no_code_is_run_and_nothing_is_fetched(word: str) -> None:
    """In the packages' own code; `.eval()` is torch's mode, and comments may name what is not done."""
    for package in ("archspec", "compiler", "runtime"):
        for path in (ROOT / package).rglob("*.py"):
            for line in path.read_text(encoding="utf-8").splitlines():
                code = line.partition("#")[0]
                if word in code and not re.search(r"\.eval\(\)|allow_pickle=False|never `eval`", code):
                    raise AssertionError(f"{path}: {line}")
