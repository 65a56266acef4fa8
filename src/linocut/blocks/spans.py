"""Which bytes of a buffer have been written: a small sorted set of ranges."""


class Spans:
    """A union of half-open ranges, kept sorted, disjoint and apart."""

    __slots__ = ("_spans",)

    def __init__(self) -> None:
        self._spans: list[tuple[int, int]] = []

    def add(self, start: int, end: int) -> None:
        """Add a range."""
        spans = self._spans
        if not spans or start > spans[-1][1]:
            spans.append((start, end))
            return
        if start >= spans[-1][0]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
            return
        apart = [span for span in spans if span[1] < start or span[0] > end]
        touched = [span for span in spans if not (span[1] < start or span[0] > end)]
        apart.append((min([start, *(span[0] for span in touched)]), max([end, *(span[1] for span in touched)])))
        self._spans = sorted(apart)

    def cover(self, length: int) -> bool:
        """Tell whether all of the first `length` bytes are in."""
        return len(self._spans) == 1 and self._spans[0][0] == 0 and self._spans[0][1] >= length

    def gaps(self, length: int) -> list[tuple[int, int]]:
        """Return the ranges of the first `length` bytes that are not in."""
        gaps = []
        position = 0
        for start, end in self._spans:
            if start > position:
                gaps.append((position, start))
            position = end
        if position < length:
            gaps.append((position, length))
        return gaps
