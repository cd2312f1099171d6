"""The names of nodes: by the scopes that the exporter wrote down, joined with dots as in a spec's graph."""

from __future__ import annotations

import re

import onnx

SCOPES = "pkg.torch.onnx.name_scopes"
"""The metadata in which torch's exporter keeps a node's path of modules, each with its whole name, as
`['', 'layer1', 'layer1.0']`."""


def name_node(node: onnx.NodeProto) -> str:
    """Name a node by its scopes, its own name, or its first result."""
    written = next((item.value for item in node.metadata_props if item.key == SCOPES), "")
    scopes = re.findall(r"'([^']*)'", written)
    if len(scopes) > 1 and scopes[-2]:
        return f"{scopes[-2]}.{scopes[-1]}"
    return _join_scopes(node.name or next(iter(node.output), "") or node.op_type)


def name_kind(node: onnx.NodeProto) -> str:
    """Name the operation of a node: `Conv`, `com.microsoft:Gelu`."""
    return f"{node.domain}:{node.op_type}" if node.domain else node.op_type


def _join_scopes(name: str) -> str:
    """Join the scopes of a name: `/layer1/layer1.0/conv1/Conv` is `layer1.0.conv1.Conv`, and a scope that repeats the
    one before stands for both."""
    joined = ""
    for part in filter(None, name.split("/")):
        last = joined.rpartition("/")[2]
        if last and part.startswith(f"{last}."):
            joined = joined[: len(joined) - len(last)] + part
        else:
            joined = f"{joined}/{part}" if joined else part
    return joined.replace("/", ".")
