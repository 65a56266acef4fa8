"""The sentences of errors in Chinese.

Whoever refuses something says why in English, in place: `raise errors.ImageNotFound(f"There is no image {image_id}.")`. The
catalogue `chinese.toml` holds the same sentence with a pair of braces for each value, and its translation. Here a sentence is
matched with the templates, and what stood for the braces goes into the translation; a value that is itself a sentence or phrase
of the catalogue is translated as well. A sentence that the catalogue lacks becomes the general one of its code, so that nobody is
answered half in Chinese and half in English. A test finds every sentence of the source, and fails for one without translation.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from linocut.api.failures import Failure

_CATALOGUE: Final = Path(__file__).with_name("chinese.toml")
_BRACES: Final = "{}"
_LONGEST: Final = 2000
_DEEPEST: Final = 3
_ANY_CODE: Final = "*"


@dataclass(frozen=True, slots=True)
class _Template:
    english: tuple[str, ...]
    """The sentence's text before, between and behind its braces."""
    chinese: str

    def values(self, sentence: str) -> tuple[str, ...] | None:
        """Return what stands for the braces, each as short as it can be, or None where this is another sentence.

        One look through the sentence, for clients choose what is in it: a pattern would try each way to share it out.
        """
        first, *others = self.english
        if not others:
            return () if sentence == first else None
        *inner, last = others
        at, end = len(first), len(sentence) - len(last)
        if not sentence.startswith(first) or not sentence.endswith(last):
            return None
        found = []
        for text in inner:
            if (here := sentence.find(text, at, max(at, end))) < 0:
                return None
            found.append(sentence[at:here])
            at = here + len(text)
        return (*found, sentence[at:end]) if at <= end else None


class Chinese:
    """A catalogue of sentences and phrases, and the general sentence of each family of codes."""

    def __init__(self, sentences: dict[str, str], families: dict[str, str]) -> None:
        self._templates = tuple(_Template(tuple(one.split(_BRACES)), sentences[one]) for one in _most_telling_first(sentences))
        self._families = families

    def failure(self, failure: Failure) -> Failure:
        """Return the failure with its sentence in Chinese."""
        general = self._families.get(failure.code.partition(".")[0], self._families[_ANY_CODE])
        return Failure(failure.code, self._translated(str(failure), _DEEPEST) or general)

    def _translated(self, english: str, depth: int) -> str | None:
        """Return the sentence, and the phrases in it down to a depth, in Chinese; None where the catalogue lacks it."""
        if len(english) > _LONGEST or not depth:
            return None
        for template in self._templates:
            if (found := template.values(english)) is not None:
                return template.chinese.format(*(self._translated(value, depth - 1) or value for value in found))
        return None


@cache
def catalogue() -> Chinese:
    """Return the catalogue of this package; it is read once."""
    held = tomllib.loads(_CATALOGUE.read_text())
    return Chinese(held["sentences"] | held["phrases"], held["families"])


def _most_telling_first(sentences: Iterable[str]) -> list[str]:
    """Return the templates, those with the most text of their own first, for others may match what they match."""
    return sorted(sentences, key=lambda one: len(one) - len(_BRACES) * one.count(_BRACES), reverse=True)
