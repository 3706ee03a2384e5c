"""The experiment on an image classifier, shrunk; and that the classifier is the published one."""

import json
from pathlib import Path

import pytest
import torch

from darktimbre.cli import console
from darktimbre.notes.errors import UserError
from darktimbre.pipelines import dissect_image as experiment

needs_images = pytest.mark.skipif(not experiment.installed(), reason="the extra `images` is not installed")


@needs_images
@pytest.mark.parametrize("name", ["lite0", "lite1"])
def test_a_daisy_is_one(name: str) -> None:
    found = experiment.seen_by(experiment.classifier(name), experiment.photograph(), "daisy")
    assert found.rank == (1,)


@needs_images
def test_figures_pictures_and_page_are_written_and_a_killed_run_ends_equal(tmp_path: Path) -> None:
    tiny = experiment.Counts(steps=2, raw=6, small=1, seeds=2, units=1, flips=1)
    found = experiment.image(tmp_path, console, counts=tiny)
    assert found == json.loads((tmp_path / "report.json").read_text())
    assert len(found["found"]["raw"]["p"]) == 2
    assert min(found["found"]["raw"]["p"]) > 0.02  # six steps on raw pixels fool it
    assert found["adversarial"]["the photograph"]["p"] < 0.001
    assert "data:image/png;base64," in (tmp_path / "report.html").read_text()
    next((tmp_path / "cells").rglob("layer.safetensors")).unlink()
    assert experiment.image(tmp_path, console, counts=tiny) == found


@needs_images
def test_an_unknown_class_names_near_ones_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Did you mean 'grand piano'"):
        experiment.image(tmp_path / "out", console, name="grand pianos")
    assert not (tmp_path / "out").exists()


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.import_module", _missing)
    with pytest.raises(UserError, match=r"pip install 'darktimbre\[images\]'"):
        experiment.classifier()


def _missing(name: str) -> None:
    raise ImportError(name)


def test_images_are_classified_by_the_class_of_their_place() -> None:
    logits = torch.zeros(1, 1000)
    logits[0, 579] = 5.0
    assert experiment.CLASSES[int(logits.argmax())] == "grand piano"
    assert len(set(experiment.CLASSES)) == 1000
