"""What an ONNX file must be before ONNX Runtime sees it: a checked model that reads nothing outside its own folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

from archspec.errors import ArchspecError
from archspec.files import check_is_file
from runtime.extras import extra

with extra("run"):
    import onnx
    import onnx.checker
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    from compiler.onnx_source.external import check_external_data

LONGEST_REASON = 300
PREAMBLE = re.compile(r"^(\[ONNXRuntimeError\] : \d+ : \w+ : )?(/\S+\.(cc|h):\d+ [^)]*\)( const)? )?")


def check_model_file(path: str | Path) -> None:
    """Raises ArchspecError unless `path` is a sound ONNX file whose external data, if any, lies plainly beside it.

    ONNX Runtime itself reads external data through a hard link, cuts names at a NUL, and dies on some models that
    onnx's checker refuses; so both checks come first.
    """
    check_is_file(path)
    model = _parse(path)
    check_external_data(model, Path(path))
    try:
        onnx.checker.check_model(os.fspath(path))
    except Exception as error:  # ValidationError, and whatever protobuf and the file system add
        raise ArchspecError(f"{path} is not a valid ONNX model: {shorten(error)}") from error


def shorten(error: BaseException) -> str:
    """An error of onnx or ONNX Runtime as one line, without its code and the place in their C++."""
    text = PREAMBLE.sub("", " ".join(str(error).split()))
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…"


def _parse(path: str | Path) -> onnx.ModelProto:
    try:
        return onnx.load(os.fspath(path), load_external_data=False)
    except DecodeError as error:
        raise ArchspecError(f"{path} is not an ONNX file, or it is cut off") from error
    except OSError as error:
        raise ArchspecError(f"cannot read {path}: {error.strerror or error}") from error
