"""What a training loads while it goes on, for processes that are forked: loaded once, before."""

from __future__ import annotations

import tests.support.killed_training
import tests.support.together  # noqa: F401
