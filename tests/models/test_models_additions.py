"""Options that are added to a trained generator: nothing at first, then what their definitions say."""

import pytest
import torch
from torch.nn import functional as F

from darktimbre.models.config import ADDITIONS, Heads
from darktimbre.models.progressive import Discriminator, Generator, Mapping, Modulation, ProgressiveConfig, laid_on
from darktimbre.models.surgery import (
    discriminator_for_pitches,
    generator_for_pitches,
    generator_for_whitening,
    with_additions,
)

PLAIN = ProgressiveConfig(
    condition=5, latent=4, start=(4, 2), growth=((8, 4), (16, 8)), widths=(8, 6, 4), bands=2, grow=False,
    pitch_comb=True, pitches=(44, 57, 69), bin_hz=100.0,
)  # fmt: skip
LATENT, CONDITION = torch.randn(3, 4), torch.cat([torch.eye(3), torch.rand(3, 2)], dim=1)


@pytest.mark.parametrize(
    "options", [{"modulate": True}, {"harmonics": 8}, {"mapping": 7}, {"modulate": True, "harmonics": 4, "mapping": 7}]
)
def test_at_first_they_add_nothing_and_then_they_learn(options):
    assert options.keys() <= ADDITIONS.keys()
    plain, more = Generator(PLAIN), Generator(PLAIN.model_copy(update=options))
    more.load_state_dict(with_additions(plain.state_dict(), more.state_dict()))
    made = more(LATENT, CONDITION)
    torch.testing.assert_close(made, plain(LATENT, CONDITION))
    made.square().sum().backward()
    added = {name: weight for name, weight in more.named_parameters() if name not in plain.state_dict()}
    assert added
    assert any(bool(weight.grad.abs().any()) for weight in added.values())


def test_modulation_is_by_the_definition():
    modulation = Modulation(3, 2)
    torch.nn.init.normal_(modulation.linear.weight)
    torch.nn.init.normal_(modulation.linear.bias)
    features, vector = torch.randn(4, 2, 5, 6), torch.randn(4, 3)
    numbers = vector @ (modulation.linear.weight * modulation.linear.scale).T + modulation.linear.bias
    for note in range(4):
        for one in range(2):
            wanted = (1 + numbers[note, one]) * features[note, one] + numbers[note, 2 + one]
            torch.testing.assert_close(modulation(features, vector)[note, one], wanted)


def test_mapping_is_by_the_definition_and_leaves_the_pitch():
    mapping = Mapping(5, 2, 7, 0.2)
    torch.nn.init.normal_(mapping.second.weight)
    vector = torch.randn(4, 5)
    hidden = vector @ mapping.first.scaled().T + mapping.first.bias
    moved = torch.where(hidden > 0, hidden, 0.2 * hidden) @ mapping.second.scaled().T + mapping.second.bias
    made = mapping(vector)
    assert torch.equal(made[:, :2], vector[:, :2])
    torch.testing.assert_close(made[:, 2:], vector[:, 2:] + moved)


def test_another_whitening_keeps_what_it_can_be_predicted_from():
    """Of labels with two values each, roots are a linear function of logarithms, and the generator makes the same."""
    config = PLAIN.model_copy(update={"whiten": "roots", "modulate": True})
    known, more = Generator(config), Generator(config.model_copy(update={"whiten": "logarithms"}))
    soft = torch.tensor([[0.001, 0.2], [0.5, 0.9]])[torch.randint(2, (200, 2)), torch.arange(2)]
    known.whiten.fit(soft)
    more.whiten.fit(soft)
    for name, weight in known.named_parameters():
        torch.nn.init.normal_(weight) if "modulation" in name else None
    more.load_state_dict(generator_for_whitening(known.state_dict(), config, more.whiten, soft))
    condition = torch.cat([CONDITION[:, :3], soft[:3]], dim=1)
    torch.testing.assert_close(more(LATENT, condition), known(LATENT, condition), rtol=0.02, atol=0.02)
    as_it_was = generator_for_whitening(known.state_dict(), config, known.whiten, soft)
    assert all(torch.equal(weight, as_it_was[name]) for name, weight in known.state_dict().items())


