"""Pitches are read from the names people give their samples, and not from numbers that mean something else."""

import pytest

from darktimbre.corpus.naming import Names, read_name, read_names
from darktimbre.export.naming import plain_note
from darktimbre.notes.pitch import note_name, parse_note_name
from darktimbre.synthesizer.sound_files import file_stem, pitch_words

PITCHED = {
    "Piano C4": (60, None, "Piano"),
    "Cello C#4": (61, None, "Cello"),
    "C#4": (61, None, ""),
    "c4": (60, None, ""),
    "bass_c2": (36, None, "bass"),
    "flute_f#5_long": (78, None, "flute_long"),
    "Vln-Eb3-pizz": (51, None, "Vln-pizz"),
    "Harp (Bb2)": (46, None, "Harp"),
    "A4v10": (69, None, ""),
    "D#4v16": (63, None, ""),
    "Violin_G3_v1_rr2": (55, None, "Violin"),
    "pianoC4": (60, None, "piano"),
    "PianoF#3": (54, None, "Piano"),
    "Horn_Fs3": (54, None, "Horn"),
    "strings_060": (60, None, "strings"),
    "pad-048": (48, None, "pad"),
    "midi60": (60, None, ""),
    "Organ MIDI 72": (72, None, "Organ"),
    "oboe_midi-72_dry": (72, None, "oboe_dry"),
    "kalimba note64": (64, None, "kalimba"),
    "keyboard_electronic_003-060-075": (60, 75, "keyboard_electronic_003"),
    "bass_synthetic_033-022-127": (22, 127, "bass_synthetic_033"),
    "Rhodes C3 vel100": (48, 100, "Rhodes"),
    "Piano_C3_060": (48, None, "Piano"),
}


@pytest.mark.parametrize(("stem", "expected"), PITCHED.items(), ids=list(PITCHED))
def test_written_pitches_are_read(stem: str, expected: tuple[int, int | None, str]) -> None:
    named = read_name(stem)
    assert (named.pitch, named.velocity, named.rest) == expected


@pytest.mark.parametrize(
    "stem",
    [
        "808 kick 4", "trap clap 1 @TeaBoi", "synth c 2 @TeaBoi", "kluck - F @unikub", "scream f# @TeaBoi",
        "ch 2 @TeaBoi", "kick_001", "snare_12", "loop_100bpm", "drum_loop_100", "120", "2020-03-12", "C3 to E3",
        "take B2", "mix_b3",
        "MP3", "Version A1", "part_A2", "hat 060", "vinyl-33", "C10", "H4", "midi 1", "note 4", "break_128",
        "gain -12dB3", "b2b techno", "E2E", "a1 steak sauce", "v2", "take_060", "UB40", "WD40", "R2D2", "C3PO",
        "", "kick-001-002",
        "x_000-200", "G#9",
    ],
)  # fmt: skip
def test_other_numbers_and_letters_are_not_pitches(stem: str) -> None:
    assert read_name(stem).pitch is None


def test_a_running_number_in_the_folder_is_no_pitch() -> None:
    counted = read_names([f"snare_{number:03d}" for number in range(1, 60)]).named
    assert all(named.pitch is None for named in counted.values())
    assert counted["snare_045"].rest == "snare_045"  # each stays its own sound


def test_multi_samples_beside_a_running_number_keep_their_pitch() -> None:
    read = read_names([*(f"snare_{number:03d}" for number in range(1, 60)), "celesta_060", "celesta_064"]).named
    assert {stem: named.pitch for stem, named in read.items() if named.pitch} == {"celesta_060": 60, "celesta_064": 64}
    assert read["celesta_060"].rest == read["celesta_064"].rest == "celesta"


