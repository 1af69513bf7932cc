"""The environment of processes that tests start: nothing of the machine's user, and this very package.

It knows environment variables and paths only.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The checkout: the package and its tests lie there."""

_FOREIGN = ("ANTHROPIC_", "CLAUDE_PARALLEL_", "JUPYTER", "IPYTHON", "PYTEST_")


def clean_environment(folder: Path | None = None) -> dict[str, str]:
    """Return an environment without accounts, proxies and settings of the user.

    Parameters
    ----------
    folder : Path, optional
        Where journal, Jupyter files and profile of this world go.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) and not name.lower().endswith("_proxy")
    }
    paths = [str(ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    world = {"PYTHONPATH": os.pathsep.join(paths), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    if folder is not None:
        places = (
            "ANTHROPIC_CONFIG_DIR",
            "CLAUDE_PARALLEL_HOME",
            "IPYTHONDIR",
            "JUPYTERLAB_SETTINGS_DIR",
            "JUPYTERLAB_WORKSPACES_DIR",
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_DATA_DIR",
            "JUPYTER_RUNTIME_DIR",
        )
        world.update({name: str(folder / name.lower()) for name in places})
    return {**kept, **world}
