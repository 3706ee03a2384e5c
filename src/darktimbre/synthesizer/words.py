"""Free text → a mix of an instrument's attributes, to be shown before it is applied.

The mix follows from vectors of sentences that are handed in (`models/sentences.py`): attributes whose names mean
something like the text, by the cosine. Without them, attributes that have words of the text in their names.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from darktimbre.models.sentences import Sentences, installed
from darktimbre.notes.attributes import WITHOUT_TEACHER
from darktimbre.notes.errors import UserError
from darktimbre.notes.text import folded

if TYPE_CHECKING:
    from darktimbre.synthesizer.synthesizer import Synthesizer

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts → (text, dimension), each of length 1."""

LEAST = 0.25  # cosine below which a name means nothing like the text; chosen by benchmarks/words.py
MOST = 3  # attributes of a mix; likewise
LONGEST = 200  # characters of a text
MEANING, PARTS = "meaning", "words in common"
_NEGATED = re.compile(r"\b(not|no|non|without|never|neither|nor|nothing|minus|except)\b|n['’]t\b", re.IGNORECASE)
_EXTRA = "`pip install 'darktimbre[words]'` finds attributes by what they mean"


@dataclass(frozen=True)
class Mix:
    """What a text becomes: attribute → value, what is left out at its baseline, and → share of the mix (in all 1), the
    largest first; found by `MEANING` or `PARTS`."""

    text: str
    levels: dict[str, float]
    shares: dict[str, float]
    by: str

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {self.levels[name]:.2f} ({share:.0%})" for name, share in self.shares.items())
        return f"“{self.text}”, by {self.by}: {parts}"


def likeness(text: NDArray[np.floating], names: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
    """(label,) cosine of a text (dimension,) with the most alike of each attribute's names (name, dimension)."""
    return np.array([float((one @ text).max()) for one in names])


def shares(alike: NDArray[np.floating], *, least: float = LEAST, most: int = MOST) -> NDArray[np.float64]:
    """(label,) parts of a mix, in all 1: the `most` highest by how far they lie above `least`; 0 where none does."""
    above = np.maximum(np.asarray(alike, np.float64) - least, 0.0)
    above[np.argsort(-above, kind="stable")[most:]] = 0.0
    return above / above.sum() if above.any() else above


def in_common(text: str, names: Sequence[str]) -> NDArray[np.float64]:
    """(label,) how many words of the text each name has; one may be the other's beginning, of 4 letters or more."""
    wanted = [word for word in _words(text) if len(word) > 2]
    return np.array([float(sum(any(_same(one, other) for other in _words(name)) for one in wanted)) for name in names])


def _same(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return one == other or (len(short) >= 4 and long.startswith(short))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", folded(text))


class Words:
    """Texts → mixes of one instrument; vectors are loaded when the first text comes."""

    def __init__(self, instrument: "Synthesizer", embed: Callable[[], Embed | None] | None = None) -> None:
        """`embed` loads what makes vectors of sentences, or returns None; else the extra `words`, if it is here."""
        self.names = instrument.controls.attributes.names
        self.stands_alone = instrument.attributes.teacher in WITHOUT_TEACHER  # classes and styles share a whole
        self._baseline = instrument.controls.baseline
        self._load = embed or _installed

    @cached_property
    def _embed(self) -> Embed | None:
        return self._load()

    @cached_property
    def _vectors(self) -> list[NDArray[np.float32]]:
        assert self._embed is not None
        return [self._embed([f"the sound of {part}" for part in spoken(name)]) for name in self.names]

    def mix(self, text: str) -> Mix:
        """What a text means here.

        Raises:
            UserError: it means nothing here, or is none that could; the sentence says why.
        """
        text = checked(text)
        if not self.names:
            raise UserError("This instrument has no attributes, so that words set nothing.")
        if self._embed is None:
            found, by = shares(in_common(text, self.names), least=0.0), PARTS
            if not found.any():
                raise UserError(f"No attribute's name here has a word of “{text}” in it; {_EXTRA}.")
        else:
            found, by = shares(likeness(self._embed([text])[0], self._vectors)), MEANING
            if not found.any():
                raise UserError(
                    f"“{text}” means nothing to this instrument: no attribute is near enough; say in English what it "
                    "should sound like."
                )
        order = [place for place in np.argsort(-found, kind="stable") if found[place]]
        part = {self.names[place]: float(found[place]) for place in order}
        values = self.values(found)
        levels = {self.names[place]: round(float(values[place]), 4) for place in order}
        rest = dict.fromkeys(self.names, 0.0) if self.stands_alone else {}
        return Mix(text, {**rest, **levels}, part, by)

    def values(self, found: NDArray[np.float64]) -> NDArray[np.float64]:
        """(label,) what attributes are set to by shares (label,): from the baseline up to 1, which the largest share
        takes; classes and styles take the shares themselves."""
        return found if self.stands_alone else self._baseline + found / found.max() * (1.0 - self._baseline)

    def levels(self, mix: Mix) -> dict[str, float]:
        """All attributes' values: those of the mix, the others at their baseline."""
        return {**dict(zip(self.names, map(float, self._baseline), strict=True)), **mix.levels}


def spoken(name: str) -> list[str]:
    """The names that one attribute has: "Violin, fiddle" → itself, "Violin" and "fiddle"."""
    return list(dict.fromkeys([name, *(part.strip() for part in name.split(",") if part.strip())]))


def checked(text: str) -> str:
    """The text with single spaces.

    Raises:
        UserError: it is too long, has no letters, is in letters other than Latin, or says what is not wanted.
    """
    if len(text) > LONGEST:
        raise UserError(f"A description has at most {LONGEST} characters, this one {len(text):,}: use a few words.")
    text = " ".join("".join(sign for sign in text if sign.isprintable() or sign.isspace()).split())
    letters = [sign for sign in text if sign.isalpha()]
    if not letters:
        raise UserError("Describe the sound in words, such as “icy glass bell”.")
    if 2 * sum("LATIN" in unicodedata.name(sign, "") for sign in letters) < len(letters):
        raise UserError(f"“{text}” is not in English, which is all that is understood: describe the sound in English.")
    if negated := _NEGATED.search(text):
        raise UserError(f"“{negated[0]}” is not understood: say only what it should sound like.")
    return text


def _installed() -> Embed | None:
    folder = installed()
    return None if folder is None else Sentences(folder)
