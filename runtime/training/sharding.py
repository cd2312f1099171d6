"""Weights that are shared out among the processes of a training, by torch's FSDP2."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from archspec.errors import InputError
from archspec.extras import extra
from runtime.training.ranks import Ranks
from runtime.training.roles import WeightRole
from runtime.training.weight_storage import WeightStorage

with extra("train"):
    import torch
    from torch import Tensor, fx, nn
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import DTensor, distribute_tensor

    from compiler.torch_target.modes import device_of


class ShardedWeights(WeightStorage):
    """The weights of a module, each cut along its first axis into a part for each process; gradients, momenta and
    moving averages likewise.

    The weights of a residual block are gathered before its first layer and are gone behind its last, in the gradient
    again; what stands outside of blocks is gathered for the whole of a step's part. `roles` say which block a weight
    lies in. Raises InputError where a weight has no axis.
    """

    def __init__(self, module: nn.Module, roles: Mapping[str, WeightRole], ranks: Ranks) -> None:
        for name, weight in module.named_parameters():
            if not weight.ndim:
                raise InputError(
                    f"fsdp: true cuts weights along their first axis, and '{name}' has none, since it is one number: "
                    "leave it out (--set fsdp=false)"
                )
        self.module, self.ranks, self.device = module, ranks, device_of(module)
        empty = {
            id(weight): nn.Parameter(torch.empty_like(weight, device="meta"), weight.requires_grad)
            for weight in module.parameters()
        }
        self.form = copy.deepcopy(module, empty)  # with these for the weights: it takes no memory
        mesh = init_device_mesh(self.device.type, (ranks.size,))
        for block in list_blocks(module, roles):
            fully_shard(block, mesh=mesh)
        fully_shard(module, mesh=mesh)

    def wrap(self, module: nn.Module, ranks: Ranks) -> Callable[..., Any]:
        """Give the module, whose gradients are the mean over all processes."""

        def run(images: Tensor) -> Any:
            with warnings.catch_warnings():
                # torch warns of results that are views, for the case that these are changed in place: none is
                warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view", UserWarning)
                return module(images)

        return run

    def gather(self, values: Tensor) -> Tensor:
        """Give the whole of a tensor that lies as weights do, in each process."""
        return values.full_tensor() if isinstance(values, DTensor) else values

    def collect(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Give tensors whole, on the CPU, to the main process, one after the other; the others get none."""
        found = {}
        for name, values in tensors.items():
            whole = self.gather(values)
            if self.ranks.is_main:
                found[name] = whole.cpu()
        return found

    def lay(self, values: Tensor, like: Tensor) -> Tensor:
        """Give this process its part of whole values."""
        if not isinstance(like, DTensor):
            return super().lay(values, like)
        part = distribute_tensor(values.to(like.device), like.device_mesh, like.placements, src_data_rank=None)
        return super().lay(part, like)

    @contextmanager
    def computing(self, module: nn.Module, weights: Mapping[str, Tensor] | None = None) -> Iterator[nn.Module]:
        """Give a module of whole weights, which is there for as long as the block: the weights, or others by the same
        names."""
        whole: nn.Module = copy.deepcopy(self.form)
        found = module.state_dict() if weights is None else weights
        whole.load_state_dict({name: self.gather(value).to(self.device) for name, value in found.items()}, assign=True)
        for part, own in zip(whole.modules(), module.modules(), strict=True):
            part.training = own.training
            if hasattr(own, "progress"):
                part.progress = own.progress
        yield whole


def list_blocks(module: nn.Module, roles: Mapping[str, WeightRole]) -> list[list[nn.Module]]:
    """List the layers with weights of each residual block that lies in one piece: without those that compute more than
    once in a step, since they belong to several places."""
    if not isinstance(module, fx.GraphModule):
        return []
    calls = [str(node.target) for node in module.graph.nodes if node.op == "call_module"]
    blocks: dict[str, list[nn.Module]] = {}
    for path in dict.fromkeys(calls):
        layer = module.get_submodule(path)
        names = [f"{path}.{name}" for name, _ in layer.named_parameters()]
        block = roles[names[0]].block if names and names[0] in roles else None
        if block is not None and calls.count(path) == 1:
            blocks.setdefault(block, []).append(layer)
    return list(blocks.values())
