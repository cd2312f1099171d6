"""The processes that train one network together, as the loop sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

from archspec.arrays import Float64Array
from archspec.extras import extra

with extra("train"):
    from torch import Tensor, nn

Sum = TypeVar("Sum", Float64Array, Tensor)


@dataclass(frozen=True, slots=True)
class Ranks:
    """One process of those that train together: its number, from 0 on, and how many there are. This class is that of a
    process which trains alone."""

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """True for the one process that writes files and speaks to the user."""
        return self.rank == 0

    @property
    def here(self) -> int:
        """The number of these processes on this machine."""
        return 1

    def add_up(self, counts: Sum) -> Sum:
        """Add up the counts of all processes: each gets the sum."""
        return counts

    def add_up_slopes(self, values: Tensor) -> Tensor:
        """Add up tensors of all processes, whose gradients are added up likewise."""
        return values

    def least(self, count: int) -> int:
        """Find the least count of any process."""
        return count

    def agree(self, wanted: bool) -> bool:
        """Tell whether any process wants something: each gets the same answer."""
        return wanted

    def share_text(self, text: str, source: int = 0) -> str:
        """Give all processes the text of one, the first where no other is named; what others say goes by unheard."""
        return text

    def share_buffers(self, module: nn.Module, average: Mapping[str, Tensor] | None = None) -> None:
        """Give all processes the first one's buffers, such as BatchNorm's statistics, and what it has in a moving
        average of these."""

    def wrap(self, module: nn.Module) -> Callable[..., Any]:
        """Give a form of a module whose gradients are the mean over all processes."""
        return module

    def collecting(self, forward: Callable[..., Any]) -> AbstractContextManager[None]:
        """Leave the gradients of the block to be averaged with those of the next part of the step."""
        return nullcontext()

    def wait(self) -> None:
        """Wait until all processes are here."""
