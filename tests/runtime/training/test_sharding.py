"""Weights that are shared out among processes are learned as whole ones are, and each process has its part alone."""

from __future__ import annotations

import json
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn
from torch.distributed.tensor import DTensor

from archspec.api import load
from archspec.errors import InputError
from compiler.elaborate.elaborate import elaborate
from compiler.torch_target.module import lower
from runtime.data.batches import mix_seed
from runtime.training.distributed import RANK, joining
from runtime.training.drop_ramp import DropRamp
from runtime.training.manifest import Manifest
from runtime.training.ranks import Ranks
from runtime.training.roles import find_roles
from runtime.training.sharding import ShardedWeights, list_blocks
from runtime.training.step import StepTaker
from runtime.training.training_run import PreparedTraining, TrainingChoices, train_network
from tests.support.killed_training import compare, make_images, read_result
from tests.support.metrics import read_metrics
from tests.support.together import Kill, read_task, run_together, train_together, write_task

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

RECIPE: dict[str, Any] = {
    "steps": 8,
    "batch": 15,
    "evaluate_every": 4,
    "checkpoint_every": 3,
    "ema": 0.9,
    "optimizer": {"name": "adamw", "lr": 0.01},
    "threads": 1,
}
BLOCK = {"residual": {"body": [{"conv": 8}, "norm", "relu", {"dropout": 0.2}, {"conv": 8}, "norm"]}}
NETWORK: list[Any] = [{"conv": 8}, "norm", "relu", BLOCK, "relu", BLOCK, "relu", "flatten", {"linear": 3}]
SUMS = {"steps": 4, "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9}, "clip": 0.1, "accumulate": 3}


@pytest.fixture(scope="module")
def shared_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_task(tmp_path_factory.mktemp("shared_out") / "run", NETWORK, RECIPE | {"fsdp": True})
    assert train_together(folder) == [0, 0]
    return folder


def read_tensors(folder: Path) -> dict[str, Any]:
    """All tensors of a run's checkpoints: weights, statistics, moving averages, momenta."""
    return {name: value for name, value in read_result(folder).items() if ".safetensors" in name}


def test_weights_are_those_of_whole_ones_bit_for_bit(shared_out: Path, tmp_path: Path) -> None:
    """All that checkpoints hold, by name, and the weights for inference; the control is another seed."""
    found = read_tensors(shared_out)
    whole = write_task(tmp_path / "whole" / "run", NETWORK, RECIPE)
    assert train_together(whole) == [0, 0]
    assert compare(found, read_tensors(whole)) == []
    assert any("running_var" in name for name in found)
    assert any("exp_avg_sq" in name for name in found)
    ours, theirs = (load_file(folder / "weights.safetensors") for folder in (shared_out, whole))
    assert {name: value.tobytes() for name, value in ours.items()} == {k: v.tobytes() for k, v in theirs.items()}
    other = write_task(tmp_path / "other" / "run", NETWORK, RECIPE | {"seed": 1})
    assert train_together(other) == [0, 0]
    assert len(compare(read_tensors(other), found)) > len(found) / 2


def test_sums_over_shares_are_those_of_whole_ones(tmp_path: Path) -> None:
    """The gradient's norm, by which it is clipped, and the sum of a step's parts, but for rounding; the control clips
    less."""
    found = {}
    for name, more in (("whole", {}), ("shared", {"fsdp": True}), ("other", {"clip": 0.2})):
        folder = write_task(tmp_path / name / "run", NETWORK, RECIPE | SUMS | more)
        assert train_together(folder) == [0, 0]
        rows = [row for row in read_metrics(folder / "metrics.jsonl") if row["kind"] == "step"]
        figures = [(row["loss"], row["gradient_norm"], row["update_ratio"]) for row in rows]
        found[name] = np.array(figures, float), load_file(folder / "weights.safetensors")
    np.testing.assert_allclose(found["shared"][0], found["whole"][0], rtol=1e-4)
    assert not np.allclose(found["other"][0], found["whole"][0], rtol=1e-2)
    for name, value in found["whole"][1].items():
        np.testing.assert_allclose(found["shared"][1][name], value, rtol=1e-4, atol=1e-5)


def test_processes_that_are_killed_end_the_same(shared_out: Path, tmp_path: Path) -> None:
    """One is killed in its fifth step, the other while it saves; the checkpoints are those of whole weights."""
    killed, resume = write_task(tmp_path / "run", NETWORK, RECIPE | {"fsdp": True}), "never"
    for kill in (Kill(1, 5), Kill(0, 60)):
        codes = train_together(killed, resume, kill)
        assert codes[kill.rank] == -signal.SIGKILL
        assert codes[1 - kill.rank] == 1, "it says that the other has ended"
        assert (killed / "checkpoints" / "manifest.json").exists()
        resume = "auto"
    assert train_together(killed, resume) == [0, 0]
    assert compare(read_result(killed), read_result(shared_out)) == []


def count_bytes(folder: str) -> None:
    """Take two steps, and write down how many bytes of what this process has, and which weights are whole while the
    second block computes."""
    spec, recipe = read_task(folder)
    with joining() as ranks:
        prepared = PreparedTraining.prepare(spec, make_images(), recipe, TrainingChoices(), ranks)
        parts = prepared.make_ground(recipe, ranks).assemble(
            prepared.module, recipe, DropRamp(prepared.module, wanted=False)
        )
        module, state, whole = prepared.module, parts.state, set[str]()

        def look(*_: object) -> None:
            own = {name: weight for name, weight in module.named_parameters() if not isinstance(weight, DTensor)}
            whole.update(name.rpartition(".")[0] for name in own)

        module.get_submodule("residual_1.body.norm_0").register_forward_hook(look)
        with parts.open_loader(0) as loader:
            for step, batch in zip(range(2), loader, strict=False):
                parts.taker.take(batch, 0.01, partial(mix_seed, step), measured=True)
        assert state.average is not None
        momenta = [value for kept in state.optimizer.state.values() for value in kept.values() if value.ndim]
        held: dict[str, list[Any]] = {
            "weights": list(module.parameters()),
            "gradients": [weight.grad for weight in module.parameters()],
            "momenta": momenta,
            "average": [value for name, value in state.average.average.items() if "running" not in name and value.ndim],
        }
        found: dict[str, Any] = {name: measure(values) for name, values in held.items()}
        text = json.dumps(found | {"whole": sorted(whole)})
        Path(folder).with_name(f"held_{ranks.rank}.json").write_text(text, encoding="utf-8")


def measure(tensors: list[Any]) -> int:
    """The bytes that they have in this process, of which several may be parts of one piece."""
    local = [values.to_local() if isinstance(values, DTensor) else values for values in tensors]
    return sum({part.untyped_storage().data_ptr(): part.untyped_storage().nbytes() for part in local}.values())


@pytest.mark.parametrize("fsdp", [True, False])
def test_each_process_holds_its_part(tmp_path: Path, fsdp: bool) -> None:
    """Of weights, gradients, momenta and average; the control are processes with whole weights."""
    folder = write_task(tmp_path / "run", NETWORK, RECIPE | {"fsdp": fsdp})
    assert run_together(count_bytes, folder) == [0, 0]
    found = [json.loads(folder.with_name(f"held_{rank}.json").read_text(encoding="utf-8")) for rank in range(2)]
    numbers = sum(weight.numel() for weight in lower(elaborate(read_task(str(folder))[0])).parameters())
    for kind, times in (("weights", 4), ("gradients", 4), ("momenta", 8), ("average", 4)):
        held = [row[kind] for row in found]
        share = max(held) / (times * numbers)
        assert (0.5 <= share < 0.53) if fsdp else (share == 1), (kind, held)
        assert (1 <= sum(held) / (times * numbers) < 1.06) if fsdp else (sum(held) == 2 * times * numbers)
    block = {f"residual_1.body.{name}" for name in ("conv_0", "norm_0", "conv_1", "norm_1")}
    outside = {"conv_0", "norm_0", "linear_0"}
    assert set(found[0]["whole"]) == block | outside | (
        set() if fsdp else {name.replace("1", "0", 1) for name in block}
    )


def spoil_a_batch(folder: str) -> None:
    """Train on images of which the second process's are not finite in the third step; write down what is said then."""
    steps, prepare = 0, StepTaker._prepare

    def spoil(taker: StepTaker, *given: Any) -> Any:
        nonlocal steps
        steps += 1
        images, targets = prepare(taker, *given)
        return images * (torch.nan if (steps, taker.ranks.rank) == (3, 1) else 1), targets

    StepTaker._prepare = spoil  # type: ignore[method-assign,assignment]
    spec, recipe = read_task(folder)
    with pytest.raises(InputError) as error:
        train_network(spec, make_images(), recipe, folder, TrainingChoices(), ())
    Path(folder).with_name(f"said_{os.environ[RANK]}.txt").write_text(str(error.value), encoding="utf-8")


def test_a_loss_that_is_not_finite_ends_all(tmp_path: Path) -> None:
    """It is that of one process; all search for where it came from, with whole weights, and save what was before."""
    folder = write_task(tmp_path / "run", NETWORK, RECIPE | {"fsdp": True})
    assert run_together(spoil_a_batch, folder) == [0, 0]
    said = [folder.with_name(f"said_{rank}.txt").read_text(encoding="utf-8") for rank in range(2)]
    found = "the loss became nan at step 3 of 8 (epoch 1): the first that is not finite is the images"
    assert said[0].startswith(found)
    assert said[1] == said[0], "whichever process says it"
    last = Manifest.read(folder / "checkpoints").last
    assert last is not None
    assert last.step == 2


def test_blocks_are_found_in_the_flow() -> None:
    graph = elaborate(load("resnet20"))
    blocks = list_blocks(lower(graph), find_roles(graph))
    assert len(blocks) == 9
    assert sum(len(block) for block in blocks) == 9 * 4
    assert list_blocks(nn.Sequential(nn.Linear(2, 2)), {}) == []


def test_a_weight_that_is_one_number_is_refused() -> None:
    module = nn.Module()
    module.gain = nn.Parameter(torch.ones(()))
    with pytest.raises(InputError, match="cuts weights along their first axis, and 'gain' has none"):
        ShardedWeights(module, {}, Ranks(0, 2))
