"""Style tags: from the table to what a model is conditioned on, and the warnings where they cannot be tested."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.conftest import Run

from darktimbre.corpus.classes import OTHER, family_of
from darktimbre.corpus.corpus import Corpus
from darktimbre.corpus.describe import describe
from darktimbre.corpus.plots import _filed
from darktimbre.corpus.styles import check_styles, octaves_of, shared_octaves, styles_of
from darktimbre.corpus.writer import CorpusWriter
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note


def make(path: Path, *notes: Note) -> Corpus:
    with CorpusWriter(path, sample_rate=16_000, samples=16, split="given") as writer:
        for number, note in enumerate(notes):
            writer.add(replace(note, id=f"{number}"), np.full(16, 0.5))
    return writer.corpus


def note(*styles: str, pitch: int | None = 60, split: str = "train", **known: str) -> Note:
    return Note(
        id="", instrument=known.pop("instrument", "one"), origin="", seconds=1.0, pitch=pitch, styles=styles,
        split=split, **known,
    )  # fmt: skip


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return make(
        tmp_path / "c",
        note("violins", "tremolo", category="low", subcategory="a"),
        note("tremolo", "violins", "tremolo", pitch=72),
        note("violins", category="low"),
        note(),
    )


def test_styles_are_tags_and_the_sets_that_notes_combine(corpus: Corpus) -> None:
    styles = styles_of(corpus, corpus.rows())
    assert styles.names == ("tremolo", "violins")
    assert styles.values.tolist() == [[1, 1], [1, 1], [0, 1], [0, 0]]
    assert styles.combinations == ("tremolo + violins", "violins")  # whatever the order and however often
    assert styles.combination.tolist() == [0, 0, 1, -1]
    assert corpus.note(0).styles == ("violins", "tremolo")


def test_names_are_those_of_the_whole_corpus_whatever_the_rows(corpus: Corpus) -> None:
    some = styles_of(corpus, np.array([2]))
    assert (some.names, some.combinations) == (("tremolo", "violins"), ("tremolo + violins", "violins"))
    assert (some.values.tolist(), some.combination.tolist()) == ([[0, 1]], [1])


def test_the_classifier_has_a_class_for_each_combination(corpus: Corpus) -> None:
    named = family_of(corpus, corpus.rows(), "styles")
    assert named.tolist() == ["tremolo + violins", "tremolo + violins", "violins", OTHER]
    assert family_of(corpus, corpus.rows(), "instrument").tolist() == ["one"] * 4


def test_other_columns_serve_as_styles(corpus: Corpus) -> None:
    assert styles_of(corpus, corpus.rows(), "category").combination.tolist() == [0, -1, 0, -1]
    assert styles_of(corpus, corpus.rows(), "subcategory").names == ("low", "low/a")
    with pytest.raises(UserError, match="choose one of styles, category"):
        styles_of(corpus, corpus.rows(), "colour")


def test_a_corpus_of_before_has_no_styles_and_opens_unchanged(corpus: Corpus) -> None:
    table = corpus.path / "notes.parquet"
    pq.write_table(pq.read_table(table).drop_columns(["styles"]), table)
    opened = Corpus.open(corpus.path)
    opened.verify()
    assert opened.digest == corpus.digest
    assert opened.column("styles").tolist() == [()] * 4
    assert opened.note(0).styles == ()
    assert styles_of(opened, opened.rows()).names == ()
    assert describe(opened)["styles"] is None


def test_octaves_are_shared_where_every_combination_plays() -> None:
    assert octaves_of(np.array([59, 60, 71, 72, -1])) == (3, 4, 5)


def test_styles_that_play_elsewhere_are_warned_of(tmp_path: Path) -> None:
    apart = make(tmp_path / "apart", note("bass", pitch=30), note("violin", pitch=60), note("violin", pitch=None))
    assert shared_octaves(apart.column("pitch"), styles_of(apart, apart.rows())) == ()
    (warning,) = check_styles(apart, apart.rows())
    assert "bass plays in octave 1; violin plays in octave 4" in warning
    partly = make(tmp_path / "partly", note("bass", pitch=30), note("bass", pitch=60), note("violin", pitch=61))
    (warning,) = check_styles(partly, partly.rows())
    assert warning.startswith("Only in octave 4 do all 2 styles play")


def test_a_style_without_held_out_notes_and_notes_without_a_style_are_reported(tmp_path: Path) -> None:
    held = make(tmp_path / "c", note("a"), note("b"), note("a", split="test"), note())
    untagged, missing = check_styles(held, held.rows())
    assert untagged.startswith("1 of 4 notes have no style")
    assert missing.startswith("b has no test notes")
    assert not check_styles(held, np.array([0, 1]))


def test_no_style_and_one_style_are_refused_with_a_remedy(tmp_path: Path, corpus: Corpus) -> None:
    with pytest.raises(UserError, match=r"no style tags: .*--style-column.*--grid strings"):
        check_styles(corpus, np.array([3]))
    alone = make(tmp_path / "alone", note("a"), note("a"))
    with pytest.raises(UserError, match=r"All notes of .* have the style 'a'"):
        check_styles(alone, alone.rows())
    with pytest.raises(UserError, match="no family to take styles from"):
        check_styles(alone, alone.rows(), "family")
    beside = make(tmp_path / "beside", note("a"), note())  # with it, and without it
    assert len(check_styles(beside, beside.rows())) == 1


def test_info_counts_styles_by_split_and_shows_shared_octaves(corpus: Corpus, run: Run) -> None:
    facts = describe(corpus)["styles"]
    assert facts["tags"]["violins"] == {"notes": 3, "train": 3, "valid": 0, "test": 0, "octaves": [4, 5]}
    assert facts["combinations"]["violins"]["octaves"] == facts["shared_octaves"] == [4]
    assert facts["untagged"] == 1
    printed = run("info", corpus.path, "--plot", corpus.path.with_suffix(".png"))
    assert _filed(corpus)[::2] == ("style", ["tremolo + violins", "violins", "other"])
    assert "octaves that all styles share: 4; notes without a style: 1" in printed
