"""Two lists of numbers with one XXH3, as whoever wants them can make.

XXH3 takes 64 bytes at a time, in lanes of 8, and adds to each lane's sum a product, of the halves of its 8 bytes mixed
with a key that everybody knows, and to the neighbour's the bytes themselves. Where the first half is the key's, the
product is zero whatever the other half is; so two such other halves change places, and all sums stay.
"""

from __future__ import annotations

import numpy as np

from tests.support.lowering import Arrays

KEYS = 0x396CFEB8, 0x2C81017C
"""What the first lane meets in the first and in the second 64 bytes, the first half of each: the key is a text of
xxHash's source (`XXH3_kSecret`), moved on by 8 bytes."""


def build_twins(shape: tuple[int, ...] = (8, 64)) -> tuple[Arrays, Arrays]:
    """Weights and bias of a linear layer, twice: in the second the numbers at 1 and 17 have changed places."""
    first = np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32)
    first[[0, 16]] = np.array(KEYS, np.uint32).view(np.float32)
    second = first.copy()
    second[[1, 17]] = first[[17, 1]]
    bias = np.zeros(shape[0], np.float32)
    return {"weight": first.reshape(shape), "bias": bias}, {"weight": second.reshape(shape), "bias": bias}
