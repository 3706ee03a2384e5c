"""`from darktimbre import …`: light, without side effects, and enough to train and play an instrument."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.bundle.tiny import tiny_bundle
from tests.cli.test_cli_evaluate import FEW
from tests.evaluation.band_tones import BandTagger, band_tones
from tests.training.tiny import make_corpus, tiny_recipe

import darktimbre
from darktimbre import Bundle, Corpus, Recipe, Synthesizer, evaluate, train
from darktimbre.training.recipe import dump_recipe

_IMPORTING = """
import logging, os, sys, threading, warnings
def state():
    return dict(os.environ), threading.active_count(), logging.root.handlers[:], logging.root.level, os.getcwd()
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # the one thing that importing sets
before, filters, paths = state(), warnings.filters[:], (sys.path[:], sys.meta_path[:])
import darktimbre
assert set(darktimbre.__all__) <= set(dir(darktimbre))
assert (state(), warnings.filters, (sys.path, sys.meta_path)) == (before, filters, paths)
heavy = {"torch", "numpy", "matplotlib", "pyarrow", "pydantic", "lightning_fabric", "typer"} & set(sys.modules)
assert not heavy, heavy
import lightning_fabric, matplotlib, torch  # which set some of it themselves
before, rng = state(), torch.get_rng_state()
torch.set_num_threads(3)
from darktimbre import *
assert state() == before
assert torch.get_num_threads() == 3
assert torch.get_default_dtype() == torch.float32
assert torch.equal(torch.get_rng_state(), rng)
assert matplotlib.rcParams._get("backend") is matplotlib.rcsetup._auto_backend_sentinel
"""


def test_importing_is_light_and_changes_no_global_state() -> None:
    ended = subprocess.run([sys.executable, "-c", _IMPORTING], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_every_name_is_there_and_no_other() -> None:
    for name in darktimbre.__all__:
        assert getattr(darktimbre, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Sampler'"):
        _ = darktimbre.Sampler
    assert (Path(darktimbre.__file__).parent / "py.typed").is_file()


def test_from_a_corpus_to_a_note(tmp_path: Path) -> None:
    make_corpus(tmp_path / "corpus")
    (tmp_path / "tiny.yaml").write_text(dump_recipe(tiny_recipe()), encoding="utf-8")
    recipe = Recipe.load(tmp_path / "tiny.yaml", ["seed=3"])
    assert recipe.seed == 3
    said: list[str] = []
    outcome = train(recipe, corpus=Corpus.open(tmp_path / "corpus"), run=tmp_path / "run", devices=1, say=said.append)
    assert outcome.reason == "done"
    assert outcome.bundle == tmp_path / "run" / "bundle"
    instrument = Synthesizer.from_pretrained(outcome.bundle)
    assert instrument.bundle.digest == Bundle.from_pretrained(outcome.bundle).digest
    waves = instrument.render(pitch=70, attributes={"Drum": 0.8}, seed=[1, 2])
    assert waves.shape == (2, 248)
    assert np.isfinite(waves).all()
    again = train(tmp_path / "tiny.yaml", corpus=tmp_path / "corpus", run=tmp_path / "other", minutes=1e-9, say=print)
    assert again.reason == "time"


def test_an_instrument_is_evaluated_by_the_models_handed_in(tmp_path: Path) -> None:
    counts = {name: int(count) for name, count in (one.split("=") for one in FEW)}
    corpus = band_tones(tmp_path / "tones")
    mine, out = Synthesizer(tiny_bundle()), tmp_path / "out"
    results = evaluate({"mine": mine}, corpus, out=out, tagger=BandTagger(), counts=counts, card=False)
    assert [system.name for system in results.systems][-1] == "mine"
    assert (out / "report.html").is_file()


def test_rooms_import_nothing_from_the_front_door_but_rooms_and_the_version() -> None:
    """The import law ignores the front door, which names rooms for types alone: no room may go around it this way."""
    source = Path(darktimbre.__file__).parent
    rooms = {path.name for path in source.iterdir() if path.is_dir()}
    for path in source.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "darktimbre":
                assert {name.name for name in node.names} <= rooms | {"__version__"}, path
