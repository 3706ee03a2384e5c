"""What an exported player costs on one core: file, memory, milliseconds, and what fewer bits do to its sounds.

`python -m benchmarks.small_machine BUNDLE [--corpus FOLDER --classifier BUNDLE] [--core N] [--json FILE]` prints the
table of docs/small-machine.md. Time and memory are what the player tells of itself (`play.py --bench`), three times
each precision, in turns, each time in a new process; medians. With a corpus and a classifier of one-shots the class
accuracy of each precision is listed too.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from darktimbre.bundle.classifier import NoteClassifier
from darktimbre.corpus.corpus import Corpus
from darktimbre.evaluation.one_shots import measure_classes
from darktimbre.export.player import PROGRAM, PlayerReport, export_player
from darktimbre.export.precision import PRECISIONS
from darktimbre.synthesizer.runtime import OnnxNetwork
from darktimbre.synthesizer.synthesizer import Synthesizer

TURNS = 3
COLUMNS = (
    ("precision", "weights"), ("megabytes", "file MB"), ("picture_snr", "pictures' SNR dB"), ("load_ms", "load ms"),
    ("first_note_ms", "first note ms"), ("note_ms", "note ms"), ("worst_note_ms", "worst ms"),
    ("real_time_factor", "RTF"), ("resident_mb", "memory MB"), ("interpreter_mb", "of it, before loading"),
    ("generated", "subclass right"), ("generated_class", "class right"),
)  # fmt: skip


def measured(folder: Path, core: int) -> dict[str, float]:
    """What the player in a folder measures of itself."""
    command = [sys.executable, str(folder / PROGRAM), "--bench", "--core", str(core)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def row(report: PlayerReport, taken: list[dict[str, float]]) -> dict[str, Any]:
    """One precision's figures; of those measured, the median."""
    medians: dict[str, Any] = {key: statistics.median(one[key] for one in taken) for key in taken[0]}
    network = report.network
    return {
        **medians,
        "precision": network.precision,
        "megabytes": network.bytes / 1e6,
        "picture_snr": network.picture_snr,
    }


def main() -> None:
    """Exports, measures, judges, prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.small_machine", description=__doc__)
    parser.add_argument("bundle")
    parser.add_argument("--corpus", type=Path, help="of one-shots, whose held-out sounds are judged beside")
    parser.add_argument("--classifier", type=Path, help="a bundle that `darktimbre train oneshot-classifier` made")
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    instrument = Synthesizer.from_pretrained(arguments.bundle)
    with tempfile.TemporaryDirectory() as place:
        reports = {one: export_player(instrument, Path(place) / one, precision=one) for one in PRECISIONS}
        taken: dict[str, list[dict[str, float]]] = {one: [] for one in PRECISIONS}
        for _ in range(TURNS):
            for one, report in reports.items():
                taken[one].append(measured(report.path, arguments.core))
        rows = [row(report, taken[one]) for one, report in reports.items()]
        if arguments.corpus and arguments.classifier:
            corpus, classifier = Corpus.open(arguments.corpus), NoteClassifier.from_pretrained(arguments.classifier)
            for figures, report in zip(rows, reports.values(), strict=True):
                network = OnnxNetwork(report.network.path)
                found, _ = measure_classes(Synthesizer(instrument.bundle, network=network), classifier, corpus)
                figures |= {"generated": found.leaves["generated"], "generated_class": found.leaves["generated_class"]}
    print(table(rows, reports["float32"].network.parameters))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def table(rows: list[dict[str, Any]], parameters: int) -> str:
    """As Markdown."""
    shown = [(key, title) for key, title in COLUMNS if key in rows[0]]
    lines = [f"{parameters:,} parameters", "", "| " + " | ".join(title for _, title in shown) + " |"]
    lines.append("|" + "---|" * len(shown))
    for one in rows:
        cells = (f"{one[key]:.3g}" if isinstance(one[key], float) else str(one[key]) for key, _ in shown)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
