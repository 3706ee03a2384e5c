"""Draws the README's figure: held-out notes, and notes that the instrument generates from their pitch and attributes.

    .venv/bin/python docs/pictures.py [--bundle starter] [--before BUNDLE] [--corpus C] [--out docs/starter.png]

The corpus must be tagged by the teacher that the instrument was trained on.
"""

import argparse
from pathlib import Path

from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation.conditions import held_out_rows
from darktimbre.evaluation.examples import beside_real
from darktimbre.synthesizer.synthesizer import Synthesizer


def main() -> None:
    """Reads the options and draws."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--bundle", default="starter")
    options.add_argument("--before", help="an earlier instrument, drawn between real and generated notes")
    options.add_argument("--corpus", type=Path, default=Path("runs/quickstart/corpus"))
    options.add_argument("--out", type=Path, default=Path(__file__).with_name("starter.png"))
    options.add_argument("--columns", type=int, default=6)
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    instrument, corpus = Synthesizer.from_pretrained(chosen.bundle), Corpus.open(chosen.corpus)
    rows = held_out_rows(corpus, instrument.attributes, seed=chosen.seed)
    others = {} if chosen.before is None else {"before": Synthesizer.from_pretrained(chosen.before)}
    drawn = beside_real(
        instrument, corpus, chosen.out, rows=rows, columns=chosen.columns, seed=chosen.seed, others=others
    )
    print(drawn)


if __name__ == "__main__":
    main()
