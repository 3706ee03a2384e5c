"""What the tests of verbs share: the tiny bundle in a folder, and the command line called with words."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.bundle.tiny import tiny_bundle
from typer.testing import CliRunner

from darktimbre.cli.main import app

Run = Callable[..., str]
"""`run("synth", "scale", bundle, …, status=2)` → what was printed, in one line; the exit status must be `status`."""


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle().save_pretrained(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="session")
def run() -> Run:
    def call(*words: object, status: int = 0) -> str:
        ended = CliRunner().invoke(app, [str(word) for word in words])
        assert ended.exit_code == status, (ended.output, ended.exception)
        return " ".join(ended.output.split())

    return call
