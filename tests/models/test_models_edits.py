"""Edits of activations: what they compute, that they leave nothing behind, and what is refused."""

import numpy as np
import pytest
import torch
from tests.bundle.tiny import tiny_bundle
from torch import nn

from darktimbre.models.edits import Scale, Shift, edited
from darktimbre.notes.errors import UserError
from darktimbre.synthesizer.synthesizer import Synthesizer


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(), nn.Linear(16, 3))


def run(network: nn.Module, *edits: Scale | Shift) -> torch.Tensor:
    with torch.no_grad(), edited(network, *edits):
        return network(torch.ones(1, 2, 4, 4))


def test_scaled_units_and_a_shifted_layer_are_what_arithmetic_says(network: nn.Module) -> None:
    with torch.no_grad():
        features = network[0](torch.ones(1, 2, 4, 4))  # type: ignore[operator]
        features[:, [1, 3]] *= 0.5
        features += 2.0 * torch.tensor([1.0, 0.0, -1.0, 0.0])[:, None, None]
        wanted = network[2](features.flatten(1)) + 3.0 * torch.tensor([0.0, 1.0, 0.0])  # type: ignore[operator]
    found = run(
        network, Scale("0", (1, 3), 0.5), Shift("0", (1.0, 0.0, -1.0, 0.0), 2.0), Shift("2", (0.0, 1.0, 0.0), 3.0)
    )
    torch.testing.assert_close(found, wanted)


def test_no_edit_changes_no_bit_and_hooks_are_removed_even_after_an_error(network: nn.Module) -> None:
    plain = network(torch.ones(1, 2, 4, 4))
    assert torch.equal(run(network), plain)
    with pytest.raises(UserError, match="units 0 to 3, but no unit 4"):
        run(network, Scale("0", (4,), 0.0))
    with pytest.raises(UserError, match="has 3 units, the direction 2 numbers"):
        run(network, Scale("0", (0,), 0.0), Shift("2", (1.0, 0.0), 1.0))
    assert not any(layer._forward_hooks for layer in network.modules())
    assert torch.equal(network(torch.ones(1, 2, 4, 4)), plain)


def test_a_synthesizer_plays_edited_until_its_edits_are_taken_away() -> None:
    instrument = Synthesizer(tiny_bundle())
    plain = instrument.render(60, seed=1)
    instrument.edits = (Scale("stages.1", (0, 1, 2), 0.0),)
    assert not np.array_equal(instrument.render(60, seed=1), plain)
    instrument.edits = ()
    assert np.array_equal(instrument.render(60, seed=1), plain)


def test_unknown_layers_name_the_near_ones() -> None:
    instrument = Synthesizer(tiny_bundle())
    for name in ("stage.1", "stages"):  # a container is no layer: it is never called
        instrument.edits = (Scale(name, (0,), 0.0),)
        with pytest.raises(UserError, match=rf"no layer '{name}'. Did you mean .*'stages\.1'"):
            instrument.render(60)


def test_another_runtime_than_torch_is_refused() -> None:
    with edited(object()):
        pass
    with pytest.raises(UserError, match="--runtime torch"), edited(object(), Scale("0", (0,), 0.0)):
        pass
