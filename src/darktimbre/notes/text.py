"""Names from other machines: bytes that are no text, letters in one piece or in two, names that Windows reserves."""

import json
import re
import unicodedata
from typing import Any

DEEPEST = 32  # levels of a JSON file

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


def portable(stem: str) -> str:
    """A file's name, also on Windows, which keeps "aux", "con.wav" and others for devices: "aux" → "aux_"."""
    return _RESERVED.sub(r"\1_", stem, count=1) if _RESERVED.match(stem) else stem
