"""Where boxes lie: the way leads down, and no two share a place."""

from __future__ import annotations

import pytest

from archspec.errors import ArchspecError
from archspec.spec.zoo import zoo_specs
from compiler.draw.grid import MAX_BOXES
from compiler.draw.picture import draw_graph
from compiler.draw.svg import write_svg
from tests.support.drawings import (
    NETS,
    chain,
    picture_of,
)


@pytest.mark.parametrize("name", NETS)
def test_the_way_leads_down(name: str) -> None:
    picture = picture_of(name)
    for block_id, grid in picture.grids.items():
        assert len({(grid.rows[id], grid.columns[id]) for id in grid.rows}) == len(grid.rows), block_id
        for route in grid.routes:
            assert grid.rows.get(route.wire.source, -1) < grid.rows.get(route.wire.target, grid.height)


def test_a_graph_that_is_too_large_is_refused() -> None:
    with pytest.raises(ArchspecError, match=r"chain would have 4,\d+ boxes .* more than 3,000"):
        write_svg(draw_graph(chain(2 * MAX_BOXES - 1500)))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(zoo_specs()))
def test_the_way_leads_down_in_the_zoo(name: str) -> None:
    test_the_way_leads_down(name)
