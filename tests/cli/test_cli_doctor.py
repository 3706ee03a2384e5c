"""The doctor: every missing thing comes with its remedy, and only what is essential fails."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from tests.conftest import Run

from darktimbre.bundle import where
from darktimbre.cli import doctor
from darktimbre.corpus import fluid, soundfont
from darktimbre.notes.errors import UserError


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DARKTIMBRE_HOME", str(tmp_path))


def findings() -> dict[str, doctor.Finding]:
    return {one.what: one for one in doctor.examine()}


def test_table_and_json_say_the_same_of_a_working_installation(monkeypatch, run: Run) -> None:
    usage = shutil.disk_usage(".")
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: usage)  # other processes write meanwhile
    plain, found = run("doctor"), json.loads(run("doctor", "--json"))
    assert found["well"] is True
    for one in found["findings"]:
        assert one["found"] in plain
        assert one["remedy"] in plain
        assert (one["state"] == "good") == (not one["remedy"])
    names = {one["what"] for one in found["findings"]}
    assert {"Python", "torch", "device", "FluidSynth", "SoundFonts", "libsndfile", "starter", "disk"} <= names
    assert {f"teacher {name}" for name in ("yamnet", "cnn14", "cnn14-16k", "embedded")} <= names


def test_what_is_missing_is_named_with_its_remedy_and_does_not_fail(monkeypatch, run: Run, tmp_path) -> None:
    def missing() -> None:
        raise UserError(fluid.MISSING)

    monkeypatch.setattr(fluid, "load_library", missing)
    monkeypatch.setattr(soundfont, "installed_soundfonts", list)
    monkeypatch.setattr(where, "shipped_folder", lambda _name: tmp_path / "none")
    monkeypatch.setattr(doctor, "ROOM", 1e9)
    found = findings()
    remedies = {
        "FluidSynth": "apt install fluidsynth",
        "SoundFonts": "apt install fluid-soundfont-gm",
        "starter": "darktimbre train darkgan-small",
        "teacher yamnet": "darktimbre weights fetch yamnet",
        "disk": "free some",
    }
    for what, remedy in remedies.items():
        assert found[what].state == doctor.MISSING
        assert remedy in found[what].remedy
    run("doctor", status=0)


def test_kept_weights_are_listed_with_their_digest(tmp_path) -> None:
    home = tmp_path / "weights"
    home.mkdir()
    (home / "yamnet.safetensors").touch()
    (home / "weights.json").write_text(json.dumps({"yamnet": {"file": "yamnet.safetensors", "sha256": "ab" * 32}}))
    one = findings()["teacher yamnet"]
    assert one.state == doctor.GOOD
    assert "abababababab…" in one.found


def test_a_damaged_starter_is_not_called_good(monkeypatch, tmp_path) -> None:
    (tmp_path / "starter").mkdir()
    (tmp_path / "starter" / "config.json").write_text('{"format": 1, "network": {}, "attributes": {}, "codec": {}}')
    monkeypatch.setattr(where, "shipped_folder", lambda _name: tmp_path / "starter")
    one = findings()["starter"]
    assert one.state == doctor.MISSING
    assert "model.safetensors" in one.found
    assert one.remedy


def test_an_old_python_or_a_lost_library_is_an_error(monkeypatch, run: Run) -> None:
    monkeypatch.setattr(doctor, "OLDEST", (99, 0))
    monkeypatch.setitem(sys.modules, "soxr", None)  # importing it now fails
    found = findings()
    assert found["Python"].state == doctor.BROKEN
    assert "99.0" in found["Python"].remedy
    assert found["darktimbre"].state == doctor.BROKEN
    assert "soxr" in found["darktimbre"].found
    run("doctor", status=1)
