"""Rendering with FluidSynth: the right pitch, clean and dry, and the same whatever was played before or beside it.

A SoundFont made here, of sines, is the reference; so the tests need the library but no bank of the system.
"""

import shutil
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.fluid import FluidSynth, Played, Take
from darktimbre.corpus.general_midi import DRUMS, PROGRAMS
from darktimbre.corpus.presets import Preset, list_presets, read_table
from darktimbre.corpus.soundfont import render_soundfont
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import FAMILIES, SOURCES


def take(seconds: float = 0.5, hold: float | None = None, gain: float = 0.8, rate: int = 16_000) -> Take:
    samples = round(seconds * rate)
    return Take(rate, samples, samples if hold is None else round(hold * rate), rate // 100, gain)


def played(font: Path, bank: int, program: int, keys: list[tuple[int, int]], how: Take) -> Played:
    """The notes of `keys` (key, velocity), from a synthesizer that played nothing before."""
    with closing(FluidSynth(str(font), how)) as synth:
        return synth.play(bank, program, keys)


def hertz(wave: np.ndarray, rate: int) -> float:
    """Frequency of the strongest partial, from the phase it gains between two windows."""
    half = len(wave) // 2
    window = np.hanning(half)
    first, second = np.fft.rfft(wave[:half] * window), np.fft.rfft(wave[1 : half + 1] * window)
    peak = int(np.abs(first).argmax())
    return float(np.angle(second[peak] / first[peak]) * rate / (2 * np.pi))


def test_the_preset_table_is_read_without_the_library(sines: Path) -> None:
    assert list_presets(sines) == (Preset(0, 0, "Wide Sine"), Preset(0, 1, "Too High"), Preset(128, 0, "Kit"))
    assert (read_table(sines).title, read_table(sines).copyright) == ("Sines", "made by a test")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda raw: b"", "does not begin"),
        (lambda raw: raw[: len(raw) // 2], "claims"),
        (lambda raw: raw[:16] + struct.pack("<I", 0xFFFFFFF0) + raw[20:], "claims"),
        (lambda raw: raw.replace(b"phdr", b"xxxx"), "lists no presets"),
        (lambda raw: b"RIFF\0\0\0\0WAVE" + raw[12:], "does not begin"),
    ],
)
def test_broken_soundfonts_are_reported(
    sines: Path, tmp_path: Path, spoil: Callable[[bytes], bytes], reason: str
) -> None:
    (tmp_path / "bad.sf2").write_bytes(spoil(sines.read_bytes()))
    with pytest.raises(UserError, match=reason):
        list_presets(tmp_path / "bad.sf2")


def test_general_midi_is_whole() -> None:
    assert len(PROGRAMS) == 128
    assert {program.family for program in PROGRAMS} == {*FAMILIES, None}
    assert {program.source for program in PROGRAMS} == set(SOURCES)
    families = {
        40: "string",
        56: "brass",
        73: "flute",
        65: "reed",
        19: "organ",
        32: "bass",
        127: None,
        80: "synth_lead",
    }
    assert {number: PROGRAMS[number].family for number in families} == families
    assert (PROGRAMS[0].name, PROGRAMS[127].name, DRUMS[35], DRUMS[81]) == (
        "Acoustic Grand Piano", "Gunshot", "Acoustic Bass Drum", "Open Triangle",
    )  # fmt: skip


