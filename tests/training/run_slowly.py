"""A script for the kill test: trains a recipe with a pause after each step, so that there is time to be killed."""

import sys
import time
from pathlib import Path

from darktimbre.training.recipe import load_recipe
from darktimbre.training.tasks import gan
from darktimbre.training.trainer import Options, train

if __name__ == "__main__":
    original = gan.GanTask.step

    def step(self, state):  # type: ignore[no-untyped-def]
        """The step, and a pause."""
        time.sleep(0.4)
        return original(self, state)

    gan.GanTask.step = step  # type: ignore[method-assign]
    train(load_recipe(sys.argv[1]), Options(corpus=Path(sys.argv[2]), run=Path(sys.argv[3]), accelerator="cpu"))
