"""Generators of digits looked into: what a unit likes, what it does, and that a killed run ends with equal figures."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from darktimbre.bundle.pictures import PictureGan
from darktimbre.bundle.weights import state_of
from darktimbre.cli import console
from darktimbre.models.dcgan import DcganConfig, DcganGenerator
from darktimbre.notes.errors import UserError
from darktimbre.pipelines.dissect_digits import LAYER, atlas_of_digits, units_of_digits

SIZES = DcganConfig(latent=6, widths=(8, 4, 4), classes=3)


@pytest.fixture(scope="module", params=[0, 3], ids=["unconditional", "conditional"])
def gan(request: pytest.FixtureRequest) -> PictureGan:
    sizes = SIZES.model_copy(update={"classes": request.param})
    torch.manual_seed(0)
    network = DcganGenerator(sizes)
    with torch.no_grad():
        network.blocks[0][1].weight[1] = 0.0  # a unit that gives 0 whatever the latent
        network.blocks[0][0].weight.mul_(20)
    return PictureGan({"network": sizes.model_dump(mode="json"), "classes": ["a", "b", "c"]}, state_of(network))


def test_a_dead_unit_is_called_dead_and_others_are_excited(gan: PictureGan, tmp_path: Path) -> None:
    found = atlas_of_digits(gan, tmp_path, console, quick=True)
    assert found["units"][1]["deviation"] < 1e-6
    assert all(one["deviations"] > 0.5 for one in found["units"] if one["unit"] != 1)
    assert "dead: it never changes" in (tmp_path / "report.html").read_text()
    page = (tmp_path / "report.json").read_bytes()
    kept = sorted((tmp_path / "cells").rglob("*.safetensors"))
    kept[0].unlink()
    kept[1].write_bytes(b"half")
    atlas_of_digits(gan, tmp_path, console, quick=True)
    assert (tmp_path / "report.json").read_bytes() == page


def test_a_dead_unit_has_effect_0_and_intervals_hold_the_mean(gan: PictureGan, tmp_path: Path) -> None:
    found = units_of_digits(gan, tmp_path, console, quick=True)
    assert found["units"][1]["change"] == [0, 0, 0]
    assert found["units"][1]["ink"] == [0, 0, 0]
    assert any(one["change"][0] > 0 for one in found["units"])
    for one in found["units"]:
        for value, low, high in (one[key] for key in one if key != "unit"):
            assert low <= value <= high


def test_an_unknown_layer_names_near_ones_and_writes_nothing(gan: PictureGan, tmp_path: Path) -> None:
    for experiment in (atlas_of_digits, units_of_digits):
        with pytest.raises(UserError, match=r"Did you mean 'blocks\.0"):
            experiment(gan, tmp_path / "out", console, layer="block.0")
    assert not (tmp_path / "out").exists()


def test_the_layer_is_hooked_no_longer_than_it_runs(gan: PictureGan, tmp_path: Path) -> None:
    units_of_digits(replace(gan), tmp_path, console, quick=True)
    assert not any(module._forward_hooks for module in gan.module.modules())
    assert gan.module.get_submodule(LAYER) is gan.module.blocks[0]
