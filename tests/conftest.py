"""Settings of every test run."""

import os

# Workers that each use all cores wait for each other: comparing resnet152 took 26 s instead of 3 with two on two.
# torch reads this when it is imported, which is later.
if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))
# Workers are told the width of a terminal that they do not write to; what commands print into a pipe is 120 wide.
os.environ.pop("COLUMNS", None)
os.unsetenv("COLUMNS")  # readline, which pytest imports, sets it where os.environ does not see it
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # tests import onnxruntime before archspec too

from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
