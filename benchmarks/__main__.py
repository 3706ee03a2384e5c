"""`python -m benchmarks [training|rendering|throughput|distances|… …] [--quick] [--json FILE]`; default: all."""

import argparse
import json
import sys
import time
from pathlib import Path

from darktimbre.cli import allocator

PARTS = ("training", "rendering", "throughput", "distances", "inversion", "playing")


def main() -> None:
    """Measures the parts asked for and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all of them by default")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything measured to this file")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no part is called {', '.join(sorted(unknown))}; choose of {', '.join(PARTS)}")
    allocator.tune()  # as the command line does, before the first large tensor

    from benchmarks import distances, inversion, machine, playing, rendering, report, throughput, training

    seen, began = machine.look(), time.perf_counter()
    print("\n".join(seen.lines()), end="\n\n", flush=True)
    rows = []
    for part in arguments.parts or PARTS:
        print(f"measuring {part} …", file=sys.stderr, flush=True)
        if part == "training":
            rows += training.run(arguments.quick, seen.peak)
        else:
            others = {
                "rendering": rendering,
                "throughput": throughput,
                "distances": distances,
                "inversion": inversion,
                "playing": playing,
            }
            rows += others[part].run(arguments.quick)
    print(report.table(rows))
    print(f"\n{time.perf_counter() - began:.0f} s in all; ratios are of medians, measured in turns.")
    if arguments.json:
        figures = {"machine": seen.to_json(), "quick": arguments.quick, "rows": [row.to_json() for row in rows]}
        arguments.json.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
