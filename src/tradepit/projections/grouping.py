"""Arrays by group: what rows of equal keys come to, in exact whole numbers."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

INT64_MAX: Final = 2**63 - 1


class Groups:
    """Rows grouped by one or several keys; groups in the order of their keys, the rows of each in
    the order they came in."""

    def __init__(self, *keys: NDArray[Any]) -> None:
        """Group rows, of which there is at least one.

        Args:
            keys: arrays of one length, the most significant first.
        """
        self._order = np.lexsort(keys[::-1])
        kept = [key[self._order] for key in keys]
        differs = np.zeros(len(self._order), bool)
        differs[0] = True
        for key in kept:
            differs[1:] |= key[1:] != key[:-1]
        self._starts = np.flatnonzero(differs)
        self._ends = np.append(self._starts[1:], len(self._order)) - 1
        self.keys = [key[self._starts] for key in kept]
        self.counts = self._ends - self._starts + 1

    def first(self, values: NDArray[Any]) -> NDArray[Any]:
        chosen: NDArray[Any] = values[self._order[self._starts]]
        return chosen

    def last(self, values: NDArray[Any]) -> NDArray[Any]:
        chosen: NDArray[Any] = values[self._order[self._ends]]
        return chosen

    def highest(self, values: NDArray[Any]) -> NDArray[Any]:
        return np.maximum.reduceat(values[self._order], self._starts)

    def lowest(self, values: NDArray[Any]) -> NDArray[Any]:
        return np.minimum.reduceat(values[self._order], self._starts)

    def sums(self, values: Ints) -> list[int]:
        """Sums, which may pass 64 bits."""
        largest = max(int(values.max()), -int(values.min()))
        if largest * int(self.counts.max()) > INT64_MAX:
            values = values.astype(object)
        sums: list[int] = np.add.reduceat(values[self._order], self._starts).tolist()
        return sums


def ordinals(sequences: NDArray[Any]) -> Ints:
    """The place of each element among those of its sequence; equal ones stand together."""
    _, first, inverse = np.unique(sequences, return_index=True, return_inverse=True)
    return np.arange(len(sequences)) - first[inverse]
