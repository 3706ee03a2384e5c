"""The SFZ instrument, played by real samplers and compared with the synthesizer's own notes."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from tests.export.conftest import exported
from tests.export.samplers import RATE, Sfizz, aligned, fluid_note, polyphone, sfizz

from darktimbre.audio.pitch import yin
from darktimbre.audio.shape import resample
from darktimbre.export import loops
from darktimbre.export import plan as planning
from darktimbre.export.folder import export_folder
from darktimbre.export.packing import Exported, export, export_zip, make_plan
from darktimbre.export.plan import Plan
from darktimbre.export.sampler import document, write_instrument
from darktimbre.export.samples import Bank, render
from darktimbre.notes.errors import UserError
from darktimbre.notes.pitch import midi_to_hz
from darktimbre.synthesizer.keys import render_key
from darktimbre.synthesizer.patch import Envelope, Patch
from darktimbre.synthesizer.synthesizer import Synthesizer

TRUMPET = Patch(name="Brass", attributes={"Trumpet": 0.8}, seed=1)
PIANO = Patch(attributes={"Piano": 0.7}, seed=2)


made = partial(exported, "sfz")


class Play(NamedTuple):
    """sfizz with an export on disk."""

    report: Exported
    sampler: Sfizz
    key: int
    own: list[np.ndarray]


def played(instrument: Synthesizer, room: Path, *patches: Patch, shown: Sequence[Patch] = (), **settings: Any) -> Play:
    """An export of `patches`, and at its first sample's key the notes the synthesizer itself makes of `shown`."""
    report, manifest = made(instrument, room / "out", *patches, loops=False, **settings)
    key = manifest["files"][0]["root_key"]
    own = [render_key(instrument, patch, key, RATE) * manifest["gain"] for patch in shown or patches]
    return Play(report, sfizz(report.path, room), key, own)


def pitch_of(wave: np.ndarray) -> float:
    return float(yin(np.asarray(wave, np.float32)[None], RATE)[0][0])


# ---------------------------------------------------------------- the same note


def test_sfizz_plays_the_synthesizers_own_notes(starter: Synthesizer, tmp_path: Path) -> None:
    report, manifest = made(starter, tmp_path / "out", TRUMPET, loops=False)
    sampler = sfizz(report.path, tmp_path)
    for key in (36, 44, 45, 57, 60, 69, 75, 87):  # 36, 75 and 87 are re-pitched by the sampler, as by render_key
        own = render_key(starter, TRUMPET, key, RATE) * manifest["gain"]
        played = sampler.note(key, held=2.0, seconds=2.0)
        correlation, level = aligned(played, own)
        assert correlation > 0.999, key
        assert abs(level) < 0.1, key
        if key > 40:
            assert pitch_of(played[: len(own)]) == pytest.approx(pitch_of(own), rel=1e-3)


def test_debians_polyphone_and_fluidsynth_play_the_synthesizers_own_notes(starter: Synthesizer, tmp_path: Path) -> None:
    report, manifest = made(starter, tmp_path / "out", TRUMPET, step=4, loops=False)
    font = polyphone(report.path, tmp_path)
    levels = []
    for entry in manifest["files"][::2]:
        key = entry["root_key"]
        own = render_key(starter, TRUMPET, key, RATE) * manifest["gain"]
        played = fluid_note(font, key)
        correlation, level = aligned(played, own)
        assert correlation > 0.99, key
        assert pitch_of(played[: len(own)]) == pytest.approx(pitch_of(own), rel=2e-3)
        levels.append(level)
    assert np.ptp(levels) < 0.5  # FluidSynth has its own gain, the same for all


def test_a_stretched_sample_is_in_tune(starter: Synthesizer, tmp_path: Path) -> None:
    report, manifest = made(starter, tmp_path / "out", TRUMPET, step=6)
    assert report.samples == 5
    roots = {entry["root_key"] for entry in manifest["files"]}
    sampler = sfizz(report.path, tmp_path)
    for key in (48, 55, 59, 66):
        assert key not in roots
        assert pitch_of(sampler.note(key)) == pytest.approx(midi_to_hz(key), rel=0.02)


# ---------------------------------------------------------------- several settings


def test_key_switches_choose_the_setting(starter: Synthesizer, tmp_path: Path) -> None:
    report, sampler, key, own = played(starter, tmp_path, TRUMPET, PIANO, step=13)
    assert aligned(sampler.note(key), own[0])[0] > 0.999  # the first is there before any switch is struck
    for setting in (1, 0, 1):
        sampler.tap(report.switches[setting])
        note = sampler.note(key)
        assert aligned(note, own[setting])[0] > 0.999
        assert aligned(note, own[1 - setting])[0] < 0.9
    for switch in report.switches:
        assert np.abs(sampler.note(switch)).max() == 0  # a switch makes no sound


