"""The command `assert`: conditions on the analysis of a network."""

from __future__ import annotations

from typing import Annotated

import typer

from archspec.bounds import MAX_NODES
from archspec.cli.allowing import AllowOption
from archspec.cli.ending import COULD_NOT, FINDINGS
from archspec.cli.options import (
    BatchOption,
    JsonOption,
    MaxNodesOption,
    NetworkArgument,
    OptimizerOption,
    PrecisionOption,
    SetOption,
    SizeOption,
    open_network,
    refusing,
)
from archspec.cli.output import print_json


def assert_(
    spec: NetworkArgument,
    conditions: Annotated[
        list[str],
        typer.Argument(metavar="CONDITION", help='In quotes: "params <= 25.6M" "paths.block.total == 2^16"'),
    ],
    set_: SetOption = [],
    size: SizeOption = [],
    batch: BatchOption = 1,
    precision: PrecisionOption = None,
    optimizer: OptimizerOption = "momentum",
    max_nodes: MaxNodesOption = MAX_NODES,
    allow: AllowOption = [],
    as_json: JsonOption = False,
) -> None:
    """Check conditions on the analysis. Exits 0 if all hold, 1 if one does not, 2 if one cannot be decided.

    A condition is KEY < <= == != >= > VALUE; KEY is a path in what `analyze --json` prints, or a short word for one.
    """
    from archspec.cli.tables.compare import print_verdicts
    from compiler.analysis.compare.conditions import check_conditions, parse_condition
    from compiler.analysis.compare.units import ConditionError
    from compiler.analysis.memory.setup import TrainingSetup
    from compiler.analysis.unknown import find_unknown

    with refusing(ConditionError):
        parsed = [parse_condition(text) for text in conditions]
    graph, loaded = open_network(spec, set_, size, max_nodes, allow)
    with refusing(ConditionError):
        verdicts = check_conditions(graph, parsed, loaded, TrainingSetup(batch, precision, optimizer))
    answers = {verdict.holds for verdict in verdicts}
    holds = False if False in answers else None if None in answers else True
    if as_json:
        conditions_ = [verdict.to_dict() for verdict in verdicts]
        about = {"name": graph.name, "sizes": dict(graph.sizes), "unknown": find_unknown(graph)}
        print_json({**about, "holds": holds, "conditions": conditions_})
    else:
        print_verdicts(verdicts)
    if not holds:
        raise typer.Exit(COULD_NOT if holds is None else FINDINGS)
