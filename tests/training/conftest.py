"""The tiny corpus, made once."""

from pathlib import Path

import pytest
from tests.training.tiny import make_corpus


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tagged corpus of 30 notes."""
    return make_corpus(tmp_path_factory.mktemp("corpora") / "tiny").path
