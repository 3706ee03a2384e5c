"""`darktimbre export sfz|decentsampler|wavs` from the command line."""

import json
import zipfile
from pathlib import Path

import pytest
import torch
from tests.bundle.tiny import tiny_autoencoder, tiny_inverter
from tests.conftest import Run

from darktimbre.bundle.bundle import Bundle
from darktimbre.cli.export import patches_of
from darktimbre.synthesizer.patch import Patch


def test_a_copy_is_smaller_without_notes_and_with_the_inversion_wanted(run: Run, tmp_path: Path) -> None:
    whole = tiny_autoencoder(encoded=True).save_pretrained(tmp_path / "whole")
    inverter = tiny_inverter().save_pretrained(tmp_path / "inverter")
    run("export", "bundle", whole, tmp_path / "copy", "--half", "--no-latents", "--inversion", inverter)
    copy = Bundle.from_pretrained(tmp_path / "copy")
    assert copy.encoded is None
    assert copy.inverter is not None
    assert {tensor.dtype for tensor in copy.weights.values()} == {torch.float16}
    run("export", "bundle", whole, tmp_path / "copy")
    assert Bundle.from_pretrained(tmp_path / "copy").sound_digest == tiny_autoencoder().sound_digest
    (tmp_path / "mine").mkdir()
    assert "holds no bundle: name another folder" in run("export", "bundle", whole, tmp_path / "mine", status=2)
    assert not list((tmp_path / "mine").iterdir())


@pytest.mark.parametrize("mine", ["notes.txt", ".git/HEAD", "pytorch_model.bin", "config.json"])
def test_a_copy_takes_the_place_of_a_bundle_alone(bundle: Path, run: Run, tmp_path: Path, mine: str) -> None:
    """Not of one with the user's files beside it, nor of another program's model, which has a config.json, too."""
    out = tmp_path / "out"
    run("export", "bundle", bundle, out)
    (out / mine).parent.mkdir(exist_ok=True)
    (out / mine).write_text("{}")
    assert "name another folder" in run("export", "bundle", bundle, out, status=2)
    assert (out / mine).read_text() == "{}"


def test_without_settings_the_middle_and_two_words_are_exported(bundle: Path, run: Run, tmp_path: Path) -> None:
    output = run("export", "sfz", bundle, tmp_path / "out")
    assert "9 samples of 3 setting(s) (Middle, Singing bowl, Trumpet)" in output
    assert "play tiny.sfz" in output
    assert "Key-switches: " in output
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert [setting["name"] for setting in manifest["settings"]] == ["Middle", "Singing bowl", "Trumpet"]


def test_patches_and_words_together(bundle: Path, run: Run, tmp_path: Path) -> None:
    saved = tmp_path / "bell.json"
    saved.write_text(json.dumps(Patch(name="Bell", attributes={"singing bowl": 0.7}, pad=(0.5, 0.0)).to_json()))
    options = ["--patch", saved, "--set", "Drum=0.6, trumpet=0.2", "--seed", 4, "--velocity-layers", 2, "--zip"]
    run("export", "decentsampler", bundle, tmp_path / "out", *options)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []  # no room left behind
    with zipfile.ZipFile(tmp_path / "out.dslibrary") as pack:
        manifest = json.loads(pack.read("manifest.json"))
    first, second = (setting["patch"] for setting in manifest["settings"])
    assert (first["name"], first["pad"]) == ("Bell", [0.5, 0.0])
    assert (second["attributes"], second["seed"]) == ({"Drum": 0.6, "trumpet": 0.2}, 4)


def test_names_with_commas_are_settings_too() -> None:
    violin, both = patches_of(["Violin, fiddle=0.7", "Drum=1, Violin, fiddle = 0.5"], 0)
    assert violin.attributes == {"Violin, fiddle": 0.7}
    assert both.attributes == {"Drum": 1.0, "Violin, fiddle": 0.5}


def test_wavs_for_a_machine(bundle: Path, run: Run, tmp_path: Path) -> None:
    run("export", "wavs", bundle, tmp_path / "out", "--for", "octatrack", "--set", "Drum=1")
    assert len(list((tmp_path / "out" / "AUDIO" / "1_drum").glob("*.wav"))) == 3


def test_the_seed_is_that_of_the_suggested_settings_too(bundle: Path, run: Run, tmp_path: Path) -> None:
    run("export", "sfz", bundle, tmp_path / "out", "--seed", 5)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert {setting["patch"]["seed"] for setting in manifest["settings"]} == {5}


def test_an_archive_replaces_an_earlier_export_and_nothing_else(bundle: Path, run: Run, tmp_path: Path) -> None:
    archive = tmp_path / "out.zip"
    for seed in (0, 1):
        run("export", "sfz", bundle, archive, "--zip", "--set", "Drum=1", "--seed", seed)
    with zipfile.ZipFile(tmp_path / "songs.zip", "w") as mine:
        mine.writestr("song.mid", b"mine")
    (tmp_path / "text.zip").write_bytes(b"mine")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for name in ("songs.zip", "text.zip"):
        refused = run("export", "sfz", bundle, tmp_path / name, "--zip", "--set", "Drum=1", status=2)
        assert "no export of darktimbre" in refused
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("form", ["sfz", "wavs"])
def test_alike_layers_are_named(form: str, bundle: Path, run: Run, tmp_path: Path) -> None:
    output = run("export", form, bundle, tmp_path / "out", "--velocity-layers", 2)
    assert "The velocity layers of Middle are alike" in output


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--set", "Trumpit=1"], "Did you mean 'Trumpet'"),
        (["--set", "Trumpet"], "is not NAME=VALUE"),
        (["--set", "Trumpet=9"], "less than or equal to 3"),
        (["--patch", "nowhere.json"], "cannot be read"),
        (["--arrangement", "robin"], "choose one of keyswitch, velocity, layers"),
        (["--bits", "12"], "16, 24 or 32 bits"),
        (["--bits", "0"], "16, 24 or 32 bits"),
        (["--rate", "0"], "between 8000 and 192000"),
        (["--seed", str(2**53)], "seed: should be less than"),
        (["--normalise", "loud"], "peak or none"),
        (["--rate", "1"], "between 8000 and 192000"),
    ],
)
def test_mistakes_end_in_one_sentence_and_leave_nothing(
    words: list[str], sentence: str, bundle: Path, run: Run, tmp_path: Path
) -> None:
    assert sentence in run("export", "sfz", bundle, tmp_path / "out", *words, status=2)
    assert list(tmp_path.iterdir()) == []


def test_the_help_names_every_profile(run: Run) -> None:
    from darktimbre.export.profiles import PROFILES

    printed = run("export", "wavs", "--help")
    assert all(name in printed for name in PROFILES)