@pytest.mark.usefixtures("playable")
class TestPlaying:
    """What needs libfluidsynth."""

    @pytest.mark.parametrize("rate", [16_000, 22_050, 44_100])
    def test_the_pitch_is_the_keys(self, sines: Path, rate: int) -> None:
        audio = played(sines, 0, 0, [(57, 100), (69, 100), (74, 100)], take(rate=rate)).audio
        assert audio.shape == (3, rate // 2)
        for wave, key in zip(audio, (57, 69, 74), strict=True):
            expected = 441.0 * 2 ** ((key - 69) / 12)
            steady = wave[len(wave) * 3 // 10 : -len(wave) // 20] / 32768  # both layers sound, and it does not fade yet
            assert 1200 * abs(np.log2(hertz(steady, rate) / expected)) < 0.5  # cents

    def test_a_note_does_not_depend_on_those_before_it(self, sines: Path) -> None:
        keys = [(45, 30), (60, 127), (62, 64), (69, 90)]
        fresh = [played(sines, 0, 0, [key], take(0.2)).audio[0] for key in keys]
        with closing(FluidSynth(str(sines), take(0.2))) as synth:
            for order in ([3, 1, 0, 2], [2, 2, 3, 0], [1, 0]):
                synth.play(128, 0, [(55, 127)])
                audio = synth.play(0, 0, [keys[index] for index in order]).audio
                np.testing.assert_array_equal(audio, np.stack([fresh[index] for index in order]))

    def test_what_the_rate_cannot_hold_does_not_fold_down(self, sines: Path) -> None:
        audio = played(sines, 0, 1, [(69, 127)], take()).audio  # 10 kHz, which at 16 kHz would fold down to 6 kHz
        assert np.abs(audio[0, 800:]).max() < 32768 * 10 ** (-60 / 20)

    def test_it_is_dry_and_the_key_is_let_go(self, sines: Path) -> None:
        wave = played(sines, 0, 0, [(60, 127)], take(0.5, hold=0.2)).audio[0] / 32768
        assert np.abs(wave[1600:3200]).max() > 0.02
        assert np.abs(wave[4000:]).max() < 1e-3  # 50 ms after the key: no reverb, no echo

    def test_mono_is_the_mean_of_both_sides_and_the_end_fades(self, sines: Path) -> None:
        wave = played(sines, 0, 0, [(66, 100)], take(0.5)).audio[0] / 32768
        early, late = np.abs(wave[800:1600]).max(), np.abs(wave[4000:7000]).max()
        # The right side comes in after 124 ms, which is 45.98 periods of this key: the sides add up.
        assert late / early == pytest.approx(2.0, rel=0.02)
        assert abs(wave[-1]) < 1e-3
        assert np.abs(wave[-480:-320]).max() > 0.9 * late  # and only the last 10 ms fade

    def test_velocity_keeps_its_weight(self, sines: Path) -> None:
        audio = played(sines, 128, 0, [(55, 50), (55, 100), (55, 127)], take()).audio
        peaks = np.abs(audio.astype(int)).max(axis=1)
        db = 20 * np.log10(peaks / peaks[2])
        # SoundFont 2.04 §8.4.1: velocity's concave curve is 40·log₁₀(127 / velocity) dB below full.
        np.testing.assert_allclose(db, [-16.2, -4.2, 0.0], atol=0.5)

    def test_too_loud_is_turned_down_not_clipped(self, sines: Path) -> None:
        loud = played(sines, 0, 0, [(69, 127)], take(gain=10.0))
        assert loud.turned_down.tolist() == [True]
        wave = loud.audio[0] / 32768
        assert np.abs(wave).max() == pytest.approx(1.0, abs=1e-3)
        assert (np.abs(wave) > 0.999).mean() < 0.05  # a clipped sine stays at the top

    def test_the_corpus_is_the_same_with_any_number_of_workers(self, sines: Path, tmp_path: Path) -> None:
        steps: list[tuple[int, int]] = []
        made = [
            render_soundfont(
                tmp_path / f"c{run}", [sines], pitches=[50, 55, 61], velocities=[60, 127], seconds=0.1, workers=workers,
                progress=lambda done, total: steps.append((done, total)),
            )
            for run, workers in enumerate((1, 2, 1))
        ]  # fmt: skip
        assert len({corpus.digest for corpus in made}) == 1
        np.testing.assert_array_equal(made[0].int16(made[0].rows()), made[1].int16(made[1].rows()))
        assert steps == [(6, 18), (12, 18), (18, 18)] * 3

    def test_what_the_corpus_says(self, sines: Path, tmp_path: Path) -> None:
        corpus = render_soundfont(tmp_path / "c", [sines], pitches=[50, 61], velocities=[100], seconds=0.2, workers=1)
        # 0:1 is above what 16 kHz holds, and the kit has nothing on key 61.
        assert corpus.column("id").tolist() == [
            "sines_000-000-050-100", "sines_000-000-061-100", "sines_000-001-050-100", "sines_000-001-061-100",
            "sines_128-000-050-100",
        ]  # fmt: skip
        assert corpus.meta["counts"]["silent"] == 1
        assert corpus.rejected() == [("sines_128-000-061-100", "silent: Kit makes no sound on key 61")]
        piano, drum = corpus.note(0), corpus.note(4)
        assert (piano.pitch, piano.family, piano.instrument) == (50, "keyboard", "sines:000:000")
        assert (drum.pitch, drum.family, drum.category, drum.subcategory) == (None, None, "drums", "tom")
        assert corpus.meta["licence"] == "made by a test"
        assert corpus.meta["provenance"]["soundfonts"][0]["file"] == "sines.sf2"

    def test_twins_in_two_banks_are_held_out_together(self, sines: Path, tmp_path: Path) -> None:
        shutil.copy(sines, tmp_path / "cousin.sf2")
        corpus = render_soundfont(
            tmp_path / "c", [sines, tmp_path / "cousin.sf2"], pitches=[55], velocities=[100], seconds=0.1, workers=1
        )
        keys, instruments = corpus.column("split_key"), corpus.column("instrument")
        assert len(set(instruments.tolist())) == 2 * len(set(keys.tolist())) == len(corpus)

    def test_an_interrupted_rendering_leaves_nothing(self, sines: Path, tmp_path: Path) -> None:
        def stop(done: int, total: int) -> None:
            raise KeyboardInterrupt

        for workers in (1, 2):
            with pytest.raises(KeyboardInterrupt):
                render_soundfont(tmp_path / "c", [sines], seconds=0.1, workers=workers, progress=stop)
            assert list(tmp_path.iterdir()) == []

    def test_a_soundfont_the_library_refuses_is_reported(self, sines: Path, tmp_path: Path) -> None:
        (tmp_path / "hollow.sf2").write_bytes(sines.read_bytes().replace(b"shdr", b"xxxx"))
        with pytest.raises(UserError, match=r"FluidSynth cannot load .*hollow\.sf2"):
            render_soundfont(tmp_path / "c", [tmp_path / "hollow.sf2"], banks=[0], seconds=0.1, workers=1)
        assert not (tmp_path / "c").exists()

    def test_a_bank_of_the_system_when_there_is_one(self, tmp_path: Path) -> None:
        bank = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
        if not bank.exists():
            pytest.skip("Debian's fluid-soundfont-gm is not installed on this machine")
        presets = list_presets(bank)
        assert len(presets) == 189
        corpus = render_soundfont(
            tmp_path / "c", [bank], programs=[0, 16, 56], banks=[0], limit=12, seconds=0.5, workers=1
        )
        assert isinstance(corpus, Corpus)
        assert len(corpus) == 12
        assert corpus.meta["licence"] == "MIT"
        assert corpus.column("peak_db").max() < -1.0
        organ = corpus.column("family") == "organ"
        for row in np.flatnonzero(organ):
            ratio = hertz(corpus.waves([row])[0], 16_000) / (440 * 2 ** ((corpus.column("pitch")[row] - 69) / 12))
            assert min(abs(1200 * np.log2(ratio / n)) for n in (0.5, 1, 1.5, 2, 3, 4)) < 20  # a drawbar of the note


def test_without_the_library_the_remedy_is_reported(
    sines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fluidsynth", None)
    with pytest.raises(UserError, match=r"apt install fluidsynth fluid-soundfont-gm.*--builtin"):
        render_soundfont(tmp_path / "c", [sines])
    assert not (tmp_path / "c").exists()


@pytest.mark.usefixtures("playable")
@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"pitches": [128]}, "no MIDI pitch 128"),
        ({"velocities": [0]}, "no MIDI velocity 0"),
        ({"banks": [77]}, "none of the banks"),
        ({"hold": 0.0}, "cannot be held"),
        ({"gain": 0.0}, "gain above 0"),
        ({"split": "maybe"}, "no split policy"),
        ({"limit": 0}, "leaves nothing"),
    ],
)
def test_arguments_out_of_range_are_reported(
    sines: Path, tmp_path: Path, wrong: dict[str, object], reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        render_soundfont(tmp_path / "c", [sines], **wrong)
