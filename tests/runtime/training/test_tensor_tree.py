"""Nested states survive JSON and a file of tensors, and nothing else is taken for one."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from archspec.errors import ModelError
from runtime.training.tensor_tree import join_tree, split_tree

NUMBERS = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = NUMBERS | st.text(max_size=5) | st.integers(0, 3).map(lambda size: torch.arange(size))
KEYS = st.text("ab.", min_size=1, max_size=4)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(KEYS, inner),
    max_leaves=8,
)


def same(first: Any, second: Any) -> bool:
    if isinstance(first, Tensor) or isinstance(second, Tensor):
        return isinstance(first, Tensor) and isinstance(second, Tensor) and torch.equal(first, second)
    if type(first) is not type(second):
        return False
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), TREES))
def test_a_state_is_what_it_was(tree: dict[str, Any]) -> None:
    written, tensors = split_tree(tree)
    names = str(written).count("'tensor'")
    if names == len(tensors):  # keys with points may give two tensors one name, which no weights have
        assert same(join_tree(json.loads(json.dumps(written)), tensors), tree)


def test_the_state_of_torchs_optimizers_is_what_it_was() -> None:
    """Tensors, numbers, None and tuples, as AdamW has them; another number is the control."""
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([weight], betas=(0.8, 0.9))
    weight.sum().backward()
    optimizer.step()
    state = optimizer.state_dict()
    named = {"state": {"w": state["state"][0]}, "param_groups": state["param_groups"]}
    written, tensors = split_tree(named)
    assert set(tensors) == {"state.w.step", "state.w.exp_avg", "state.w.exp_avg_sq"}
    found = join_tree(json.loads(json.dumps(written)), tensors)
    assert same(found, named)
    found["param_groups"][0]["lr"] += 1
    assert not same(found, named)


@pytest.mark.parametrize("tree", [{1: 2}, {"tensor": 1}, {"a": {3}}, {"a": object()}])
def test_what_no_file_can_hold_is_refused(tree: Any) -> None:
    with pytest.raises(TypeError, match="a state h"):
        split_tree(tree)


def test_a_tensor_that_is_missing_is_named() -> None:
    with pytest.raises(ModelError, match=r"names the tensor 'state.w', which is not there"):
        join_tree({"a": {"tensor": "state.w"}}, {})
    deep: Any = 1
    for _ in range(20):
        deep = [deep]
    with pytest.raises(ModelError, match="nested too deep"):
        join_tree(deep, {})
