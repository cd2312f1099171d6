"""What tests need of the processor that they run on."""

from __future__ import annotations

import platform

import pytest

from runtime.session.machine import read_instructions

EXACT = {"vnni", "avx-vnni", "amx"}

needs_whole_sums = pytest.mark.skipif(
    platform.machine() in ("x86_64", "AMD64") and not EXACT & set(read_instructions()),
    reason="without VNNI, x86 adds pairs of products of eight bits in 16 bits, and large ones overflow",
)
"""Of a test in which ONNX Runtime's results of int8 are held against what the file says (docs/export/int8.md)."""
