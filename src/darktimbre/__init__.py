"""Sounds in, an instrument steered with words out: sound → corpus → tags → spectrograms → model → bundle → synthesizer.

The front door, whose names are imported when they are first used, so that importing darktimbre stays quick:

    from darktimbre import Bundle, Corpus, Recipe, Synthesizer, evaluate, train

    corpus = Corpus.open("corpora/mine")
    recipe = Recipe.load("darkgan-small", ["data.teacher=embedded"])
    outcome = train(recipe, corpus=corpus, run="runs/mine")
    waves = Synthesizer.from_pretrained(outcome.bundle).render(pitch=60, attributes={"Trumpet": 0.8}, seed=[1, 2])
    results = evaluate(outcome.bundle, corpus, tagger="embedded", out="evaluations/mine")
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from darktimbre.bundle.bundle import Bundle
    from darktimbre.corpus.corpus import Corpus
    from darktimbre.pipelines.api import evaluate, train
    from darktimbre.synthesizer.synthesizer import Synthesizer
    from darktimbre.training.recipe import Recipe

# onnxruntime 1.32 and later report usage to Microsoft and keep a device id in the home folder once imported, and
# Lightning Fabric imports them through torchmetrics. Importing darktimbre changes nothing else.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
__all__ = ["Bundle", "Corpus", "Recipe", "Synthesizer", "__version__", "evaluate", "train"]

_MODULES = {
    "Bundle": "bundle.bundle",
    "Corpus": "corpus.corpus",
    "Recipe": "training.recipe",
    "Synthesizer": "synthesizer.synthesizer",
    "evaluate": "pipelines.api",
    "train": "pipelines.api",
}


def __getattr__(name: str) -> Any:
    """Imports a name of the front door when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
