"""Valid documents at random, as plain data: those of the differential tests, one file each.

Networks are small, so that torch and ONNX Runtime run them in no time; between them they use every layer, every
structure node and every field.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.differential.documents import write_document
from tests.differential.reading import Document

__all__ = ["MODERATE", "Document", "as_json", "specs"]

MODERATE = settings(
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
"""The settings of tests that use these strategies, to be completed: `@settings(MODERATE, max_examples=100)`."""


def specs() -> SearchStrategy[Document]:
    """A valid document."""
    return st.integers(0, 2**32).map(lambda seed: write_document(Random(seed)))


def as_json(document: Any, *, indent: int | str | None = None, ascii_only: bool = True) -> str:
    return json.dumps(document, indent=indent, ensure_ascii=ascii_only)
