"""What is known of an image before it is read."""

from __future__ import annotations

from runtime.data.stored import StoredImage


def test_it_compares_as_what_it_holds() -> None:
    assert StoredImage(3, (4, 6)) == (3, (4, 6))
    assert StoredImage(3, (4, 6))._replace(channels=1).extents == (4, 6)