def test_a_partial_is_laid_on_its_bins_at_any_pitch():
    comb = torch.rand(2, 2, 6, 1)
    drawn = torch.randn(2, 2, 3, 5)  # three partials
    numbers = torch.tensor([[1, 1, 2, 3, 4, 9], [1, 2, 3, 3, 3, 4]])
    laid = laid_on(comb, drawn, numbers)
    for note in range(2):
        for row, number in enumerate(numbers[note].tolist()):
            there = drawn[note, :, number - 1] if number <= 3 else torch.zeros(2, 5)
            torch.testing.assert_close(laid[note, :, row], comb[note, :, row] * there)


def test_partials_by_number_move_with_the_pitch():
    """Without anything else, the same latent draws the same levels at each partial's peak, whatever the pitch."""
    torch.manual_seed(4)
    config = PLAIN.model_copy(
        update={"harmonics": 4, "start": (64, 2), "growth": ((128, 4), (256, 8)), "bin_hz": 7.8125}
    )
    generator = Generator(config)
    for name, weight in generator.named_parameters():
        if name.startswith("to_picture"):
            torch.nn.init.zeros_(weight)
    torch.nn.init.normal_(generator.partials.shape.weight)
    torch.nn.init.zeros_(generator.partials.grid.weight.data[:, :3])  # the branch sees no pitch
    vector = torch.cat([F.one_hot(torch.tensor([0, 1]), 3).float(), torch.full((2, 2), 0.4)], dim=1)
    made = generator(torch.ones(2, 4), vector)[:, 0].detach()
    comb = generator.comb(vector).unflatten(1, (2, 2)).transpose(2, 3).flatten(2, 3)[:, 0, :, 0]
    numbers = generator.comb.numbers(vector)
    for number in (1, 2, 3):
        found = [
            (made[note] / comb[note].clamp(min=1e-3)[:, None])[(numbers[note] == number) & (comb[note] > 0.5)][0]
            for note in (0, 1)
        ]
        torch.testing.assert_close(*found, atol=1e-4, rtol=1e-3)


def for_pitches(config, pitches):
    count = len(pitches)
    heads = Heads(pitch=count, attributes=config.heads.attributes)
    return config.model_copy(update={"pitches": pitches, "condition": 2 + count, "heads": heads})


@pytest.mark.parametrize("normalise", [False, True])
def test_other_pitches_keep_what_was_made_at_the_known_ones(normalise):
    options = {"normalise_input": normalise, "modulate": True, "harmonics": 8, "mapping": 6}
    options["heads"] = Heads(pitch=3, attributes=2)
    config, wanted = PLAIN.model_copy(update=options), (45, 50, 57, 62, 69)
    wider = for_pitches(config, wanted)
    known, more = Generator(config), Generator(wider)
    for name, weight in known.named_parameters():
        torch.nn.init.normal_(weight) if any(part in name for part in ("modulation", "shape", "mapping")) else None
    more.load_state_dict(generator_for_pitches(known.state_dict(), config, wanted))
    soft = CONDITION[:2, 3:]
    before = torch.cat([torch.tensor([[0.0, 1, 0], [0, 0, 1]]), soft], dim=1)
    after = torch.cat([torch.tensor([[0.0, 0, 1, 0, 0], [0, 0, 0, 0, 1]]), soft], dim=1)
    torch.testing.assert_close(more(LATENT[:2], after), known(LATENT[:2], before), rtol=1e-4, atol=1e-5)
    critic, fitted = Discriminator(config), Discriminator(wider)
    fitted.load_state_dict(discriminator_for_pitches(critic.state_dict(), config, wanted))
    picture = torch.randn(2, 2, *config.picture_size())
    said = critic(picture).pitch_logits[:, [0, 0, 1, 1, 2]]  # 45, 50 → 44; 57, 62 → 57; 69
    torch.testing.assert_close(fitted(picture).pitch_logits, said)
