"""Names from other machines: bytes that are no text, letters in one piece or in two, names that Windows reserves."""

import difflib
import json
import re
import shlex
import unicodedata
from collections.abc import Iterable
from typing import Any

DEEPEST = 32  # levels of a JSON file
_ALIKE = 0.6  # ratio above which two words are taken for one misspelt

_STRAY = re.compile("[\ud800-\udfff]")  # how Python holds bytes of a name that are not UTF-8
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(?=$|\.)", re.IGNORECASE)


def legible(text: str) -> str:
    """The text with stray bytes as escapes, so that it can be written as UTF-8: "Fl\\xf6te"."""
    return _STRAY.sub(lambda match: _escape(match[0]), text)


def _escape(sign: str) -> str:
    code = ord(sign)
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def json_text(data: Any, indent: int | None = 1, *, allow_nan: bool = True) -> str:
    """Plain types as the text of a JSON file, letters as they are; a stray byte as in `legible`.

    Raises:
        ValueError: there is a number that JSON has not, where `allow_nan` is false.
    """
    text = json.dumps(data, indent=indent, ensure_ascii=False, allow_nan=allow_nan)
    return _STRAY.sub(lambda match: "\\" + _escape(match[0]), text) + "\n"


def parse_json(content: bytes | str) -> Any:
    """Plain types of JSON text that anybody may have written.

    Raises:
        ValueError: it is no JSON in UTF-8, or nested more deeply than `DEEPEST`; the message is a clause.
    """
    try:
        data = json.loads(content)
    except RecursionError:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep") from None
    level, depth = [data], 0
    while level:
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} levels deep")
        inner = [one for one in level if isinstance(one, dict | list)]
        level = [value for one in inner for value in (one.values() if isinstance(one, dict) else one)]
        depth += 1
    return data


def composed(text: str) -> str:
    """Each letter in one piece (NFC): macOS gives file names with accents beside their letters."""
    return unicodedata.normalize("NFC", text)


def folded(name: str) -> str:
    """What of a name decides whether it is another's: not the letter case, not how its letters are composed."""
    return composed(composed(name).strip().casefold())


def suggestion(wanted: str, known: Iterable[str]) -> str:
    """A question that offers up to three names where one is unknown: " Did you mean 'a' or 'b'?"; empty without any.

    First those of which the wanted one is a part ("woodwind": "Wind instrument, woodwind instrument"), then those that
    are spelt alike, whole or in one of their words.
    """
    key = folded(wanted)
    ranked = sorted((-_likeness(key, folded(name)), place, name) for place, name in enumerate(known))
    near = [repr(name) for likeness, _, name in ranked[:3] if likeness < -_ALIKE]
    return f" Did you mean {' or '.join(near)}?" if near else ""


def _likeness(key: str, name: str) -> float:
    """0 to 2: 2 and near it where `key` is a part of `name`, the shorter the name the more."""
    words = re.findall(r"\w+", name)
    if len(key) > 1 and key in name:
        return 1.5 + 0.5 * (key in words) - 1e-3 * len(name)
    return max(difflib.SequenceMatcher(None, key, one).ratio() for one in (name, *words))


def quoted(path: object) -> str:
    """A path as a word of a command that is printed for copying."""
    return shlex.quote(legible(str(path)))


def portable(stem: str) -> str:
    """A file's name, also on Windows, which keeps "aux", "con.wav" and others for devices: "aux" → "aux_"."""
    return _RESERVED.sub(r"\1_", stem, count=1) if _RESERVED.match(stem) else stem
