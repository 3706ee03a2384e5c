"""Settings, layers and keys → zones: every key and velocity has exactly one sample of a setting."""

import pytest
from tests.bundle.tiny import tiny_bundle

from darktimbre.export import plan as planning
from darktimbre.export.naming import plain_note, shortened, slug
from darktimbre.export.plan import Plan, zones
from darktimbre.notes.errors import UserError
from darktimbre.notes.pitch import parse_note_name
from darktimbre.synthesizer.keys import key_for, keyboard
from darktimbre.synthesizer.patch import Patch
from darktimbre.synthesizer.synthesizer import Synthesizer

BOWL = Patch(attributes={"singing BOWL": 0.9}, seed=3)
TRUMPET = Patch(attributes={"Trumpet": 0.5}, name="Brass")


def covered(made: tuple[planning.Zone, ...]) -> dict[tuple[int, int, int], int]:
    """(setting, key, velocity) → how many zones play it."""
    counts: dict[tuple[int, int, int], int] = {}
    for zone in made:
        for key in range(zone.low, zone.high + 1):
            for velocity in range(zone.softest, zone.hardest + 1):
                place = (zone.setting, key, velocity)
                counts[place] = counts.get(place, 0) + 1
    return counts


@pytest.mark.parametrize("step", [1, 2, 3, 7, 24])
@pytest.mark.parametrize("layers", [1, 2, 3, 5])
def test_every_key_and_velocity_of_a_setting_has_one_sample(starter: Synthesizer, step: int, layers: int) -> None:
    plan = Plan(patches=(Patch(), BOWL), step=step, velocity_layers=layers, arrangement="layers")
    counts = covered(zones(starter, plan))
    keys = [key.midi for key in keyboard(starter)]
    wanted = {(setting, key, velocity) for setting in (0, 1) for key in keys for velocity in range(1, 128)}
    assert set(counts) == wanted
    assert set(counts.values()) == {1}


def test_without_a_step_every_key_sounds_from_the_pitch_the_page_takes(starter: Synthesizer) -> None:
    for zone in zones(starter, Plan(patches=(Patch(),))):
        for midi in range(zone.low, zone.high + 1):
            key = key_for(starter, midi)
            assert (key.source, key.semitones) == (zone.source, midi - zone.root)


@pytest.mark.parametrize("step", [2, 3, 5, 12])
def test_with_a_step_every_trained_key_takes_the_nearest_sample(starter: Synthesizer, step: int) -> None:
    made = zones(starter, Plan(patches=(Patch(),), step=step))
    roots = [zone.root for zone in made]
    for zone in made:
        for midi in range(zone.low, zone.high + 1):
            assert abs(midi - zone.root) == min(abs(midi - root) for root in roots)
            if 44 <= midi <= 69:
                assert abs(midi - zone.root) <= step - 1


def test_velocity_layers_have_the_words_at_their_share_of_the_way_from_the_middle(tiny: Synthesizer) -> None:
    made = zones(tiny, Plan(patches=(BOWL,), velocity_layers=4))
    shares = {zone.layer: zone.patch.attributes["Singing bowl"] for zone in made}
    for layer, value in shares.items():
        assert value == pytest.approx(0.1 + (layer + 1) / 4 * (0.9 - 0.1))
    assert {zone.patch.seed for zone in made} == {3}
    softest = {(zone.layer, zone.softest, zone.hardest) for zone in made}
    assert softest == {(0, 1, 32), (1, 33, 64), (2, 65, 95), (3, 96, 127)}


def test_settings_arranged_by_velocity_go_from_soft_to_hard(tiny: Synthesizer) -> None:
    made = zones(tiny, Plan(patches=(Patch(), BOWL, TRUMPET), arrangement="velocity"))
    assert {(zone.setting, zone.softest, zone.hardest) for zone in made} == {(0, 1, 42), (1, 43, 85), (2, 86, 127)}
    with pytest.raises(UserError, match="leave --velocity-layers at 1"):
        Plan(patches=(Patch(), BOWL), arrangement="velocity", velocity_layers=2)


