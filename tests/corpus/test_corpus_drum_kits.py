"""Drum kits as one-shots: every drum has a class, keys that share a recording go together, twins are kept once."""

import struct

import pytest

from darktimbre.corpus.general_midi import DRUM_CLASSES, DRUMS, drum
from darktimbre.corpus.presets import read_tables, recordings
from darktimbre.corpus.soundfont import installed_soundfonts, render_kits
from darktimbre.notes.errors import UserError

FLUID = next((font for font in installed_soundfonts() if font.name == "FluidR3_GM.sf2"), None)


def test_every_drum_of_general_midi_has_a_class():
    assert set(DRUMS.values()) <= set(DRUM_CLASSES)
    assert {DRUM_CLASSES[drum(program, key)][0] for program in (0, 25, 40, 48) for key in DRUMS} == {
        "drums", "cymbals", "percussion",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("program", "key", "name", "leaf"),
    [
        (0, 36, "Bass Drum 1", ("drums", "kick")),
        (25, 46, "Open Hi-Hat", ("cymbals", "hi-hat")),
        (41, 39, "Brush Slap", ("drums", "snare")),  # not a hand clap
        (48, 45, "Timpani", ("drums", "timpani")),  # not a tom
        (48, 60, "Hi Bongo", ("percussion", "hand drum")),
    ],
)
def test_kits_differ_where_general_midi_2_says_so(program, key, name, leaf):
    assert drum(program, key) == name
    assert DRUM_CLASSES[name] == leaf


def test_keys_of_one_recording_have_one_name(sines):
    assert recordings([sines]) == {("sines", 128, 0, key): "low" for key in range(50, 61)}


def test_a_name_does_not_depend_on_the_file_so_fonts_that_share_it_go_together(sines, tmp_path):
    cousin = tmp_path / "cousin.sf2"
    cousin.write_bytes(sines.read_bytes())
    assert set(recordings([sines, cousin]).values()) == {"low"}


def test_contradicting_tables_are_reported(sines, tmp_path):
    raw = sines.read_bytes()
    place = raw.index(b"pgen") + 8
    broken = tmp_path / "broken.sf2"
    broken.write_bytes(raw[:place] + struct.pack("<HH", 41, 900) * 3 + raw[place + 12 :])
    with pytest.raises(UserError, match="tables contradict each other"):
        recordings([broken])
    none = tmp_path / "none.sf2"
    none.write_bytes(raw.replace(b"shdr", b"junk"))
    with pytest.raises(UserError, match="lacks the table shdr"):
        read_tables(none)


@pytest.mark.usefixtures("playable")
def test_a_sound_is_kept_once_and_all_of_a_recording_lie_in_one_split(sines, tmp_path):
    cousin = tmp_path / "cousin.sf2"
    cousin.write_bytes(sines.read_bytes())
    corpus = render_kits(tmp_path / "c", [sines, cousin], velocities=[100], seconds=0.1, workers=1)
    assert len(corpus) == 11  # keys 50 to 60; the cousin's are the same to the last bit
    assert corpus.meta["counts"]["twins"] == 11
    assert ("cousin_128-000-050-100", "the same sound as sines_128-000-050-100") in corpus.rejected()
    assert set(corpus.column("split_key")) == {"drum:low"}
    assert len(set(corpus.column("split"))) == 1
    note = corpus.note(0)
    assert (note.category, note.subcategory, note.pitch) == ("drums", "tom", None)
    assert note.tags == ("Kit", "High Tom")


@pytest.mark.skipif(FLUID is None, reason="FluidR3_GM.sf2 is not installed on this machine")
def test_the_kits_of_fluid_are_a_hundred_recordings_not_fifteen_hundred_keys():
    assert FLUID is not None
    found = {place: name for place, name in recordings([FLUID]).items() if place[3] in DRUMS}
    assert len(found) > 1400
    assert len(set(found.values())) == 105
    assert found["FluidR3_GM", 128, 0, 80] == found["FluidR3_GM", 128, 25, 81]  # one triangle for all
    assert found["FluidR3_GM", 128, 0, 36] != found["FluidR3_GM", 128, 25, 36]  # the TR-808's kick is its own
