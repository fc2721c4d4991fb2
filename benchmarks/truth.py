"""Promise against frequency, by simulation: `python -m benchmarks.truth` prints Markdown tables.

counted     certificates, intervals and power of accuracy, exactly; texts that stand several times
classes     the same for F1 and Matthews' correlation, by samples; the bootstrap of other metrics
sequences   whole studies: what Holm's correction and the fixed sequence certify
headline    whole studies: the leanest verified member's corrected drop and chance to be above ε; the knee
stops       racing: candidates stopped although they are within ε
screening   what the choice of neighbours on search examples does to the search drop
buying      bought labels (`benchmarks/buying.py`)

A world is a row of data; add rows to ask about others. `--only` prints some of the parts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping

from benchmarks import buying
from benchmarks.truths import classes, counted, headline, screening, sequences, stops

PARTS: Mapping[str, Callable[[int], Iterator[str]]] = {
    "counted": counted.tables,
    "classes": classes.tables,
    "sequences": sequences.tables,
    "headline": headline.tables,
    "stops": stops.tables,
    "screening": screening.tables,
    "buying": lambda repeats: buying.tables(repeats // 5),
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=10_000, help="samples of each world; studies take fewer")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="the parts to print")
    asked = parser.parse_args()
    for part in asked.only:
        for line in PARTS[part](asked.repeats):
            print(line, flush=True)
