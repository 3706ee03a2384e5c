"""WAV folders for hardware: formats, names and limits of each machine are kept."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.bundle.tiny import drum_bundle
from tests.export.conftest import exported
from tests.export.test_export_riff import chunks_of, info_of, sampler_of

from darktimbre.export import profiles
from darktimbre.export.packing import make_plan
from darktimbre.export.plan import suggested
from darktimbre.export.profiles import PROFILES
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.patch import Patch
from darktimbre.synthesizer.synthesizer import Synthesizer

BOWL = Patch(attributes={"Singing bowl": 0.8}, seed=2)
SUBTYPES = {16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}


made = partial(exported, "wavs")


@pytest.mark.parametrize("name", PROFILES)
def test_files_are_what_the_machine_takes(name: str, tiny: Synthesizer, tmp_path: Path) -> None:
    machine = PROFILES[name]
    report, manifest = made(tiny, tmp_path / "out", BOWL, Patch(), hardware=name, velocity_layers=2)
    files = sorted((tmp_path / "out").rglob("*.wav"))
    assert {path.relative_to(tmp_path / "out").as_posix() for path in files} == set(manifest["contents"])
    assert report.samples == len(manifest["files"]) == 3 * 2 + 3  # the second setting's layers are alike
    for path in files:
        sound = soundfile.info(path)
        assert sound.samplerate == machine.rate
        assert sound.subtype == SUBTYPES[machine.bits]
        assert sound.channels == machine.channels
        assert sound.duration <= machine.seconds
        assert len(path.stem) <= machine.stem
        assert path.stem.isascii()
        assert path.stem.replace("_", "").replace("-", "").isalnum()
    assert machine.source


def test_root_note_words_and_program_are_in_the_file(tiny: Synthesizer, tmp_path: Path) -> None:
    made(tiny, tmp_path / "out", BOWL)
    found = chunks_of((tmp_path / "out" / "1_singing-bowl" / "1_singing-bowl_061_Cs4.wav").read_bytes())
    assert sampler_of(found["smpl"])["unity"] == 61
    info = info_of(found["LIST"])
    assert info["INAM"] == "Singing bowl"
    assert info["IKEY"] == "Singing bowl"
    assert "Singing bowl 0.80" in info["ICMT"]
    assert "seed 2" in info["ICMT"]
    assert info["ISFT"].startswith("darktimbre")


def test_a_reel_holds_every_note_as_a_slice(tiny: Synthesizer, tmp_path: Path) -> None:
    _, manifest = made(tiny, tmp_path / "out", BOWL, Patch(), hardware="morphagene")
    assert sorted(path.name for path in (tmp_path / "out").glob("*.wav")) == ["mg1.wav", "mg2.wav"]
    read, _ = soundfile.read(tmp_path / "out" / "mg1.wav", always_2d=True)
    np.testing.assert_array_equal(read[:, 0], read[:, 1])
    found = chunks_of((tmp_path / "out" / "mg1.wav").read_bytes())
    cues = np.frombuffer(found["cue "][4:], "<u4").reshape(-1, 6)[:, 5].tolist()
    slices = [entry for entry in manifest["files"] if entry["file"] == "mg1.wav"]
    assert cues == [entry["slice_start"] for entry in slices]
    own = tiny.render(pitch=60.0, attributes=BOWL.attributes, seed=[2])[0]
    part = read[cues[1] : cues[2], 0]
    assert len(part) == round(len(own) * 48_000 / tiny.sample_rate)
    spectra = [np.abs(np.fft.rfft(wave))[:900] for wave in (part, own)]
    assert np.corrcoef(*spectra)[0, 1] > 0.999


def test_one_shots_are_takes_of_every_subclass(tmp_path: Path) -> None:
    instrument = Synthesizer(drum_bundle())
    report, manifest = made(
        instrument, tmp_path / "out", *suggested(instrument, seed=4), variations=3, normalise="none"
    )
    names = [entry["file"] for entry in manifest["files"]]
    stems = ((1, "drums-kick"), (2, "drums-snare"))
    assert names == [f"{n}_{what}/{n}_{what}_{take:02d}.wav" for n, what in stems for take in (1, 2, 3)]
    assert report.samples == 6
    assert [entry["seed"] for entry in manifest["files"]] == [4, 5, 6] * 2
    for entry in manifest["files"]:
        assert entry["attributes"]["drums"] == 1.0  # the class of the subclass is set too
    read, _ = soundfile.read(tmp_path / "out" / names[1])
    own = instrument.render(attributes={"drums": 1.0, "drums/kick": 1.0}, seed=[5])[0]
    spectra = [np.abs(np.fft.rfft(wave))[:900] for wave in (read, own)]
    assert np.corrcoef(*spectra)[0, 1] > 0.999
    _, radio = made(instrument, tmp_path / "radio", *suggested(instrument), variations=2, hardware="radio-music")
    assert [entry["file"] for entry in radio["files"]] == [f"bank{n}/00{take}.wav" for n in (0, 1) for take in (1, 2)]


def test_variations_of_a_pitched_instrument_are_named_apart(tiny: Synthesizer, tmp_path: Path) -> None:
    _, manifest = made(tiny, tmp_path / "out", BOWL, variations=2)
    names = [Path(entry["file"]).name for entry in manifest["files"]]
    assert names[:2] == ["1_singing-bowl_01_059_B3.wav", "1_singing-bowl_01_060_C4.wav"]
    assert names[3] == "1_singing-bowl_02_059_B3.wav"


def test_limits_are_kept(tiny: Synthesizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(PROFILES["digitakt"], seconds=0.1, stem=8)
    monkeypatch.setitem(profiles.PROFILES, "digitakt", small)
    report, manifest = made(tiny, tmp_path / "out", BOWL, hardware="digitakt")
    assert report.shortened == report.samples == 3
    stems = [Path(entry["file"]).stem for entry in manifest["files"]]
    assert len(set(stems)) == 3
    assert max(map(len, stems)) <= 8
    for entry in manifest["files"]:
        wave, _ = soundfile.read(tmp_path / "out" / entry["file"])
        assert len(wave) == 4800
        assert abs(wave[-1]) < 1e-3  # faded, not cut off

    few = replace(PROFILES["radio-music"], files=2)
    monkeypatch.setitem(profiles.PROFILES, "radio-music", few)
    with pytest.raises(UserError, match="shows 2 files of a folder, this makes 3"):
        made(tiny, tmp_path / "few", BOWL, hardware="radio-music")
    assert not (tmp_path / "few").exists()

    monkeypatch.setitem(profiles.PROFILES, "radio-music", replace(PROFILES["radio-music"], files=9, folders=1))
    with pytest.raises(UserError, match="has 1 folders, this makes 2"):
        made(tiny, tmp_path / "banks", BOWL, Patch(), hardware="radio-music")

    one_reel = replace(PROFILES["morphagene"], reel_names=("mg1",), slices=2)
    monkeypatch.setitem(profiles.PROFILES, "morphagene", one_reel)
    with pytest.raises(UserError, match="holds 1 reels, this makes 2"):
        made(tiny, tmp_path / "reels", BOWL, hardware="morphagene")


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"hardware": "octatrack", "rate": 48_000}, "plays files of 44100 Hz, not 48000"),
        ({"hardware": "digitakt", "bits": 24}, "plays files of 16 bits, not 24"),
        ({"hardware": "fairlight"}, "no profile 'fairlight'; choose one of generic"),
    ],
)
def test_what_the_machine_does_not_play_is_refused(wanted: dict, sentence: str, tiny: Synthesizer) -> None:
    with pytest.raises(UserError, match=sentence):
        make_plan(tiny, "wavs", [BOWL], **wanted)
