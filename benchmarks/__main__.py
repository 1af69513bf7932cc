"""``python -m benchmarks [name ...]``: all of them by default, which takes about half an hour."""

from __future__ import annotations

import os
import platform
import sys
from importlib import import_module

NAMES = (
    "gate",
    "gate_virtual",
    "gate_sweep",
    "throughput",
    "one_row",
    "scale",
    "journal",
    "caching",
    "batches",
    "shares",
    "outages",
    "neighbours",
    "soak",
    "cluster",
    "files",
)


def main(names: list[str]) -> None:
    """Run the benchmarks with these names."""
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        raise SystemExit(f"there is no benchmark {', '.join(unknown)}; there is {', '.join(NAMES)}")
    os.environ.setdefault("NO_PROXY", "127.0.0.1,localhost")
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}\n")
    for name in names or NAMES:
        print(f"## {name}\n", flush=True)
        import_module(f"benchmarks.{name}").run()
        print()


if __name__ == "__main__":
    main(sys.argv[1:])
