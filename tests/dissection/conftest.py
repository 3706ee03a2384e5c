"""A tiny instrument, tones, a teacher that gradients pass, and a second network: what dissections are tried on."""

from pathlib import Path

import pytest
import torch
from tests.bundle.tiny import DIGEST, NAMES, tiny_bundle
from tests.evaluation.tones import RATE, ToneTagger, tone_corpus
from torch import Tensor, nn

from darktimbre import teachers
from darktimbre.corpus.corpus import Corpus
from darktimbre.extractors.extractors import EmbeddingExtractor
from darktimbre.pipelines.dissect import Workplace
from darktimbre.tagging.tag import tag_corpus
from darktimbre.teachers.yamnet import PatchTagger

LABELS = (*NAMES, "Bagpipes", "Choir")


class Bands(nn.Module):
    """Log-mel patches → a few linear bands, and a layer that can be looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Conv2d(1, 4, 3, padding=1)
        self.head = nn.Linear(4 + 64, len(LABELS))

    def embed(self, patches: Tensor) -> Tensor:
        maps = torch.relu(self.layer1(patches[:, None]))
        return torch.cat([maps.mean((2, 3)), patches.mean(1)], 1)


class BandTagger(PatchTagger[Bands]):
    """A teacher with random weights, the same at every call."""

    name, sample_rate, labels = "fake", RATE, LABELS  # type: ignore[assignment]

    def __init__(self) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            super().__init__(Bands(), DIGEST)

    def logits_of(self, embedding: Tensor) -> Tensor:
        return self.network.head(embedding)


def second_network() -> EmbeddingExtractor:
    """What no search sees."""
    return EmbeddingExtractor(ToneTagger())


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    corpus = tone_corpus(tmp_path_factory.mktemp("dissection") / "tones")
    tag_corpus(corpus, BandTagger(), force=True)
    return corpus


@pytest.fixture
def tiny_folder(tmp_path: Path) -> Path:
    return tiny_bundle(discriminator=True).save_pretrained(tmp_path / "tiny")


@pytest.fixture
def work(tones: Corpus, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """All of it, as the verbs open it."""
    monkeypatch.setattr(teachers, "load", lambda *_, **__: BandTagger())
    monkeypatch.setattr(Workplace, "evaluator", second_network())
    return Workplace.open(str(tiny_folder), tones.path, None, None, 0)
