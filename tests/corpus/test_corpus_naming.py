"""Pitches are read from the names people give their samples, and not from numbers that mean something else."""

import pytest

from darktimbre.corpus.naming import read_name, read_names

PITCHED = {
    "Piano C4": (60, None, "Piano"),
    "Cello C#4": (61, None, "Cello"),
    "C#4": (61, None, ""),
    "c4": (60, None, ""),
    "bass_c2": (36, None, "bass"),
    "flute_f#5_long": (78, None, "flute_ _long"),
    "Vln-Eb3-pizz": (51, None, "Vln- -pizz"),
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
    "oboe_midi-72_dry": (72, None, "oboe_ _dry"),
    "kalimba note64": (64, None, "kalimba"),
    "keyboard_electronic_003-060-075": (60, 75, "keyboard_electronic_003"),
    "bass_synthetic_033-022-127": (22, 127, "bass_synthetic_033"),
    "Rhodes C3 vel100": (48, 100, "Rhodes"),
    "Piano_C3_060": (48, None, "Piano_ _060"),
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
    counted = read_names([f"snare_{number:03d}" for number in range(1, 60)])
    assert all(named.pitch is None for named in counted.values())
    assert counted["snare_045"].rest == "snare_045"  # each stays its own sound


def test_multi_samples_beside_a_running_number_keep_their_pitch() -> None:
    read = read_names([*(f"snare_{number:03d}" for number in range(1, 60)), "celesta_060", "celesta_064"])
    assert {stem: named.pitch for stem, named in read.items() if named.pitch} == {"celesta_060": 60, "celesta_064": 64}
    assert read["celesta_060"].rest == read["celesta_064"].rest == "celesta"