FOLDERS = {
    # name → pitches, velocities, instruments
    "dots": (["Piano.ff.C4", "Piano.mf.Gb5", "Piano.pp.Bb3"], [60, 78, 58], [112, 80, 33], {"Piano"}),
    "dots and strings": (["Violin.arco.ff.sulG.G3.stereo", "Violin.arco.p.sulG.A3.stereo"], [55, 57], [112, 49], 1),
    "a range is no pitch": (["Flute.nonvib.ff.C4B4"], [None], [112], 1),
    "negative octaves": (["Sub A-1", "Sub B-1", "Sub C0", "Sub F#-1"], [9, 11, 12, 6], None, {"Sub"}),
    "C-2 is the lowest where C3 is 60": (["C-2", "C#-2", "D-2", "C3"], [0, 1, 2, 60], None, {""}),
    "trackers' dashes": (["C-4", "C#4", "D-4", "D#5"], [60, 61, 62, 75], None, {""}),
    "signs": (["Oboe C♯4", "Oboe D♭4", "Oboe Fsharp3", "Oboe Bflat3"], [61, 61, 54, 58], None, {"Oboe"}),
    "German": (
        ["Orgel H3", "Orgel B3", "Orgel C4", "Orgel Cis4", "Orgel Es4", "Orgel As3"],
        [59, 58, 60, 61, 63, 56], None, {"Orgel"},
    ),
    "number and name": (["A_029__F1_1", "A_035__B1_1", "A_040__E2_2"], [29, 35, 40], None, {"A"}),
    "C3 is 60": (["Pad_060_C3_127", "Pad_048_C2_064"], [60, 48], [127, 64], {"Pad"}),
    "C5 is 60": (["C5 60", "E5 64", "G5 67"], [60, 64, 67], None, {""}),
    "number behind": (["Pad_C3_060", "Pad_E3_064", "Pad_G3_067"], [60, 64, 67], None, {"Pad"}),
    "and velocity": (["Pad_C4_060_127", "Pad_D4_062_064"], [60, 62], [127, 64], {"Pad"}),
    "velocity that is no number": (["Pad_C3_060", "Pad_C4_060", "Pad_E3_060"], [48, 60, 52], [60] * 3, {"Pad"}),
    "a word": (["Organ MIDI 60 C3", "Organ MIDI 64 E3"], [60, 64], None, {"Organ"}),
    "attached": (["060C4", "061Cs4"], [60, 61], None, {""}),
    "marks": (
        ["UR1_C3_pp_RR1", "UR1_C4_f_RR2", "UR1_C4_mf_rr-2", "UR1_C4_f_v3", "UR1_C4_take 2", "UR1_C4 (2)"],
        [48, 60, 60, 60, 60, 60], [33, 96, 80, 96, None, None], {"UR1"},
    ),
    "dynamics in words": (
        ["violin_As3_025_forte_arco", "violin_As3_1_piano_arco", "violin_C4_15_mezzo-forte_arco"],
        [58, 58, 60], [96, 49, 80], {"violin_arco"},
    ),
    "piano is an instrument": (["grand piano C4", "grand piano D4 mf"], [60, 62], [None, 80], {"grand piano"}),
    "numbers of instruments stay": (["Synth 1 C4", "Synth 2 C4", "Synth 12 C4"], [60] * 3, None, 3),
    "numbers first, with a letter": (["036-C", "037-C#", "048-c", "059-H", "058-B"], [36, 37, 48, 59, 58], None, {""}),
    "numbers alone": (["60", "62", "64"], [60, 62, 64], None, {""}),
    "numbers first": (["60_Rhodes", "64_Rhodes_rr2"], [60, 64], None, {"Rhodes"}),
    "numbers of drums": (["36 Kick", "38 Snare"], [None, None], None, 2),
    "running numbers": (["01 Kick", "36 Kick", "37 Kick"], [None] * 3, None, 3),
    "unpitched round robins": (["Snare RR1", "Snare RR2", "Snare mf RR3"], [None] * 3, None, {"Snare"}),
}  # fmt: skip


@pytest.mark.parametrize(("stems", "pitches", "velocities", "rests"), FOLDERS.values(), ids=list(FOLDERS))
def test_names_of_a_folder_are_read_together(
    stems: list[str], pitches: list[int | None], velocities: list[int | None] | None, rests: set[str] | int
) -> None:
    named = [read_names(stems).named[stem] for stem in stems]
    assert [one.pitch for one in named] == pitches
    if velocities is not None:
        assert [one.velocity for one in named] == velocities
    found = {one.rest for one in named}
    assert (len(found) if isinstance(rests, int) else found) == rests


def test_one_octave_between_numbers_and_names_is_a_convention_and_anything_else_a_doubt() -> None:
    stems = ["Pad_060_C3_127", "Pad_048_C2_127", "Pad_068_G3_127", "Other E4"]
    names = read_names(stems)
    assert names.shift == 12
    assert {stem: names.named[stem].pitch for stem in stems} == dict(zip(stems, (60, 48, None, 76), strict=True))
    assert "both G3 (MIDI 67) and 68" in names.named["Pad_068_G3_127"].doubt
    no_usual = read_names(["Pad_060_C3", "Pad_072_C4", "Pad_064_E5", "Pad_043_G4"])
    assert all(one.pitch is None and "says both" in one.doubt for one in no_usual.named.values())
    stated = read_names(stems, "C4")  # then the name counts
    assert [stated.named[stem].pitch for stem in stems] == [48, 36, None, 64]
    assert read_names(["Cello A2"], "C3").named["Cello A2"].pitch == 57


@pytest.mark.parametrize("stem", ["Vox A-1", "Kit C-4", "F-1"])
def test_a_dash_before_the_octave_is_not_believed_of_a_single_name_but_told(stem: str) -> None:
    named = read_name(stem)
    assert named.pitch is None
    assert "no name beside it" in named.doubt


def rests(stems: list[str]) -> set[str]:
    names: Names = read_names(stems)
    assert all(named.pitch is not None for named in names.named.values())
    return {named.rest for named in names.named.values()}


def test_what_synth_and_export_write_is_one_instrument() -> None:
    keys = [12, 45, 60, 61, 108]
    assert rests([file_stem("random", f"{n:03d}", *pitch_words(key)) for n, key in enumerate(keys)]) == {"random"}
    assert rests([file_stem("scale", *pitch_words(key)) for key in keys]) == {"scale"}
    assert len(rests([file_stem("sweep", "Singing bowl", n / 10, *pitch_words(60)) for n in range(11)])) == 1
    assert len(rests([file_stem("like", "My sound 7", f"{n:02d}", *pitch_words(45 + n)) for n in range(9)])) == 1
    assert len(rests([f"01_bowl_v{layer}_{key:03d}_{plain_note(key)}" for layer in (1, 2) for key in keys])) == 1
    assert len(rests([f"01_bowl_{n:02d}_{key:03d}_{plain_note(key)}" for n in (1, 2, 3) for key in keys])) == 1


@pytest.mark.parametrize("name", [note_name, plain_note])
@pytest.mark.parametrize("before", ["", "Cello ", "Cello_060_x_", "a.b."])
def test_every_note_of_midi_is_read_back(name: object, before: str) -> None:
    assert callable(name)
    stems = {f"{before}{name(key)}": key for key in range(128)}
    assert {stem: named.pitch for stem, named in read_names(stems).named.items()} == stems
    assert all(parse_note_name(name(key)) == key for key in range(128))
