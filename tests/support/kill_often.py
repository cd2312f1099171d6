"""Trainings that are killed at random moments: `python -m tests.support.kill_often --count 20`."""

from __future__ import annotations

from tests.support.killed_training import main

if __name__ == "__main__":
    main()
