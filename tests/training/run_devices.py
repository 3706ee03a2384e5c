"""A script for the test of two processes: trains a recipe on two of them; Fabric starts the second one."""

import sys
from pathlib import Path

from darktimbre.training.recipe import load_recipe
from darktimbre.training.trainer import Options, train

if __name__ == "__main__":
    options = Options(corpus=Path(sys.argv[2]), run=Path(sys.argv[3]), accelerator="cpu", devices=2)
    train(load_recipe(sys.argv[1]), options)
