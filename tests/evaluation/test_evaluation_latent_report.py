"""The report of latents: one row a model, figures beside A*, drawings, plain JSON, the page beside it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.evaluation.styled_tones import ToneAutoencoder, evaluator, styled_corpus

from darktimbre.evaluation import latent_pictures, latent_report
from darktimbre.evaluation.autoencoders import StyledNotes
from darktimbre.evaluation.latent_figures import InversionFigures
from darktimbre.evaluation.latents import LatentCounts, LatentStudy
from darktimbre.measures import probes
from darktimbre.report.estimates import Estimate

COUNTS = LatentCounts(
    latents=150, real=30, prior=18, swaps=12, mixtures=3, steps=3, reconstructions=9, inversions=2, resamples=50
)


def test_two_models_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "PASSES", 20)
    monkeypatch.setattr(latent_pictures, "DRAWN", 60)
    study = LatentStudy(StyledNotes.of(styled_corpus(tmp_path / "corpus")), [evaluator()], counts=COUNTS)
    models = [ToneAutoencoder("obedient"), ToneAutoencoder("ignoring", leaky=True, obeys=False)]
    found = [study.measure(one) for one in models]
    ways = (InversionFigures("griffin-lim", 80.0, Estimate(-12.0)), InversionFigures("learned", 3.5, Estimate(-18.0)))
    found[0] = replace(found[0], inversions=ways)
    clouds = [latent_report.cloud_of(model, study, one) for model, one in zip(models, found, strict=True)]
    out = tmp_path / "out"
    latent_report.write(found, models, clouds, study, out, animations=["training-obedient.gif"])
    data = json.loads((out / "latents.json").read_text(), parse_constant=pytest.fail)
    assert data["obedient"]["headline"]["own_style"] == 1
    assert data["ignoring"]["headline"]["leakage_style"] > 0.9
    text = (out / "latents.md").read_text()
    assert "training-obedient.gif" in text
    assert "griffin-lim" in text
    page = (out / "latents.html").read_text()
    # Of each of four notes: itself, and of each model the reconstruction, the swap, half of each.
    assert len(list((out / "sounds").glob("*/*.wav"))) == page.count("<audio") == 4 * (1 + 2 * 3)
    assert page.count("<svg") == 3
    assert "http" not in page.replace("http-equiv", "")
    assert (out / "scatter.html").is_file()
    assert {one.stem for one in (out / "figures").glob("*.png")} == {"t-sne", "latents", "reconstructions"}


def test_columns_without_figures_are_left_out() -> None:
    rows = [("wae-mmd", {"rank": Estimate(2.9)}), ("wae-note", {"rank": Estimate(2.5), "prior": Estimate(0.1)})]
    table = latent_report.figures_table("latent", rows, latent_report.LATENT)
    assert [one.heading for one in table.columns] == ["effective rank\u00a0↑", "distance to the prior\u00a0↓"]
    assert [one.text for one in table.columns[1].cells] == ["–", "0.10"]