def test_switches_lie_directly_below_the_keys_within_a_pianos_reach(starter: Synthesizer) -> None:
    for count in (2, 3, 12):
        plan = Plan(patches=(Patch(),) * count)
        switches = planning.switches(starter, plan)
        lowest = min(zone.low for zone in zones(starter, plan))
        assert switches == tuple(range(lowest - count, lowest))
        assert switches[0] >= planning.LOWEST_SWITCH
        assert lowest <= 44
    assert planning.switches(starter, Plan(patches=(Patch(),))) == ()
    assert planning.switches(starter, Plan(patches=(Patch(), BOWL), arrangement="layers")) == ()


def test_without_pitch_one_sample_is_stretched_over_all_keys() -> None:
    drum = Synthesizer(tiny_bundle(pitched=False))
    (zone,) = zones(drum, Plan(patches=(Patch(),)))
    keys = keyboard(drum)
    assert (zone.source, zone.root, zone.low, zone.high) == (None, 60, keys[0].midi, keys[-1].midi)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"patches": ()}, "1 to 99 settings"),
        ({"patches": (Patch(),) * 100}, "1 to 99 settings"),
        ({"patches": (Patch(),), "variations": 0}, "1 to 99 variations"),
        ({"arrangement": "round robin"}, "choose one of keyswitch"),
        ({"velocity_layers": 6}, "1 to 5 velocity layers"),
        ({"step": 0}, "1 to 24 semitones"),
        ({"rate": 1}, "between 8000 and 192000"),
        ({"bits": 8}, "16, 24 or 32 bits"),
    ],
)
def test_what_cannot_be_planned_is_refused_in_a_sentence(wrong: dict, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Plan(**{"patches": (Patch(),), **wrong})


def test_unknown_words_are_refused(tiny: Synthesizer) -> None:
    with pytest.raises(UserError, match="Did you mean 'Trumpet'"):
        zones(tiny, Plan(patches=(Patch(attributes={"Trumpit": 1.0}),)))


def test_the_suggestion_is_the_middle_and_words_that_differ(starter: Synthesizer, tiny: Synthesizer) -> None:
    middle, first, second = planning.suggested(starter)
    assert middle.attributes == {}
    best = starter.bundle.config["metrics"]["evaluation"]["attributes"]
    assert list(first.attributes) == [max(best, key=best.__getitem__)]
    assert second.attributes.keys() != first.attributes.keys()
    assert "drum" not in str(second.attributes).casefold()  # the best ones are all drums
    assert [patch.name for patch in planning.suggested(tiny)] == ["Middle", "Singing bowl", "Trumpet"]


def test_a_setting_is_called_by_its_subclass_alone() -> None:
    both = Patch(attributes={"drums": 1.0, "drums/kick": 1.0})
    assert planning.setting_name(both, 1) == "drums/kick"
    assert planning.setting_name(Patch(attributes={"drums": 1.0}), 1) == "drums"


def test_file_names_are_plain_short_and_different() -> None:
    assert slug("Violin, fiddle") == "violin-fiddle"
    assert slug("Röhre/../..") == "rohre"
    assert slug("鐘") == "sound"
    assert plain_note(61) == "Cs4"
    assert all(parse_note_name(plain_note(midi)) == midi for midi in range(12, 120))
    assert shortened(["trumpet_a", "trumpet_b", "trumpet_c"], 7) == ["trumpet", "trumpe2", "trumpe3"]
    plan = Plan(patches=(Patch(name="A#/=<b>"), Patch(name="A"), Patch(name="A"), Patch(attributes={"Drum": 1.0})))
    stems = planning.stems(plan)
    assert len(set(stems)) == 4
    assert all(stem.isascii() and stem.replace("_", "").replace("-", "").isalnum() for stem in stems)
    assert plan.names[3] == "Drum"
