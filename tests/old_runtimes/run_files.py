"""Runs in the environment of an old ONNX Runtime, which has nothing else: every model of a folder on its inputs.

`python run_files.py FOLDER OUT`: for each NAME.onnx in FOLDER, with NAME.in.npz, it writes the outputs to OUT/NAME.npz,
or what went wrong to OUT/NAME.error. Written for every Python since 3.8.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime


def run(model: Path, inputs: Path, result: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    with np.load(inputs) as feed:
        found = session.run(names, {name: feed[name] for name in feed.files})
    np.savez(result, **dict(zip(names, found)))  # noqa: B905  (Python 3.8)


def main(folder: Path, out: Path) -> None:
    for model in sorted(folder.glob("*.onnx")):
        try:
            run(model, folder / (model.stem + ".in.npz"), out / (model.stem + ".npz"))
        except Exception as error:
            (out / (model.stem + ".error")).write_text(str(error), encoding="utf-8")
    print(onnxruntime.__version__)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
