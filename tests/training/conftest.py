"""The tiny corpus, and uninterrupted runs on it, made once."""

from pathlib import Path

import pytest
from tests.training.tiny import make_corpus, run, tiny_recipe, warm_recipe


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tagged corpus of 30 notes."""
    return make_corpus(tmp_path_factory.mktemp("corpora") / "tiny").path


@pytest.fixture(scope="session", params=["growing", "warm"])
def finished(request: pytest.FixtureRequest, tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory):
    """An uninterrupted run: (recipe, folder)."""
    recipe = tiny_recipe() if request.param == "growing" else warm_recipe()
    folder = tmp_path_factory.mktemp("runs") / request.param
    assert run(recipe, tiny_corpus, folder).reason == "done"
    return recipe, folder
