"""Weights that training leaves as they are, chosen by patterns of their names."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from archspec.errors import InputError, suggest
from archspec.extras import extra
from compiler.scope_tree import scopes_around

with extra("train"):
    from torch import nn
    from torch.nn.modules.batchnorm import _BatchNorm

GLOB = frozenset("*?[")


@dataclass(frozen=True, eq=False)
class Freezing:
    """The names of what is frozen, buffers among them, and the batch normalizations that keep their statistics."""

    names: frozenset[str]
    still: tuple[nn.Module, ...]

    def hold(self) -> None:
        """Let the frozen batch normalizations use their running statistics, and keep them: needed after every
        `module.train()`."""
        for part in self.still:
            part.eval()


def freeze(module: nn.Module, patterns: Sequence[str]) -> Freezing:
    """Freeze the weights whose names a pattern fits, and say which; all others stay as they are.

    A pattern is a name, the beginning of names up to a point (`repeat_0.i0`), or has `*`, `?` and `[…]`, where `*`
    stands for any characters, points too. A batch normalization of which all weights are frozen keeps its statistics
    as well. Raises InputError where a pattern fits nothing, or nothing is left to train.
    """
    names = [name for name, _ in [*module.named_parameters(), *module.named_buffers()]]
    frozen: set[str] = set()
    for pattern in patterns:
        fitting = list(match_names(pattern, names))
        if not fitting:
            raise InputError(f"freeze: no weight has a name like '{pattern}'{_suggest(pattern, names)}")
        frozen.update(fitting)
    for name, weight in module.named_parameters():
        weight.requires_grad_(weight.requires_grad and name not in frozen)
    if patterns and not any(weight.requires_grad for weight in module.parameters()):
        raise InputError("freeze: these patterns fit every weight, and leave nothing to train")
    norms = [(name, part) for name, part in module.named_modules() if isinstance(part, _BatchNorm)]
    still = tuple(part for name, part in norms if _is_frozen(name, part, frozen))
    return Freezing(frozenset(frozen), still)


def match_names(pattern: str, names: Iterable[str]) -> list[str]:
    """List the names that a pattern fits."""
    if GLOB.isdisjoint(pattern):
        return [name for name in names if name == pattern or name.startswith(f"{pattern}.")]
    return [name for name in names if fnmatch.fnmatchcase(name, pattern)]


def _is_frozen(path: str, part: nn.Module, frozen: set[str]) -> bool:
    """Tell whether all weights of a batch normalization are frozen; of one without, its statistics."""
    own = [name for name, _ in part.named_parameters()] or [name for name, _ in part.named_buffers()]
    return bool(own) and all((f"{path}.{name}" if path else name) in frozen for name in own)


def _suggest(pattern: str, names: Sequence[str]) -> str:
    """Suggest a name, or the beginning of names, that may be meant; else tell some of them."""
    scopes = dict.fromkeys(scope for name in names for scope in scopes_around(name))
    near = suggest(pattern, [*scopes, *names])
    return near or (f"; a name is '{names[0]}'" if names else "; there are no weights")
