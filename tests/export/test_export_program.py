"""The torch.export archive is read back and plays the same; it holds no pickle and nothing of this machine."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.bundle.tiny import NAMES

from darktimbre.export import sound
from darktimbre.export.onnx import NetworkReport
from darktimbre.export.program import CARD, export_program
from darktimbre.synthesizer.synthesizer import Synthesizer


@pytest.fixture(scope="module")
def report(tiny: Synthesizer, tmp_path_factory: pytest.TempPathFactory) -> NetworkReport:
    return export_program(tiny, tmp_path_factory.mktemp("program") / "tiny.pt2")


def test_loaded_anew_it_plays_as_the_synthesizer(tiny: Synthesizer, report: NetworkReport) -> None:
    card = {CARD: ""}
    program = torch.export.load(report.path, extra_files=card).module()
    assert json.loads(json.loads(card[CARD])["darktimbre.attributes"]) == list(NAMES)
    for count in (1, 5):
        latent, condition = sound.example(tiny, count)
        with torch.inference_mode():
            picture, wave = program(latent, condition)
            torch.testing.assert_close(picture, tiny.network(latent, condition), rtol=0, atol=1e-5)
        waves = tiny.waves(condition.numpy(), latent.numpy())
        assert np.abs(wave.numpy() - waves).max() < 1e-4 * np.abs(waves).max()


def test_the_report_has_the_errors(report: NetworkReport) -> None:
    assert report.outputs == ("picture", "wave")
    assert report.picture_error < 1e-5
    assert report.wave_error is not None


def test_the_archive_holds_no_pickle_and_no_path(report: NetworkReport) -> None:
    here = str(Path(sound.__file__).parent).encode()
    with zipfile.ZipFile(report.path) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            assert here not in content
            assert not name.endswith((".pkl", ".pickle"))
            if "/weights/weight_" in name or "/constants/tensor_" in name:
                continue  # plain numbers, which could look like anything
            assert not content.startswith((b"PK", b"\x80"))  # an archive as torch.save writes, a pickle


def test_the_network_alone(tiny: Synthesizer, tmp_path: Path) -> None:
    report = export_program(tiny, tmp_path / "network.pt2", with_sound=False)
    assert (report.outputs, report.wave_error) == (("picture",), None)
