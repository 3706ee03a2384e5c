"""A bundle that anybody may have written: whatever its config.json says ends in one sentence, and allocates nothing."""

import json
import resource
from pathlib import Path
from typing import Any

import pytest
from tests.bundle.tiny import tiny_autoencoder, tiny_bundle
from tests.conftest import Run

from darktimbre.bundle.bundle import Bundle
from darktimbre.models.dcgan import DcganConfig
from darktimbre.models.inception import InceptionConfig
from darktimbre.models.inversion import InversionConfig
from darktimbre.notes.bounded import LARGEST
from darktimbre.notes.errors import UserError
from darktimbre.representation.config import CodecConfig


def _changed(folder: Path, path: str, value: Any) -> Path:
    """A bundle with one entry of its config.json changed, by the path of its keys."""
    config = json.loads((folder / "config.json").read_text())
    *keys, last = path.split(".")
    inner = config
    for key in keys:
        inner = inner.setdefault(key, {})
    inner[last] = value
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_bundle(baseline=[0.1, 0.2, 0.3], examples=[[0.1, 0.2, 0.3]]).save_pretrained(tmp_path / "bundle")


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("baseline", 0.5, "baseline"),
        ("baseline", [0.5, "x", 0.5], "baseline.1"),
        ("baseline", [0.5], "baseline"),
        ("baseline", [0.5, 0.5, 1e30], "baseline.2"),
        ("examples", [[0.5]], "examples"),
        ("examples", [["a", "b", "c"]], "examples.0.0"),
        ("provenance", "by me", "provenance"),
        ("provenance.licence", ["MIT"], "provenance.licence"),
        ("provenance.notes_seen", "many", "provenance.notes_seen"),
        ("provenance.corpus", 7, "provenance.corpus"),
        ("metrics", [], "metrics"),
        ("metrics.evaluation", 3, "metrics.evaluation"),
        ("metrics.evaluation.attributes", {"Drum": "high"}, "metrics.evaluation.attributes.Drum"),
        ("recipe", 1, "recipe"),
        ("recipe.name", {"a": 1}, "recipe.name"),
        ("architecture", [], "architecture"),
        ("level", 5, "level"),
        ("attributes.pitches", [None, 60, 61], "attributes"),
        ("attributes.pitches", [59, 60, 60], "attributes"),
        ("attributes.pitches", [59, 60, 6000], "attributes"),
        ("attributes.names", ["a", "b", 3], "attributes"),
        ("attributes.names", ["a", "b", "x" * 1000], "attributes"),
        ("attributes.teacher", None, "attributes"),
        ("attributes.temperature", "hot", "attributes"),
        ("attributes.temperature", 0, "attributes"),
        ("attributes.more", 1, "attributes"),
        ("codec.sample_rate", 10**12, "sample_rate"),
        ("codec.samples", 10**12, "samples"),
        ("codec.n_fft", 2**40, "n_fft"),
        ("codec.frames", 10**9, "frames"),
        ("codec.hop", 1, "frames"),
        ("codec.iterations", 10**9, "iterations"),
        ("codec.low", float("inf"), "low"),
        ("network.latent", 10**18, "latent"),
        ("network.widths", [2**30, 8, 8], "widths"),
        ("network.start", [2**20, 2**20], "axis doubles"),
        ("network.growth", [[32, 8]] * 100_000, "growth"),
        ("network.bands", 2**23, "maps of"),
        ("network.bin_hz", float("nan"), "bin_hz"),
        ("network.pitches", [59, 60, -61], "pitches"),
        ("network.pac", 2**60, "pac"),
        ("network.hidden", 10**400, "hidden"),
    ],
)
def test_every_field_is_typed_and_every_number_bounded(
    folder: Path, run: Run, tmp_path: Path, path: str, value: Any, named: str
) -> None:
    _changed(folder, path, value)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for words in (("synth", "random", folder, tmp_path / "out"), ("export", "sfz", folder, tmp_path / "sfz")):
        sentence = run(*words, status=2)
        assert sentence.strip().count("\n") == 0
        assert named in sentence
        assert len(sentence) < 600
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 18  # kB
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "levels deep"),
        ('{"a":' * 100 + "1" + "}" * 100, "levels deep"),
        ("[" * 1_000_000, "levels deep"),
        (" " * (17 << 20), "larger than 16 MiB"),
        ('{"format": 1, "x": ' + "9" * 5000 + "}", "cannot be read as JSON"),
        ("\xff\xfe", "cannot be read as JSON"),
        ("null", "names no `format`"),
    ],
)
def test_depth_and_size_of_its_json_are_limited(folder: Path, content: str, why: str) -> None:
    (folder / "config.json").write_text(content, encoding="latin-1")
    with pytest.raises(UserError, match=why):
        Bundle.from_pretrained(folder)


def test_what_is_not_known_is_kept_and_hinders_nothing(folder: Path) -> None:
    for path in ("provenance.own", "metrics.own", "recipe.own", "own"):
        _changed(folder, path, [{"a": 1}])
    assert Bundle.from_pretrained(folder).config["own"] == [{"a": 1}]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("network.latent", 10**9),
        ("network.harmonics", 2**23),
        ("network.frames", 2**22),
        ("network.n_fft", 2**24),
    ],
)
def test_numbers_of_autoencoders_are_bounded_too(tmp_path: Path, path: str, value: int) -> None:
    folder = tiny_autoencoder().save_pretrained(tmp_path / "bundle")
    with pytest.raises(UserError, match=f"{tmp_path}.*cannot be"):
        Bundle.from_pretrained(_changed(folder, path, value)).generator()


@pytest.mark.parametrize("sizes", [CodecConfig, InversionConfig, InceptionConfig, DcganConfig])
def test_no_whole_number_of_any_size_is_unbounded(sizes: Any) -> None:
    for name, field in sizes.model_fields.items():
        if field.annotation is int:
            with pytest.raises(ValueError, match=name):
                sizes(**{name: LARGEST + 1})
