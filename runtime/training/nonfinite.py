"""The place in a network where numbers first stop being finite, and the images that brought it about."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from archspec.errors import InputError
from archspec.extras import extra
from archspec.wording import list_some
from compiler.torch_target.module import NODE

with extra("train"):
    import torch
    from torch import Tensor, fx, nn


class DivergedError(InputError):
    """A number of a training is not finite any more: the same steps would come to the same again."""


MAX_NAMED = 3
"""The largest number of images that are named."""


@dataclass(frozen=True, slots=True)
class NonfinitePlace:
    """The first node, in the order of the graph, whose output is not finite, in words; and the rows of the batch in
    which it is not, where it has one for each image."""

    node: str
    rows: tuple[int, ...]

    def describe(self, names: Sequence[str]) -> str:
        """Say it in words; `names` are those of the batch's images."""
        some = list_some(names, MAX_NAMED, ", ")
        shown = list_some([names[row] for row in self.rows], MAX_NAMED, ", ")
        of = f", for {len(self.rows)} of {len(names)} images ({shown})" if self.rows else f", with {some}"
        return f"the first that is not finite is {self.node}{of}"


def find_nonfinite(module: nn.Module, images: Tensor, prepare: Callable[[], object]) -> NonfinitePlace | None:
    """Run a copy of the module on images (N, ...) once more, and look at what each node gives; None where all is
    finite. `prepare` is called before, to draw the same random numbers again."""
    if not bool(torch.isfinite(images).all()):
        return NonfinitePlace("the images", _find_rows(images))
    module, watch = copy.deepcopy(module), _Watch()
    prepare()
    with torch.no_grad():
        if isinstance(module, fx.GraphModule):
            _Follower(module, watch).run(images)
        else:
            _follow_modules(module, images, watch)
    return watch.worse or watch.first


class _Watch:
    """The first value that is not finite, and the first that is NaN or +inf: what is masked out before a softmax is
    -inf, and rightly so."""

    def __init__(self) -> None:
        self.first: NonfinitePlace | None = None
        self.worse: NonfinitePlace | None = None

    def see(self, name: str, found: Any) -> None:
        """Look at what a node gives."""
        for value in _list_tensors(found) if self.worse is None else ():
            if not bool(torch.isfinite(value).all()):
                place = NonfinitePlace(f"'{name}'", _find_rows(value))
                self.first = self.first or place
                if bool((torch.isnan(value) | (value == torch.inf)).any()):
                    self.worse = self.worse or place


class _Follower(fx.Interpreter):
    """Runs a spec's module node by node. A node that torch computes in several parts has its name for the last of them,
    and those before have the name of what comes of them."""

    def __init__(self, module: fx.GraphModule, watch: _Watch) -> None:
        super().__init__(module)
        self.watch = watch

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n.op != "output":
            self.watch.see(_name_node(n), result)
        return result


def _name_node(node: fx.Node) -> str:
    while NODE not in node.meta and node.users:
        node = next(iter(node.users))
    return str(node.meta.get(NODE, node.name))


def _follow_modules(module: nn.Module, images: Tensor, watch: _Watch) -> None:
    """Run any other module, and look at what its innermost modules give, in the order in which they are called, and at
    its outputs; of one that calls another (`called_module`) with its own weights, at what the nodes of that give."""
    computing = getattr(module, "called_module", None)
    for name, part in _list_innermost(module) if computing is None else _list_parts(computing):
        part.register_forward_hook(lambda part, inputs, result, name=name: watch.see(name, result))
    watch.see("output", module(images))


def _list_innermost(module: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(name, part) for name, part in module.named_modules() if not any(part.children())]


def _list_parts(module: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(name, part) for name, part in module.named_modules() if part is not module]


def _find_rows(value: Tensor) -> tuple[int, ...]:
    """The images for which a value is not finite; none where it has no row for each."""
    if value.ndim < 2:
        return ()
    return tuple(torch.isfinite(value.flatten(1)).all(1).logical_not().nonzero().ravel().tolist())


def _list_tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor) and value.is_floating_point():
        yield value
    elif isinstance(value, dict):
        yield from (tensor for item in value.values() for tensor in _list_tensors(item))
    elif isinstance(value, list | tuple):
        yield from (tensor for item in value for tensor in _list_tensors(item))
