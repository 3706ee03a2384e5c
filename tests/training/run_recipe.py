"""A script: trains a recipe on the CPU, on several processes or with a pause after each step in which to be killed."""

import argparse
import time
from pathlib import Path

from darktimbre.training.recipe import load_recipe
from darktimbre.training.trainer import Callback, Options, Trainer, train


class Pause(Callback):
    """Waits after each step."""

    every = 1

    def step(self, trainer: Trainer) -> None:
        time.sleep(arguments.pause)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("recipe", "corpus", "run"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--pause", type=float)
    arguments = parser.parse_args()
    options = Options(corpus=arguments.corpus, run=arguments.run, accelerator="cpu", devices=arguments.devices)
    train(load_recipe(arguments.recipe), options, callbacks=[Pause()] if arguments.pause else [])
