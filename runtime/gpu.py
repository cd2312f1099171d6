"""Whether there is an NVIDIA GPU to run on at all."""

from __future__ import annotations

import ctypes
import sys


def find_gpu_problem() -> str | None:
    """Why no NVIDIA GPU can be used by anything on this machine, or None where there is one.

    Asks the driver's own library, which every CUDA program loads; so its absence is proof, and no process is started.
    """
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return "no GPU was found: there is no NVIDIA driver"
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return "no GPU was found: the NVIDIA driver shows none"
    return None
