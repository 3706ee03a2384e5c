"""Grids of styles: real ranges, a recording in one split alone in every preset that plays it, every style in each."""

from collections import Counter, defaultdict
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import Run

from darktimbre.audio.pitch import yin
from darktimbre.corpus.grids import find_soundfonts, grids, notes_of, read_grids, render_grid
from darktimbre.notes.errors import UserError
from darktimbre.notes.pitch import hz_to_midi

SMALL = """
[small]
about = "a sine far and near"
seconds = 0.4
hold = 0.2
gain = 0.8
velocities = [60, 100]
cells = [
    { tags = ["plain", "near"], keys = [60, 63], presets = { sines = ["0:0"] } },
    { tags = ["kit"], keys = [50, 60], presets = { sines = ["128:0"] }, velocities = [100] },
]
"""


def installed(name: str) -> None:
    try:
        find_soundfonts(grids()[name])
    except UserError as error:
        pytest.skip(str(error))


def test_shipped_grids_are_whole() -> None:
    shipped = grids()
    assert list(shipped) == ["strings", "timbres", "techniques"]
    for grid in shipped.values():
        places = [(font, place) for cell in grid.cells for font, of in cell.presets.items() for place in of]
        assert len(places) == len(set(places))  # a preset in two cells would have two sets of tags
        assert 0 < grid.hold < grid.seconds  # so that the end of a note is in it
        for cell in grid.cells:
            assert cell.tags
            assert 21 <= cell.keys[0] < cell.keys[-1] <= 108
    sections, techniques = {"violins", "violas", "celli", "basses"}, {"tremolo", "pizzicato", "fast", "slow"}
    assert {frozenset(cell.tags) for cell in shipped["strings"].cells} == {
        frozenset(pair) for pair in product(sections, techniques)
    }
    assert len({cell.tags for cell in shipped["timbres"].cells}) == 12
    banks = {bank for grid in shipped.values() for cell in grid.cells for of in cell.presets.values() for bank, _ in of}
    assert not banks & {25, 26}  # they reuse 20 and 21


@pytest.mark.usefixtures("playable")
def test_a_grid_becomes_a_corpus_with_styles(sines: Path, tmp_path: Path) -> None:
    corpus = render_grid(tmp_path / "c", read_grids(SMALL)["small"], [sines], workers=1)
    assert len(corpus) == 4 * 2 + 11
    assert corpus.note(0).styles == ("near", "plain")
    assert set(corpus.column("split_key")) == {"recording:low"}  # both presets play the one recording
    assert set(corpus.column("split")) == {"train"}
    assert corpus.meta["split"]["policy"] == "style"
    assert corpus.meta["provenance"]["grid"] == "small"
    audio = np.abs(corpus.waves([0])[0])
    assert audio[: len(audio) // 2].max() > 10 * audio[-100:].max()  # its key was let go
    again = render_grid(tmp_path / "d", read_grids(SMALL)["small"], [sines], workers=2)
    assert again.digest == corpus.digest


@pytest.mark.usefixtures("playable")
def test_keys_and_velocities_can_be_fewer(sines: Path, tmp_path: Path) -> None:
    corpus = render_grid(tmp_path / "c", read_grids(SMALL)["small"], [sines], pitches=(60, 61), velocities=(100,))
    assert sorted(corpus.column("pitch").tolist()) == [60, 60, 61]
    with pytest.raises(UserError, match="pitches requested"):
        render_grid(tmp_path / "d", read_grids(SMALL)["small"], [sines], pitches=(10,))


@pytest.mark.parametrize("name", ["strings", "timbres", "techniques"])
def test_no_recording_is_in_two_splits_and_every_style_is_in_each(name: str) -> None:
    installed(name)
    notes = [note for _, of in notes_of(grids()[name], find_soundfonts(grids()[name])) for note in of]
    splits: dict[str, set[str]] = defaultdict(set)
    shares: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for note in notes:
        splits[note.split_key].add(note.split)
        shares[note.styles][note.split] += 1
    assert all(len(of) == 1 for of in splits.values())
    for parts in shares.values():
        total = parts.total()
        assert parts["train"] > 0.5 * total
        assert 0.05 * total < min(parts["valid"], parts["test"])
        assert max(parts["valid"], parts["test"]) < 0.3 * total
    _check_shared_samples(name, {(note.origin.split(":", 1)[1], note.pitch): note.split_key for note in notes})


def _check_shared_samples(name: str, of: dict[tuple[str, int | None], str]) -> None:
    """Places known to share a recording have one key: neighbours, "slow" and "fast", copies for higher keys."""
    known = {
        "strings": [
            (("20:48", 65), ("20:49", 65)),
            (("20:44", 89), ("20:44", 90)),
            (("50:49", 58), ("50:49", 65)),
            (("20:45", 64), ("20:45", 67)),
        ],
        "timbres": [(("0:56", 60), ("0:56", 66)), (("0:71", 60), ("0:71", 62)), (("0:40", 75), ("8:40", 77))],
        "techniques": [(("0:40", 75), ("8:40", 76)), (("0:48", 60), ("0:49", 61)), (("20:48", 65), ("20:49", 66))],
    }
    for one, other in known[name]:
        assert of[one] == of[other]
    assert of[known[name][0][0]] != of[known[name][1][0]]


def test_sustained_notes_sound_at_their_pitch(tmp_path: Path) -> None:
    installed("strings")
    corpus = render_grid(
        tmp_path / "c", grids()["strings"], pitches=(55, 60, 64), velocities=(104,), seconds=1.0, workers=1
    )
    origins = corpus.column("origin")
    rows = np.flatnonzero([not str(origin).endswith(":45") for origin in origins])  # a plucked note is half attack
    hertz, _ = yin(corpus.waves(rows), corpus.sample_rate, threshold=0.3)
    cents = [100 * (hz_to_midi(f) - key) for f, key in zip(hertz, corpus.column("pitch")[rows], strict=True)]
    assert max(map(abs, cents)) < 35


def test_mistakes_end_in_one_sentence(sines: Path, tmp_path: Path, run: Run) -> None:
    assert "choose one of strings, timbres" in run("render", tmp_path / "c", "--grid", "winds", status=2)
    assert "leave out --builtin" in run("render", tmp_path / "c", "--grid", "strings", "--builtin", status=2)
    missing = run("render", tmp_path / "c", "--grid", "strings", "--soundfont", sines, status=2)
    assert "apt install musescore-general-soundfont" in missing
    other = sines.with_name("sines-of-another.sf2")
    other.write_bytes(sines.read_bytes())
    with pytest.raises(UserError, match="no preset 0:7"):
        render_grid(tmp_path / "c", read_grids(SMALL.replace("0:0", "0:7"))["small"], [other])
