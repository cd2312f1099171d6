"""Graphs from documents that a test writes as plain data."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archspec.api import elaborate, load
from compiler.graph import Graph


def graph_from(document: Mapping[str, Any], **options: Any) -> Graph:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spec.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        return elaborate(load(path), **options)
