"""The gradient by path length: as predicted, as sampled, and as its table and its JSON have it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from archspec.api import elaborate, load, to_torch
from archspec.cli.tables.gradient import print_gradient
from archspec.errors import ArchspecError
from compiler.analysis.paths.gradient import predict_path_gradient
from compiler.graph import Graph
from compiler.torch_target.initialize import generator_for
from runtime.experiments.graded import measure_path_gradient
from tests.support.documents import graph_from
from tests.support.runs import build

BATCH = 4


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The networks are so small that threads wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def chain(folder: Path, blocks: int, body: list[Any]) -> Graph:
    return build(folder, [{"repeat": {"n": blocks, "body": [{"residual": {"body": body}}]}}], [6])


def test_signed_shares_sum_to_one(tmp_path: Path) -> None:
    found = measure_path_gradient(chain(tmp_path, 6, ["relu", {"linear": 6}]), batch=BATCH)
    assert sum(found.shares) == pytest.approx(1, abs=1e-12)
    assert sum(found.energies) == pytest.approx(1, abs=1e-12)
    assert len(found.norms) == len(found.shares) == 7


@pytest.mark.parametrize(
    "body", [["relu", {"linear": 100}], ["batch_norm", "relu", {"linear": 100}]], ids=["plain", "normalized"]
)
def test_54_blocks_are_as_predicted(tmp_path: Path, body: list[Any]) -> None:
    """Plain: the binomial distribution, mean 27. With a normalization first the short paths carry it: mean about 4.8,
    where the law for linear bodies has 3.59; the prediction is for wide layers and large batches."""
    graph = build(tmp_path, [{"repeat": {"n": 54, "body": [{"residual": {"body": body}}]}}], [100])
    predicted, found = predict_path_gradient(graph), measure_path_gradient(graph, batch=256)
    assert found.mean == pytest.approx(predicted.mean, rel=0.08)
    assert found.energies == pytest.approx(predicted.shares, abs=0.03)
    assert abs(found.effective.first - predicted.effective.first) <= 1
    assert abs(found.effective.last - predicted.effective.last) <= 1


def test_residual_mlp_of_54_blocks() -> None:
    found = measure_path_gradient(elaborate(load("residual_mlp", {"blocks": 54})))
    assert found.mean == pytest.approx(27, abs=1)
    assert found.paths is not None
    assert sum(found.paths.values()) == 2**54


def test_a_network_and_its_gradient_follow_from_the_seed(tmp_path: Path) -> None:
    graph = chain(tmp_path, 3, ["relu", {"dropout": 0.5}, {"linear": 6}])
    state = torch.random.get_rng_state()
    first = measure_path_gradient(graph, seed=1, batch=BATCH)
    assert measure_path_gradient(graph, seed=1, batch=BATCH) == first
    assert measure_path_gradient(graph, seed=2, batch=BATCH) != first
    assert torch.equal(torch.random.get_rng_state(), state)


def test_sampling_as_veit_et_al(tmp_path: Path) -> None:
    """Each length has its number of paths times the mean norm of one. At the ends there is one path, whose norm is the
    grade's; between, norms of paths add up to more than the norm of their sum."""
    found = measure_path_gradient(chain(tmp_path, 5, ["tanh", {"linear": 6}]), batch=BATCH, samples=6)
    assert found.sampled is not None
    assert found.sampled[0] == pytest.approx(found.norms[0])
    assert found.sampled[5] == pytest.approx(found.norms[5])
    assert all(many > one for many, one in zip(found.sampled[1:5], found.norms[1:5], strict=True))


def test_paths_are_sampled_of_chains_only() -> None:
    with pytest.raises(ArchspecError, match="chain of blocks, and unet_plus_plus is not"):
        measure_path_gradient(elaborate(load("unet_plus_plus"), {"H": 32, "W": 32}), samples=2)


def test_what_memory_cannot_hold_is_refused() -> None:
    with pytest.raises(ArchspecError, match=r"at batch 512 takes about .* choose smaller inputs"):
        measure_path_gradient(elaborate(load("resnet50")), batch=512)


def test_a_network_without_a_gradient_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match="no gradient of net reaches its inputs"):
        measure_path_gradient(build(tmp_path, [{"scale": 0.0}], [4]))


def test_json_and_the_table_have_both_side_by_side(tmp_path: Path) -> None:
    graph = chain(tmp_path, 3, ["relu", {"linear": 6}])
    found = measure_path_gradient(graph, batch=BATCH, samples=2)
    rows = json.loads(json.dumps(found.to_dict()))["lengths"]
    assert [row.keys() for row in rows] == [{"length", "norm", "energy", "share", "sampled"}] * 4
    text = io.StringIO()
    print_gradient(predict_path_gradient(graph), found, Console(file=text, width=120))
    shown = text.getvalue()
    assert "predicted (an estimate): mean length 1.50" in shown
    assert f"measured (one network, seed 0, batch {BATCH}): mean length {found.mean:.2f}" in shown
    assert "signed share" in shown
    assert f"{found.sampled[1]:.4g}" in shown if found.sampled else False


def test_whole_numbers_give_the_gradient_at_the_rows_that_they_name() -> None:
    """Against autograd, with respect to a batch of rows in the place of what the embedding gives."""
    blocks = {"repeat": {"n": 3, "body": [{"residual": {"body": ["relu", {"conv": {"out": 8, "kernel": 1}}]}}]}}
    document = {"archspec": 1, "inputs": {"ids": {"shape": [1, 16], "type": "int"}}}
    graph = graph_from({**document, "network": [{"embedding": {"rows": 50, "out": 8}}, blocks]})
    found = measure_path_gradient(graph, batch=BATCH)
    assert found.energies == pytest.approx(predict_path_gradient(graph).shares, abs=0.12)
    assert len(found.norms) == 4
    module = to_torch(graph).double()
    ids = torch.randint(50, (BATCH, 1, 16), generator=generator_for(0, "input ids"))
    rows: list[torch.Tensor] = []
    module.get_submodule("embedding_0").register_forward_hook(lambda _, given, result: rows.append(result))
    end = torch.randn(BATCH, 8, 16, generator=generator_for(0, "gradient of output"), dtype=torch.float64)
    result = module(ids)
    (whole,) = torch.autograd.grad(result, rows, end)
    assert sum(share * float(whole.norm()) ** 2 for share in found.shares) == pytest.approx(float(whole.norm()) ** 2)
    assert found.shares[0] * float(whole.norm()) ** 2 == pytest.approx(float((end * whole).sum()))
