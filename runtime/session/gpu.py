"""Whether there is an NVIDIA GPU to run on at all, and which."""

from __future__ import annotations

import ctypes
import sys


def find_gpu_problem() -> str | None:
    """Why no NVIDIA GPU can be used by anything on this machine, or None where there is one.

    Asks the driver's own library, which every CUDA program loads; so its absence is proof, and no process is started.
    """
    driver = _load_driver()
    if driver is None:
        return "no GPU was found: there is no NVIDIA driver"
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return "no GPU was found: the NVIDIA driver shows none"
    return None


def describe_gpu() -> str | None:
    """The name of the first NVIDIA GPU and the CUDA version of its driver; None where there is no GPU."""
    driver = _load_driver()
    name, device, version = ctypes.create_string_buffer(256), ctypes.c_int(0), ctypes.c_int(0)
    if driver is None or driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), 0):
        return None
    if driver.cuDeviceGetName(name, len(name), device) or driver.cuDriverGetVersion(ctypes.byref(version)):
        return None
    return (
        f"{name.value.decode(errors='replace')}, driver for CUDA {version.value // 1000}.{version.value % 1000 // 10}"
    )


def _load_driver() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
