"""ONNX Runtime's telemetry, which this program turns off unless its user chose otherwise.

From 1.31 on, importing onnxruntime leaves an identifier of the machine and a queue of events in the user's cache, and
sends what sessions do to Microsoft: names of graphs and nodes, errors, the processor, the memory.
"""

from __future__ import annotations

import os
import sys

VARIABLE = "ORT_DISABLE_TELEMETRY"
YES = frozenset(("1", "true", "yes", "on", "y"))
"""The words that ONNX Runtime takes for yes, in either case and with spaces around it; anything else leaves its
telemetry on."""

BUILD_SERVERS = (
    "CI",
    "TF_BUILD",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "CIRCLECI",
    "TRAVIS",
    "JENKINS_URL",
    "CODEBUILD_BUILD_ID",
    "BUILDKITE",
    "TEAMCITY_VERSION",
    "APPVEYOR",
    "BITBUCKET_BUILD_NUMBER",
    "ORT_RUNNING_UNIT_TESTS",
)
"""The variables by which ONNX Runtime 1.31 sees that a build server runs it, where it never tells."""

NO = frozenset(("", "0", "false", "no", "off"))
"""The words that it takes for no in these, in either case and with spaces around it; anything else is yes."""


def turn_off() -> None:
    """Turn it off in this process and in those that it starts, unless VARIABLE has a value already, whatever that is.

    ONNX Runtime reads the variable when it is imported. One that was imported before has told that it was; it is asked
    to tell nothing more.
    """
    if VARIABLE in os.environ:
        return
    os.environ[VARIABLE] = "1"
    stop = getattr(sys.modules.get("onnxruntime"), "disable_telemetry_events", None)
    if stop is not None:
        stop()


def find_silencer() -> str | None:
    """The name of the variable for which an onnxruntime that is imported now tells nothing; None where it tells.

    A build server's comes first: VARIABLE changes nothing there.
    """
    builds = (name for name in BUILD_SERVERS if _read(name) not in NO)
    return next(builds, VARIABLE if _read(VARIABLE) in YES else None)


def _read(name: str) -> str:
    return os.environ.get(name, "").strip().lower()
