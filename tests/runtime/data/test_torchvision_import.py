"""torchvision's Python code beside a build of torch with which its compiled part does not load."""

from __future__ import annotations

import inspect
import subprocess
import sys
import types

import pytest
import torch

from archspec.errors import MissingExtra
from runtime.data import torchvision_import
from runtime.data.torchvision_import import SCHEMAS, import_torchvision
from tests.support.without import ROOT, run_without


def test_the_transforms_are_imported_in_a_process_that_warns_of_nothing() -> None:
    """The control: by itself the same import fails beside this torch, if its wheel is for another one."""
    alone = "import torchvision\nprint('loads')"
    ours = (
        "from runtime.data.torchvision_import import import_torchvision\n"
        "v2 = import_torchvision('torchvision.transforms.v2')\n"
        "tv_tensors = import_torchvision('torchvision.tv_tensors')\n"
        "import torch\n"
        "print(v2.RandomHorizontalFlip(1.0)(torch.arange(3).view(1, 1, 3)).tolist(), tv_tensors.Mask.__name__)"
    )
    by_itself = subprocess.run([sys.executable, "-c", alone], capture_output=True, text=True, cwd=ROOT, timeout=120)
    if by_itself.returncode:
        assert "operator torchvision::nms does not exist" in by_itself.stderr
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", ours], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert (found.stdout, found.stderr) == ("[[[2, 1, 0]]] Mask\n", "")


def test_all_operators_are_declared_with_the_arguments_that_torchvision_knows() -> None:
    """By its own functions for shapes alone, which stand in Python, and take what the operators take."""
    import_torchvision()
    meta = import_torchvision("torchvision._meta_registrations")
    found = {name.removeprefix("meta_"): function for name, function in vars(meta).items() if name.startswith("meta_")}
    found = {(f"_{name}" if name.endswith("backward") else name): function for name, function in found.items()}
    for schema in SCHEMAS:
        name, given = schema.partition(")")[0].split("(")
        if name in found:
            assert len(given.split(",")) == len(inspect.signature(found.pop(name)).parameters), name
    assert found == {}


def test_an_operator_that_nothing_computes_says_so() -> None:
    import_torchvision()
    if not torchvision_import._DECLARED:
        pytest.skip("torchvision's compiled part loads here")
    assert hasattr(torch.ops.torchvision, "deform_conv2d")
    with pytest.raises((RuntimeError, NotImplementedError)):
        torch.ops.torchvision.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)


def test_another_error_is_raised_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> types.ModuleType:
        raise RuntimeError("something else")

    monkeypatch.setattr("importlib.import_module", fail)
    with pytest.raises(RuntimeError, match=r"^something else$"):
        import_torchvision.__wrapped__("torchvision")


def test_without_torchvision_the_extra_is_named() -> None:
    code = (
        "from archspec.errors import MissingExtra\n"
        "from runtime.data.torchvision_import import import_torchvision\n"
        "try:\n    import_torchvision()\nexcept MissingExtra as error:\n    print(error)"
    )
    assert run_without(["torchvision"], code) == (
        "torchvision is not installed; run: pip install 'archspec-compiler[train]'\n"
    )
    assert issubclass(MissingExtra, Exception)
