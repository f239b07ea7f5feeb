"""Columns from numbers that mean something else to each worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from edgebench.load.record import NONE, UNKNOWN

_NULL = -1


@dataclass(frozen=True, slots=True)
class Codes:
    """What one worker's numbers mean in a column: places of texts, or whole numbers as they are; -1: null."""

    by_number: NDArray[np.int32]
    """The last one is of all numbers that were never told."""

    def of(self, numbers: NDArray[np.integer]) -> NDArray[np.int32]:
        codes: NDArray[np.int32] = self.by_number[np.minimum(numbers, len(self.by_number) - 1)]
        return codes

    @classmethod
    def of_numbers(cls, values: Mapping[int, int]) -> Codes:
        """A column of whole numbers from 0; those of NONE and UNKNOWN are null."""
        codes = np.full(max(values, default=UNKNOWN) + 2, _NULL, dtype=np.int32)
        for number, value in values.items():
            codes[number] = value
        return cls(codes)


class TextColumn:
    """The distinct texts of all workers. A code is a text's place in it; -1: null."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._texts: pa.Array | None = None

    def learn(self, texts: Mapping[int, str | None], none: str | None, unknown: str | None) -> Codes:
        """The codes of one worker, from its texts by number, the text of NONE, and that of UNKNOWN or never told."""
        codes = np.full(max(texts, default=UNKNOWN) + 2, self._code(unknown), dtype=np.int32)
        codes[NONE] = self._code(none)
        for number, text in texts.items():
            codes[number] = self._code(text)
        self._texts = None
        return Codes(codes)

    def array(self, codes: NDArray[np.int32]) -> pa.DictionaryArray:
        """With the texts in use only: a row group has its own dictionary, and should not have everybody's."""
        if self._texts is None:
            self._texts = pa.array(list(self._places), type=pa.string())
        used = np.flatnonzero(np.bincount(codes[codes >= 0]))
        place = np.zeros(len(self._places) + 1, dtype=np.int32)  # null's, too: the last
        place[used] = np.arange(len(used))
        return pa.DictionaryArray.from_arrays(pa.array(place[codes], mask=codes < 0), self._texts.take(pa.array(used)))

    def beginning_with(self, words: str, codes: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which of these codes are of texts that begin so."""
        found = [place for text, place in self._places.items() if text.startswith(words)]
        return np.isin(codes, found)

    def _code(self, text: str | None) -> int:
        return _NULL if text is None else self._places.setdefault(text, len(self._places))
