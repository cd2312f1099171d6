"""State dicts of others: what is refused, and what a file of anybody's may cost."""

from __future__ import annotations

import os
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from archspec.api import load
from archspec.errors import ArchspecError
from archspec.weights import find_rules, match_weights
from runtime.weights.state_dict import read_state_dict
from tests.support.conversion import build, match, their_state


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}},
        lambda state: {"model": state},
        lambda state: {f"module.{name}": value for name, value in state.items()},
        lambda state: {f"layers.{name}": value for name, value in state.items()},
        lambda state: {"state_dict": {f"module._orig_mod.{name}": value for name, value in state.items()}},
        lambda state: OrderedDict(
            (name, torch.nn.Parameter(v) if v.is_floating_point() else v) for name, v in state.items()
        ),
    ],
)
def test_wrappings_are_taken_away(wrap: Any) -> None:
    found = match(wrap(their_state()))
    found.check()
    for name, array in match(their_state()).read().items():
        np.testing.assert_array_equal(found.read()[name], array)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_float_types_become_float32(dtype: torch.dtype) -> None:
    """Each number is torch's own conversion of it, from both kinds of files."""
    state = {name: value.to(dtype) if value.is_floating_point() else value for name, value in their_state().items()}
    expected = state["head"].float().numpy()
    np.testing.assert_array_equal(match(state).read()["linear_0.weight"], expected)
    save_file(state, "w.safetensors")
    found = match_weights("w.safetensors", build(), find_rules("net.yaml", load("net.yaml").params)).read()
    np.testing.assert_array_equal(found["linear_0.weight"], expected)


@pytest.mark.usefixtures("folder")
def test_doubles_are_rounded_aloud(caplog: pytest.LogCaptureFixture) -> None:
    match({name: value.double() for name, value in their_state().items()}).read()
    assert caplog.messages == []  # float32 holds these
    match(their_state() | {"head_bias": torch.full((5,), 0.1, dtype=torch.float64)}).read()
    assert caplog.messages == ["weights of 64 bits are rounded to float32: head_bias"]


@pytest.mark.usefixtures("folder")
def test_files_of_old_torch_are_read() -> None:
    torch.save(their_state(), "old.pth", _use_new_zipfile_serialization=False)
    stored, _ = read_state_dict("old.pth")
    np.testing.assert_array_equal(stored["head"].read(), their_state()["head"].numpy())


def sparse() -> torch.Tensor:
    return torch.sparse_coo_tensor(torch.tensor([[0]]), torch.tensor([1.0]), (10**12,), check_invariants=True)


class Code:
    def __reduce__(self) -> Any:
        return (os.system, ("exit 1",))


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"x": torch.zeros(1).expand(10**12)}, "'x' claims 1,000,000,000,000 numbers, of which 1 are stored"),
        ({"x": torch.zeros(3, device="meta")}, "weights are plain tensors"),
        ({"x": sparse()}, "weights are plain tensors"),
        ({"x": 3}, "'x' is a int, not a tensor"),
        ({3: torch.zeros(1)}, "names should be strings, found '3'"),
        ([torch.zeros(1)], "holds a list, not a state dict"),
        ({}, "holds no tensors"),
        ({"x": Code()}, r"names (posix|nt)\.system, and no code of a file is run"),
        ({"state_dict": {"state_dict": {"state_dict": {"x": 1}}}}, "'state_dict' is a dict, not a tensor"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_what_is_no_state_dict_is_refused(state: Any, message: str, zipped: bool) -> None:
    torch.save(state, "w.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ArchspecError, match=message):
        read_state_dict("w.pth")


@pytest.mark.usefixtures("folder")
def test_a_state_dict_that_holds_itself_ends() -> None:
    state: dict[str, Any] = {"x": torch.zeros(1)}
    state["state_dict"] = state
    torch.save(state, "w.pth")
    with pytest.raises(ArchspecError, match="not a tensor"):
        read_state_dict("w.pth")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kept", [0, 5, 100, 1000, -1])
def test_a_file_that_is_cut_off_is_refused(zipped: bool, kept: int) -> None:
    torch.save(their_state(), "w.pth", _use_new_zipfile_serialization=zipped)
    Path("w.pth").write_bytes(Path("w.pth").read_bytes()[:kept])
    with pytest.raises(ArchspecError, match=r"w\.pth"):
        read_state_dict("w.pth")


@pytest.mark.usefixtures("folder")
def test_a_safetensors_file_that_is_cut_off_is_refused() -> None:
    save_file(their_state(), "w.safetensors")
    Path("w.safetensors").write_bytes(Path("w.safetensors").read_bytes()[:-1])
    with pytest.raises(ArchspecError, match="not a safetensors file of weights, or it is cut off"):
        read_state_dict("w.safetensors")


@pytest.mark.usefixtures("folder")
def test_a_compressed_archive_is_refused() -> None:
    """Ten megabytes of zeros in a few kilobytes: torch would unpack them."""
    torch.save({"x": torch.zeros(2_500_000)}, "w.pth")
    with zipfile.ZipFile("w.pth") as plain, zipfile.ZipFile("small.pth", "w", zipfile.ZIP_DEFLATED) as small:
        for record in plain.infolist():
            small.writestr(record.filename, plain.read(record))
    with pytest.raises(ArchspecError, match="more than it has"):
        read_state_dict("small.pth")


@pytest.mark.usefixtures("folder")
def test_numbers_that_float32_lacks_are_refused() -> None:
    for value in (float("nan"), float("inf")):
        with pytest.raises(ArchspecError, match="'head_bias' holds infinite numbers or NaN"):
            match(their_state() | {"head_bias": torch.full((5,), value)}).read()
    with pytest.raises(ArchspecError, match=r"'head_bias' holds 1e\+300, which is infinite in float32"):
        match(their_state() | {"head_bias": torch.full((5,), 1e300, dtype=torch.float64)}).read()
    with pytest.raises(ArchspecError, match=r"'head_bias' is of type int64, and weights"):
        match(their_state() | {"head_bias": torch.zeros(5, dtype=torch.int64)}).read()