def test_velocity_chooses_the_layer_and_the_loudness(starter: Synthesizer, tmp_path: Path) -> None:
    layers = [planning.share(starter, TRUMPET, layer, 3) for layer in range(3)]
    _, sampler, key, own = played(starter, tmp_path, TRUMPET, shown=layers, step=24, velocity_layers=3)
    for velocity, layer in ((20, 0), (42, 0), (43, 1), (85, 1), (86, 2), (127, 2)):
        found = [aligned(sampler.note(key, velocity), wave) for wave in own]
        assert max(range(3), key=lambda i: found[i][0]) == layer
        assert found[layer][0] > 0.999
        # The same curve in every layer, so that loudness goes on smoothly across their borders.
        assert found[layer][1] == pytest.approx(40 * np.log10(velocity / 127), abs=0.1)


def test_settings_by_velocity(starter: Synthesizer, tmp_path: Path) -> None:
    _, sampler, key, own = played(starter, tmp_path, TRUMPET, PIANO, step=24, arrangement="velocity")
    for velocity, wave in zip((60, 70), own, strict=True):
        assert aligned(sampler.note(key, velocity), wave)[0] > 0.999


def test_layers_sound_together_as_their_mean(starter: Synthesizer, tmp_path: Path) -> None:
    _, sampler, key, own = played(starter, tmp_path, TRUMPET, PIANO, step=24, arrangement="layers")
    correlation, level = aligned(sampler.note(key), np.mean(own, axis=0))
    assert correlation > 0.999
    assert abs(level) < 0.1


# ---------------------------------------------------------------- loops and envelopes


def steady_bank(bank: Bank, rate: int) -> Bank:
    """The bank with a steady tone of five partials, one second long, on every pitch, and its loop."""
    waves, found = {}, {}
    for name in bank.waves:
        hz, time = midi_to_hz(name[1] or 60.0), np.arange(rate) / rate
        wave = sum(np.sin(2 * np.pi * n * hz * time + n) / n for n in range(1, 6)) * np.minimum(1, time / 0.02)
        waves[name] = np.asarray(0.2 * wave, np.float32)
        found[name] = loops.find_loop(resample(waves[name], rate, bank.plan.rate), bank.plan.rate, hz)
    return replace(bank, waves=waves, gain=1.0, loops=found)


