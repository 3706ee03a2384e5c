"""Descriptions that anybody may have written: every number is of a size that can be, and a mistake is one clause."""

import math
from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

HIGHEST_RATE = 384_000  # Hz
LARGEST = 1 << 24  # of any other number
LARGEST_ARRAY = 1 << 26  # values of one array that follows from a description; 256 MiB of float32
LONGEST_LIST = 256
LONGEST = 400  # characters of a mistake

Positive = Annotated[int, Field(ge=1)]
Iterations = Annotated[int, Field(ge=0, le=10_000)]
Logarithm = Annotated[float, Field(ge=-60.0, le=60.0)]  # natural, of a magnitude
SampleRate = Annotated[int, Field(ge=1, le=HIGHEST_RATE)]


def _midi(pitches: tuple[int, ...]) -> tuple[int, ...]:
    if any(not 0 <= pitch <= 127 for pitch in pitches):
        raise ValueError("pitches are MIDI numbers from 0 to 127")
    return pitches


Pitches = Annotated[tuple[int, ...], AfterValidator(_midi), Field(max_length=128)]


class Bounded(BaseModel):
    """A frozen description in which unknown keys and numbers out of all proportion are errors.

    What a bundle of a stranger's claims is thus refused before anything is allocated by it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="after")
    def _in_proportion(self) -> Self:
        for name, value in self:
            for number in _numbers(name, value):
                if not abs(number) <= LARGEST:  # NaN is not, either
                    raise ValueError(f"{name} {_short(number)} cannot be: it may be at most {LARGEST:,}")
        return self

    def refuse_large(self, what: str, *sizes: int) -> None:
        """Raises ValueError where an array of these sizes would be out of all proportion."""
        if math.prod(sizes) > LARGEST_ARRAY:
            raise ValueError(
                f"{what} of {' × '.join(map(str, sizes))} values cannot be: {LARGEST_ARRAY:,} are the most"
            )


def _numbers(name: str, value: Any) -> Iterator[float]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield value
    elif isinstance(value, tuple | list):
        if len(value) > LONGEST_LIST:
            raise ValueError(f"{name} has {len(value)} entries: {LONGEST_LIST} are the most")
        for one in value:
            yield from _numbers(name, one)


def first_mistake(error: ValidationError) -> str:
    """The first thing that is wrong with a description, as a clause: "sample_rate: should be less than …, not 1e12"."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    reason = str(first["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    if first["type"] in ("model_type", "dict_type"):
        reason = "should be an object"
    given = first["input"]
    if first["type"] != "value_error" and (given is None or isinstance(given, str | int | float)):
        reason += f", not {_short(given)}"
    return shortened(f"{where + ': ' if where else ''}{reason}")


def shortened(text: str, most: int = LONGEST) -> str:
    """A sentence that may hold what a stranger wrote, cut to what can be read."""
    return text if len(text) <= most else f"{text[:most]} …"


def _short(value: object) -> str:
    return shortened(repr(value), 40)
