"""The answers that several analyses need of one graph, each computed when it is first asked for, and once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from compiler.graph import Graph

if TYPE_CHECKING:
    from compiler.analysis.cost.cost import Cost
    from compiler.analysis.field.receptive_field import ReceptiveField
    from compiler.analysis.signal.signal import Signal


@dataclass(frozen=True)
class AnalysisCache:
    """A graph, and what is known of it by now. An analysis is imported when it is asked for, since most callers want
    few."""

    graph: Graph

    @cached_property
    def cost(self) -> Cost:
        from compiler.analysis.cost.cost import measure_cost

        return measure_cost(self.graph)

    @cached_property
    def receptive_field(self) -> ReceptiveField:
        from compiler.analysis.field.receptive_field import measure_receptive_field

        return measure_receptive_field(self.graph)

    @cached_property
    def signal(self) -> Signal:
        from compiler.analysis.signal.signal import predict_signal

        return predict_signal(self.graph)
