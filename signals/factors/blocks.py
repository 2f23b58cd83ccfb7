"""How one window is put together from blocks: the steps for windows that lie side by side; see :mod:`kernels`."""

from __future__ import annotations

from functools import cache

import numpy as np


@cache
def steps(window: int) -> np.ndarray:
    """Steps that make the block of a whole window, in order; int64, (S, 3).

    Each row is a place in the window, the size of the block that begins there, and 1 where the row behind it is
    appended or 0 where the block behind it, as long, is merged into it: into blocks of 1, 2, 4, ... rows by the binary
    digits of the window, which are the blocks that a pass over all rows makes. Only those are made of which the whole
    window consists.
    """
    size, levels = 1, []
    for digit in range(window.bit_length() - 2, -1, -1):
        levels.append((size, 0))
        size *= 2
        if (window >> digit) & 1:
            levels.append((size, 1))
            size += 1
    places, made = [0], []
    for size, append in reversed(levels):
        made.append([(place, size, append) for place in places])
        places = places if append else sorted({*places, *(place + size for place in places)})
    out = np.array([step for level in reversed(made) for step in level], dtype=np.int64).reshape(-1, 3)
    out.setflags(write=False)
    return out
