"""A virtual environment per peer, with pinned versions: made once, in ``benchmarks/peers/.venvs``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
VENVS = HERE / ".venvs"


@dataclass(frozen=True, slots=True)
class Peer:
    """One contender.

    Attributes
    ----------
    name : str
        As in the tables.
    adapter : str
        Module in ``adapters/``.
    requirements : str
        File in ``requirements/``; empty = this project's own environment.
    python : str
        A version of Python that it needs; empty = the running one.
    """

    name: str
    adapter: str
    requirements: str = ""
    python: str = ""


PEERS = (
    Peer("claude_parallel", "ours"),
    Peer("SDK recipe", "sdk_recipe", "sdk"),
    Peer("SDK retries", "sdk_retries", "sdk"),
    Peer("LangChain abatch", "langchain_abatch", "langchain"),
    Peer("litellm batch_completion", "litellm_batch", "litellm"),
    Peer("pyarallel", "pyarallel_map", "pyarallel", "3.12"),
    Peer("lotus sem_map", "lotus_map", "lotus", "3.12"),
    Peer("inspect_ai eval", "inspect_eval", "inspect"),
    Peer("Accrue", "accrue_pipeline", "accrue"),
)


def interpreter(peer: Peer) -> str:
    """Return the Python of a peer's environment; makes it when it is not there."""
    if not peer.requirements:
        return sys.executable
    folder = VENVS / peer.requirements
    done = folder / "installed"
    if not done.exists():
        wanted = f"python{peer.python}" if peer.python else sys.executable
        requirements = str(HERE / "requirements" / f"{peer.requirements}.txt")
        python = str(folder / "bin" / "python")
        if shutil.which("uv"):
            uv_wanted = peer.python or sys.executable
            subprocess.run(["uv", "venv", "-q", "--allow-existing", "--python", uv_wanted, str(folder)], check=True)
            subprocess.run(["uv", "pip", "install", "-q", "--python", python, "-r", requirements], check=True)
        else:
            subprocess.run([wanted, "-m", "venv", str(folder)], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", "-r", requirements], check=True)
        done.touch()
    return str(folder / "bin" / "python")
