"""The description of a network: what it refuses, and that it survives JSON."""

import pytest
from pydantic import ValidationError

from darktimbre.models.config import ProgressiveConfig


def test_default_is_the_paper() -> None:
    config = ProgressiveConfig()
    assert config.condition + config.latent == 186
    assert config.picture_size() == (1024, 32)
    assert config.last == 5
    assert [config.factor(stage) for stage in range(6)] == [(1, 1), (2, 2), (2, 2), (2, 2), (2, 1), (2, 1)]


def test_json_round_trip() -> None:
    config = ProgressiveConfig(
        growth=((64, 8),),
        widths=(8, 4),
        bands=4,
        pitch_comb=True,
        pitches=(60, 61),
        heads={"pitch": 2, "attributes": 3},
    )
    assert ProgressiveConfig.model_validate_json(config.model_dump_json()) == config
    assert config.picture_size() == (256, 8)
    assert config.picture_size(0) == (128, 4)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"widths": (8, 8)}, "one entry for the start size and one per growth size: 6, got 2"),
        ({"growth": ((96, 8),), "widths": (8, 8)}, "each axis doubles or stays"),
        ({"growth": ((32, 4),), "widths": (8, 8)}, "one doubles"),
        ({"growth": ((16, 8),), "widths": (8, 8)}, "each axis doubles or stays"),
        ({"critic_widths": (8,)}, "critic_widths needs as many entries as widths: 6, got 1"),
        ({"pitch_comb": True}, "pitch_comb needs `pitches`"),
        ({"pitch_comb": True, "pitches": (60,), "channels": 1}, r"kind `if`\), or set network.pitch_comb to false"),
        ({"condition": 1, "pitches": (60, 61)}, "too few for 2 pitches"),
        ({"pitches": (128,)}, "MIDI numbers from 0 to 127"),
        ({"wdths": (8,)}, "Extra inputs are not permitted"),
        ({"heads": {"pich": 3}}, "Extra inputs are not permitted"),
    ],
)
def test_refusals_say_what_is_wrong(wrong: dict, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        ProgressiveConfig(**wrong)


def test_frozen() -> None:
    with pytest.raises(ValidationError):
        ProgressiveConfig().latent = 3
