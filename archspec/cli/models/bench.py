"""The command `bench`: latency and throughput of a model."""

from __future__ import annotations

from typing import Annotated

from archspec.bounds import MAX_WHOLE
from archspec.cli.options import (
    JsonOption,
    ModelArgument,
    ProviderOption,
    SizeOption,
    ThreadsOption,
    parse_sizes,
    shared_option,
)
from archspec.cli.output import print_json


def bench(
    model: ModelArgument,
    batch: Annotated[
        list[int],
        shared_option("--batch", min=1, max=MAX_WHOLE, metavar="N", note="may be repeated; default: 1, 8, 32"),
    ] = [],
    size: SizeOption = [],
    seconds: Annotated[float, shared_option("--seconds", min=0.1, metavar="S", note="each batch")] = 2.0,
    provider: ProviderOption = [],
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure latency (percentiles) and throughput by batch, copies to and from the device included.

    Images per second are of all runs together: they follow the mean, which few slow runs move, and not the median.
    """
    from archspec.cli.progress import show_work
    from archspec.cli.tables.models import print_bench
    from runtime.measuring.bench import bench as measure
    from runtime.session.session import Session

    session = Session(model, providers=provider or None, threads=threads)
    with show_work(f"timing {model}, {seconds:g} s for each batch"):
        rows = measure(session, batch or None, sizes=parse_sizes(size), seconds=seconds)
    if as_json:
        settings = {"settings": session.settings.to_dict(), "settings_source": session.settings_source}
        rows_ = [row.to_dict() for row in rows]
        where = {"model": str(model), "loaded": str(session.loaded), "provider": session.provider}
        print_json({**where, **settings, "rows": rows_})
    else:
        print_bench(rows, session)
