"""Names that torch's modules have already."""

from __future__ import annotations

from torch import nn

from archspec.spec.reserved import MODULE_NAMES


def test_reserved_names_are_torchs() -> None:
    """A node's name must not hide an attribute of a module; what starts with _ no name can be."""
    from torch import fx

    taken = {name for kind in (nn.Module, fx.GraphModule) for name in dir(kind) if not name.startswith("_")}
    assert taken | {"training", "meta"} <= MODULE_NAMES
