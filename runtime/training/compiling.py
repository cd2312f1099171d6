"""The compiled form of a network, by torch.compile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from archspec.errors import InputError
from archspec.extras import extra
from archspec.log import warn
from runtime.doctor import COMPILERS, find_compiler

with extra("train"):
    import torch
    from torch import nn

BACKEND = "inductor"
"""The compiler that torch.compile uses."""


def compile_module(module: nn.Module) -> nn.Module:
    """Give the form of a module, with the same weights, that is compiled when it is first called. Says that this takes
    minutes. Raises InputError where there is no C++ compiler, which torch needs."""
    if find_compiler() is None:
        raise InputError(
            f"compile: true needs a C++ compiler, and there is none ({', '.join(COMPILERS)}): install one, as in "
            "`apt-get install g++`, name yours in the variable CXX, or leave compile out"
        )
    warn("torch.compile: the first step takes from half a minute to several, on few cores longest")
    compiled: Any = torch.compile(module, backend=BACKEND)
    assert isinstance(compiled, nn.Module)
    return compiled


@contextmanager
def telling_of_compiler() -> Iterator[None]:
    """Raise InputError where torch.compile fails in the block."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        said = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise InputError(f"torch.compile cannot compile this network ({said.strip()}): leave compile out") from error
