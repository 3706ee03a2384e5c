"""Names from other machines can be compared, written and used as files everywhere."""

import json
import os
import shlex
import unicodedata

import pytest

from darktimbre.notes.text import composed, folded, json_text, legible, portable, quoted, suggestion

STRAY = os.fsdecode(b"Fl\xf6te")  # Latin-1, from an old sample CD


def test_stray_bytes_become_escapes_and_other_text_stays() -> None:
    assert legible(STRAY) == "Fl\\xf6te"
    assert legible("\ud800") == "\\ud800"
    assert legible("Flöte 笛 \N{GRINNING FACE}") == "Flöte 笛 \N{GRINNING FACE}"
    legible(STRAY).encode("utf-8")


def test_json_with_a_stray_byte_is_json_in_utf8() -> None:
    text = json_text({STRAY: [STRAY, "ö"]})
    assert json.loads(text.encode("utf-8")) == {"Fl\\xf6te": ["Fl\\xf6te", "ö"]}
    assert text.endswith("}\n")


@pytest.mark.parametrize("name", ["Flöte", "Ångström", "ΑΘΉΝΑ", "Straße", "ﬁn"])
def test_a_name_is_the_same_composed_or_not_in_any_letter_case(name: str) -> None:
    forms = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
    assert composed(forms[1]) == forms[0]
    assert len({folded(one) for form in forms for one in (form, form.upper(), f" {form} ")}) == 1


@pytest.mark.parametrize(
    ("stem", "name"),
    [("aux", "aux_"), ("Con", "Con_"), ("com1.wav", "com1_.wav"), ("NUL.tar.gz", "NUL_.tar.gz"), ("lpt³", "lpt³_")],
)
def test_names_that_windows_reserves_are_marked(stem: str, name: str) -> None:
    assert portable(stem) == name
    assert portable(name) == name


@pytest.mark.parametrize("stem", ["auxiliary", "console", "com", "com10", "my aux", "con-tour"])
def test_other_names_stay(stem: str) -> None:
    assert portable(stem) == stem


NAMES = (
    "Wind instrument, woodwind instrument",
    "Wood block",
    "Ding",
    "Drum",
    "Snare drum",
    "Bass drum",
    "Violin, fiddle",
)


@pytest.mark.parametrize(
    ("wanted", "first"),
    [
        ("woodwind", "Wind instrument, woodwind instrument"),  # a word of the second half
        ("fiddle", "Violin, fiddle"),
        ("DRUMS", "Drum"),
        ("snar", "Snare drum"),
        ("woodwnid", "Wind instrument, woodwind instrument"),  # misspelt, in the second half
        ("Vio\u0301lin", "Violin, fiddle"),
    ],
)
def test_suggestions_look_at_parts_of_names(wanted: str, first: str) -> None:
    assert suggestion(wanted, NAMES).startswith(f" Did you mean {first!r}")


def test_nothing_is_suggested_where_nothing_is_alike() -> None:
    assert suggestion("xyzzy", NAMES) == suggestion("drum", []) == ""
    assert suggestion("drum", NAMES) == " Did you mean 'Drum' or 'Bass drum' or 'Snare drum'?"


@pytest.mark.parametrize("path", ["/plain/run", "my run/bundle", "it's", "$HOME/`x`", "a;b", "-"])
def test_printed_paths_are_one_word_of_a_shell(path: str) -> None:
    assert shlex.split(f"darktimbre play {quoted(path)}")[2:] == [path]
