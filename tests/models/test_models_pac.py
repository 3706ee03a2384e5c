"""Notes scored together: scores are of packs, other heads of each note, and pac 1 is what it was."""

import torch

from darktimbre.models.config import Heads, ProgressiveConfig
from darktimbre.models.progressive import Discriminator

PLAN = ProgressiveConfig(
    condition=3, latent=4, start=(16, 4), growth=((32, 8), (64, 16)), widths=(8, 6, 4), hidden=8, grow=False, bands=4,
    heads=Heads(pitch=3), minibatch_stddev=False,
)  # fmt: skip


def critic(pac: int) -> Discriminator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Discriminator(PLAN.model_copy(update={"pac": pac}))


def test_scores_are_of_consecutive_notes_and_all_else_of_each() -> None:
    pictures = torch.randn(6, 2, *PLAN.picture_size(), generator=torch.Generator().manual_seed(1))
    alone, packed = critic(1)(pictures), critic(2)(pictures)
    assert alone.score.shape == (6,)
    assert packed.score.shape == (3,)
    assert torch.equal(alone.pitch_logits, packed.pitch_logits)  # the same first weights, drawn before the new layer
    changed = pictures.clone()
    changed[3] += 1
    assert (critic(2)(changed).score != packed.score).tolist() == [False, True, False]


def test_a_pack_shows_what_no_single_note_does() -> None:
    """The score of a pack is no sum over its notes: of two halves exchanged between packs it is another."""
    a, b, c, d = torch.randn(4, 1, 2, *PLAN.picture_size(), generator=torch.Generator().manual_seed(2))
    network = critic(2)
    first, second = network(torch.cat([a, b, c, d])).score, network(torch.cat([a, d, c, b])).score
    assert not torch.isclose(first.sum(), second.sum())
