"""What is known of an image before it is read."""

from __future__ import annotations

from typing import NamedTuple


class StoredImage(NamedTuple):
    """What the head of an image's file says: its channels, and its extents as it is looked at."""

    channels: int
    extents: tuple[int, ...]