def test_a_looped_note_holds_its_level_and_pitch_for_as_long_as_the_key(starter: Synthesizer, tmp_path: Path) -> None:
    plan = Plan(patches=(Patch(envelope=Envelope(release=0.3)),), step=13, title="steady")
    bank = steady_bank(render(starter, plan, planning.zones(starter, plan)), starter.sample_rate)
    with export_folder(tmp_path / "out") as folder:
        write_instrument(starter, "sfz", bank, (), folder)
    sampler = sfizz(tmp_path / "out" / "steady.sfz", tmp_path)
    for zone in bank.zones:
        for key in (zone.root, zone.root + 3):
            wave = sampler.note(key, held=5.0, seconds=6.0)
            blocks = wave[: 5 * RATE].reshape(50, -1)[2:]  # of 0.1 s
            level = 10 * np.log10((blocks**2).mean(axis=1))
            assert np.ptp(level) < 0.5
            hz, _ = yin(wave[RATE // 2 : 5 * RATE].reshape(9, -1).astype(np.float32), RATE)
            assert np.ptp(1200 * np.log2(hz)) < 2.0  # cents, from half-second to half-second
            assert 1200 * np.log2(np.median(hz) / midi_to_hz(key)) == pytest.approx(0.0, abs=3.0)
            assert np.abs(wave[round(5.8 * RATE) :]).max() < 1e-3  # released


def test_release_comes_from_the_setting(starter: Synthesizer, tmp_path: Path) -> None:
    short = TRUMPET.model_copy(update={"envelope": Envelope(attack=0.2, release=0.02)})
    _, sampler, key, (own,) = played(starter, tmp_path, short, step=24)
    wave = sampler.note(key, held=0.5, seconds=1.0)
    assert np.abs(wave[round(0.56 * RATE) :]).max() < 0.01 * np.abs(wave).max()

    def level(of: np.ndarray, start: float) -> float:
        return float(np.sqrt((of[round(start * RATE) : round((start + 0.02) * RATE)] ** 2).mean()))

    assert level(wave, 0.1) / level(own, 0.1) == pytest.approx(0.55, abs=0.1)  # halfway up the attack
    assert level(wave, 0.3) / level(own, 0.3) == pytest.approx(1.0, abs=0.05)


# ---------------------------------------------------------------- the text and the folder


def test_the_text_names_its_samples_and_hides_no_directive_in_names(tiny: Synthesizer, tmp_path: Path) -> None:
    wild = Patch(name="#include <a> sample=b.wav $x/..\\ Ö")
    report, manifest = made(tiny, tmp_path / "out", wild, Patch(seed=5), title="../#evil")
    text = report.path.read_text("utf-8")
    assert report.path.parent == tmp_path / "out"
    bodies = [line.split("//")[0] for line in text.splitlines()]
    assert not any("#" in body or "$" in body for body in bodies)
    samples = [word.removeprefix("sample=") for body in bodies for word in body.split() if word.startswith("sample=")]
    assert set(samples) == {entry["file"] for entry in manifest["files"]}
    assert all((tmp_path / "out" / sample).is_file() and "\\" not in sample for sample in samples)


def test_equal_sounds_are_stored_once(tiny: Synthesizer, tmp_path: Path) -> None:
    report, _ = made(tiny, tmp_path / "out", Patch(seed=4), velocity_layers=3)  # no words: the layers are alike
    assert report.samples == 3
    assert report.equal_layers == ("Setting 1",)
    assert len(list((tmp_path / "out" / "samples").iterdir())) == 3
    assert report.path.read_text().count("<region>") == 9


def test_one_gain_for_all_and_the_loudest_at_minus_one_decibel(tiny: Synthesizer, tmp_path: Path) -> None:
    import soundfile

    patches = (Patch(), Patch(attributes={"Drum": 1.0}, seed=9))
    _, manifest = made(tiny, tmp_path / "out", *patches, bits=32, loops=False)
    peaks = []
    for entry in manifest["files"]:
        read, rate = soundfile.read(tmp_path / "out" / entry["file"], dtype="float32")
        patch = patches[[setting["name"] for setting in manifest["settings"]].index(entry["setting"])]
        own = render_key(tiny, patch, entry["root_key"], rate)
        np.testing.assert_allclose(read, own * np.float32(manifest["gain"]), atol=1e-6)
        peaks.append(np.abs(read).max())
    assert max(peaks) == pytest.approx(10 ** (-1 / 20), rel=1e-5)
    _, raw = made(tiny, tmp_path / "raw", *patches, normalise="none")
    assert raw["gain"] == min(1.0, raw["gain"])


def test_an_earlier_export_is_replaced_and_nothing_else(tiny: Synthesizer, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made(tiny, out, Patch(), title="one")
    made(tiny, out, Patch(), title="two")
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json", "samples", "two.sfz"]
    (out / "song.mid").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"song\.mid was added"):
        made(tiny, out, Patch())
    other = tmp_path / "other"
    other.mkdir()
    (other / "song.mid").write_bytes(b"mine")
    with pytest.raises(UserError, match="no export of darktimbre"):
        made(tiny, other, Patch())
    assert (other / "song.mid").read_bytes() == (out / "song.mid").read_bytes() == b"mine"


def test_what_file_managers_leave_hinders_no_second_export(tiny: Synthesizer, tmp_path: Path) -> None:
    made(tiny, tmp_path / "out", Patch(), title="one")
    for litter in (".DS_Store", "desktop.ini", "samples/Thumbs.db", "samples/._a.wav"):
        (tmp_path / "out" / litter).write_bytes(b"x")
    made(tiny, tmp_path / "out", Patch(), title="two")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["manifest.json", "samples", "two.sfz"]


def test_labels_keep_their_letters_and_titles_are_names_on_windows_too(tiny: Synthesizer, tmp_path: Path) -> None:
    names = ["Ωmega", "Флейта", "笛", "Ölfaß"]
    report, _ = made(tiny, tmp_path / "out", *(Patch(name=name) for name in names), title="AUX")
    assert report.path.name == "aux_.sfz"
    lines = report.path.read_text("utf-8").splitlines()
    assert [line.removeprefix("sw_label=") for line in lines if line.startswith("sw_label=")] == names


def test_interrupted_leaves_nothing(tiny: Synthesizer, tmp_path: Path) -> None:
    plan, machine = make_plan(tiny, "sfz", [Patch()])

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(tiny, "sfz", plan, tmp_path / "out", machine, stop)
    assert list(tmp_path.iterdir()) == []


def test_exporting_twice_gives_the_same_zip(tiny: Synthesizer, tmp_path: Path) -> None:
    archives = []
    for name in ("a", "b"):
        room = tmp_path / name
        room.mkdir()
        archives.append(export_zip(tiny, "sfz", [TRUMPET.model_copy(update={"name": "x"})], room, title="same"))
    assert archives[0].name == "same.zip"
    assert archives[0].read_bytes() == archives[1].read_bytes()


def test_loop_ends_are_written_as_found(starter: Synthesizer) -> None:
    plan = Plan(patches=(Patch(),), step=24, title="steady")
    bank = steady_bank(render(starter, plan, planning.zones(starter, plan)), starter.sample_rate)
    placed = {name: ("samples/x.wav", sample) for name, sample in bank}
    _, sample = next(iter(placed.values()))
    assert isinstance(sample.loop, loops.Loop)
    text = document("sfz", bank, placed, (), "0" * 64)
    assert f"loop_mode=loop_continuous loop_start={sample.loop.start} loop_end={sample.loop.end}" in text
