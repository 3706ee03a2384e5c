"""The split: stable everywhere, in the right proportions, and never through an instrument."""

import subprocess
import sys
from collections import Counter, defaultdict

import pytest

from darktimbre.corpus.plan import plan
from darktimbre.corpus.splits import SPLITS, assign, by_zone, split_of, spread
from darktimbre.notes.errors import UserError
from darktimbre.notes.note import Note


def test_known_keys_keep_their_split_for_ever() -> None:
    # A shipped instrument was trained on these parts; a change here would evaluate it on its training data.
    known = {
        "gm:000:000": "valid",
        "gm:000:001": "train",
        "gm:000:040": "valid",
        "gm:000:015": "test",
        "gm:128:000": "train",
    }
    assert {key: split_of(key) for key in known} == known


def test_the_split_does_not_depend_on_the_process() -> None:
    code = "from darktimbre.corpus.splits import split_of; print([split_of(str(k)) for k in range(50)])"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert runs == {f"{[split_of(str(k)) for k in range(50)]}\n"}


def test_proportions_are_80_10_10_and_the_seed_deals_anew() -> None:
    keys = [f"key {k}" for k in range(10_000)]
    shares = Counter(split_of(key) for key in keys)
    assert shares["train"] == pytest.approx(8000, abs=160)  # four standard deviations
    assert shares["valid"] == pytest.approx(1000, abs=120)
    assert sum(split_of(key) == split_of(key, seed=1) for key in keys) == pytest.approx(
        6600, abs=200
    )  # .8² + .1² + .1²


def test_no_instrument_is_in_two_splits_unless_requested() -> None:
    notes = [Note(id=f"n{k}", instrument=f"i{k % 40}", origin="", seconds=1.0) for k in range(2000)]
    parts = defaultdict(set)
    for note in notes:
        parts[note.instrument].add(assign(note, "instrument"))
    assert all(len(found) == 1 for found in parts.values())
    random = Counter(assign(note, "random") for note in notes)
    assert set(random) == {"train", "valid"}
    assert random["train"] == pytest.approx(1800, abs=60)


def test_the_key_decides_not_the_instrument() -> None:
    twins = [Note(id=f, instrument=f"{f}:000:040", origin="", seconds=1.0, split_key="gm:000:040") for f in "ab"]
    assert len({assign(note, "instrument", seed) for note in twins for seed in (5,)}) == 1


def test_unknown_policies_and_missing_splits_are_reported() -> None:
    note = Note(id="n", instrument="i", origin="", seconds=1.0)
    with pytest.raises(UserError, match="instrument, random, given"):
        assign(note, "alphabetical")
    with pytest.raises(ValueError, match="without a split"):
        assign(note, "given")


@pytest.mark.parametrize("limit", [1, 7, 189, 1000, 3000, 9000, 14_000])
def test_a_limited_plan_is_even(limit: int) -> None:
    plans = plan(189, range(44, 70), (50, 90, 120), limit)
    assert sum(map(len, plans)) == limit
    assert all(len(set(keys)) == len(keys) for keys in plans)
    shares = [len(keys) for keys in plans]
    assert max(shares) - min(shares) <= 1
    pitches = Counter(pitch for keys in plans for pitch, _ in keys)
    velocities = Counter(velocity for keys in plans for _, velocity in keys)
    if limit <= 189 * 26:
        assert max(pitches.values()) - min(pitches[p] for p in range(44, 70)) <= 1
    if limit >= 1000:
        assert max(velocities.values()) <= 1.1 * min(velocities.values())
    for keys in plans:
        often = Counter(pitch for pitch, _ in keys)
        assert not often or max(often.values()) <= -(-len(keys) // 26)


def test_a_plan_without_limit_is_everything_and_nothing_is_an_error() -> None:
    assert plan(2, [61, 60, 60], [1], None) == [[(60, 1), (61, 1)]] * 2
    assert plan(1, [60], [1, 2], 5) == [[(60, 1), (60, 2)]]
    with pytest.raises(UserError, match="nothing to render"):
        plan(3, [], [100])


def test_every_style_is_in_each_split_as_far_as_its_recordings_go() -> None:
    # Styles of one to twelve recordings; every third recording serves two styles, as "slow" and "fast" strings do.
    recordings: dict[str, dict[str, int]] = {}
    for style in range(12):
        for number in range(style + 1):
            recordings[f"{style}/{number}"] = {f"style {style:02d}": 1 + number % 4}
            if number % 3 == 2:
                recordings[f"{style}/{number}"][f"style {(style + 1) % 12:02d}"] = 2
    for seed in range(20):
        part = spread(recordings, seed)
        assert part.keys() == recordings.keys()
        assert part == spread(dict(reversed(recordings.items())), seed)  # whatever the order
        held: dict[str, Counter[str]] = defaultdict(Counter)
        for name, styles in recordings.items():
            for style, notes in styles.items():
                held[style][part[name]] += notes
        for style, parts in held.items():
            assert parts["train"] > 0
            if int(style[-2:]) >= 4:
                assert parts["valid"] > 0 < parts["test"]
    assert spread({"only": {"a": 5}}) == {"only": "train"}
    assert sorted(spread({"one": {"a": 1}, "two": {"a": 1}}).values()) == ["test", "train"]


def test_large_styles_hold_out_a_tenth() -> None:
    part = Counter(spread({f"{number}": {"a": 1} for number in range(20_000)}).values())  # in about a second
    assert part == {"train": 16_000, "test": 2_000, "valid": 2_000}


def test_a_style_split_is_decided_before_the_note_is_written() -> None:
    with pytest.raises(UserError, match="choose instrument or random"):
        assign(Note(id="a", instrument="a", origin="", seconds=1.0), "style")


def test_zones_of_one_instrument_are_held_out_whole_and_takes_one_by_one() -> None:
    def note(name: str, pitch: int | None) -> Note:
        return Note(id=name, instrument="one", origin="made", seconds=1.0, pitch=pitch)

    keys = {f"{pitch}-{take}": pitch for pitch in range(36, 85) for take in range(2)}
    found = by_zone(note(*key) for key in keys.items())
    assert set(found.values()) == set(SPLITS)
    for zone in range(9, 22):
        assert len({found[name] for name, pitch in keys.items() if pitch // 4 == zone}) == 1
    takes = list(by_zone(note(f"t{number}", None) for number in range(30)).values())
    assert [takes.count(split) for split in SPLITS] == [24, 3, 3]
