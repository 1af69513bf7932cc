"""``python -m benchmarks [name ...]``: print the tables of ``benchmarks/README.md``."""

from __future__ import annotations

import sys

from . import batches, caching, gate, gate_virtual, journal, throughput

ALL = {
    "gate": gate.run,
    "gate_virtual": gate_virtual.main,
    "throughput": throughput.run,
    "journal": journal.run,
    "caching": caching.run,
    "batches": batches.main,
}


def main() -> None:
    """Run the benchmarks that were named, or all."""
    for name in sys.argv[1:] or ALL:
        print(f"\n## {name}\n", flush=True)
        ALL[name]()


if __name__ == "__main__":
    main()
