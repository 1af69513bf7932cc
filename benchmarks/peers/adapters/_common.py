"""What all adapters share: read the task, time the call, write the answers. No import of this project."""

import json
import sys
import time
from pathlib import Path

MODEL = "claude-haiku-5-5"
MAX_TOKENS = 200
IN_FLIGHT = 50


def run(ask):
    """Call ``ask(url, prompts, system, folder)`` and write what it returns, with its seconds."""
    task = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    wall, cpu = time.perf_counter(), time.process_time()
    answers = ask(task["url"], task["prompts"], task["system"], task["folder"])
    seconds = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    Path(task["result"]).write_text(json.dumps({**seconds, "answers": answers}), encoding="utf-8")
