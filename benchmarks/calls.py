"""Calls of ONNX Runtime that two candidates take turns with in one process: their threads do not spin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.measuring import Sample, timed

ModelCall = Callable[[], Any]
"""Runs a model once."""


def open_model(data: bytes, inputs: Mapping[str, Any], threads: int = 0) -> ModelCall:
    """One call of a model on these inputs, on the CPU; no threads named are as many as there are cores."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, inputs)


def count_calls(run: ModelCall, seconds: float, key: str) -> int:
    """The number of calls that take about that long, by one of a sample's clocks."""
    return max(1, round(seconds / timed(run)[key]))


def sample_calls(run: ModelCall, calls: int) -> Callable[[], Sample]:
    """The time of one of so many calls, after one that is not counted."""

    def measure() -> Sample:
        run()  # the other candidate's weights fill the caches
        return {key: value / calls for key, value in timed(lambda: [run() for _ in range(calls)]).items()}

    return measure
