"""What is typed on the command line → numbers for the synthesizer: NAME=VALUE pairs and pitches."""

from typing import TYPE_CHECKING

from darktimbre.notes.errors import UserError
from darktimbre.notes.pitch import parse_note_name

if TYPE_CHECKING:
    from darktimbre.synthesizer.synthesizer import Synthesizer


def levels(pairs: list[str] | None) -> dict[str, float]:
    """["Singing bowl=0.8"] → {"Singing bowl": 0.8}.

    Raises:
        UserError: a pair is not NAME=VALUE.
    """
    read = {}
    for pair in pairs or []:
        name, equals, value = pair.rpartition("=")
        try:
            read[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals or not name.strip():
            raise UserError(f'{pair!r} is not NAME=VALUE, such as "Singing bowl=0.8".')
    return read


def pitch(text: str | None) -> float | None:
    """ "60", "60.5" or "C4" → a MIDI number.

    Raises:
        UserError: it is neither a number nor a note name.
    """
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return float(parse_note_name(text))
    except ValueError as error:
        raise UserError(f"{text!r} is no pitch: give a MIDI number such as 60 or a name such as C4 or F#3.") from error


def default_pitch(instrument: "Synthesizer", text: str | None) -> float | None:
    """The pitch typed, or the trained one nearest to C4, or None for an instrument without pitch."""
    given, trained = pitch(text), instrument.attributes.pitches
    return given if given is not None or not trained else float(instrument.attributes.nearest_pitch(60))


def into_range(heard: float, trained: tuple[int, ...], *, between: bool) -> float:
    """The pitch to play for a heard one: moved by octaves into the trained range, else its nearer end.

    Args:
        heard: MIDI number with its fraction.
        trained: MIDI numbers of the pitch classes.
        between: keep the fraction; otherwise the nearest pitch class.
    """
    low, high = min(trained), max(trained)
    octaves = [heard + 12 * shift for shift in range(-11, 12)]
    inside = [one for one in octaves if low - 0.5 <= one <= high + 0.5]
    played = min(inside or [low, high], key=lambda one: abs(one - heard))
    if between and low <= played <= high:
        return played
    return float(min(trained, key=lambda one: (abs(one - played), one)))
