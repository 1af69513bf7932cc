"""Configuration: the defaults of this process, the account that calls go to, and where the journal lies.

The only place that reads options from the environment. What one run meets of the outside world stands in
``engine.environment``.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .api.account import SIMULATOR_KEY, Account, open_account
from .api.platforms import WITHOUT_BATCHES
from .errors import InputError
from .options import Settings, check_names, resolve
from .signatures import shows_options
from .variables import PREFIX, read_environment

FILE_NAME = "journal.sqlite3"
"""The journal's file, in :func:`home`."""

SIMULATED_FILE_NAME = "simulated.sqlite3"
"""The file of answers and runs of a simulator, in :func:`home`."""

_lock = threading.Lock()
_configured: dict[str, Any] = {}
_overrides: list[Mapping[str, Any]] = []


def _new_lock() -> None:
    """A forked child must not wait for a lock that no thread holds any more."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


# -- defaults --------------------------------------------------------------------------------------------------------


@shows_options
def configure(*, api_key: str | None = None, base_url: str | None = None, **options: Any) -> None:
    """Set defaults for this process; they win over ``CLAUDE_PARALLEL_*`` variables and lose to a call's own options.

    Parameters
    ----------
    api_key, base_url : str, optional
        Where to send and how to sign in; None = as the SDK finds them (``ANTHROPIC_API_KEY``, a profile, ...).
    **options
        Any option of ``df.claude.map``. Each call replaces what was configured before; call it without arguments to go
        back to the built-in defaults.

    Raises
    ------
    InputError
        For an option that does not exist or cannot work.

    Examples
    --------
    >>> import claude_parallel as cp
    >>> cp.configure(model="claude-sonnet-4-6", max_concurrency=20)
    >>> cp.configure()
    """
    resolve(options)
    with _lock:
        _configured.clear()
        _configured.update({**options, "api_key": api_key, "base_url": base_url})


@contextmanager
def override(**options: Any) -> Iterator[None]:
    """Set defaults for the length of a block, above what was configured (``simulator()`` uses it)."""
    with _lock:
        _overrides.append(options)
    try:
        yield
    finally:
        with _lock:
            _overrides.remove(options)


def resolve_settings(options: Mapping[str, Any]) -> Settings:
    """Return the settings of one call, from its own options and the defaults of this process."""
    check_names(options)
    with _lock:
        layers = [options, *reversed(_overrides), dict(_configured), read_environment(os.environ)]
    return resolve(*({k: v for k, v in layer.items() if k not in ("api_key", "base_url")} for layer in layers))


def sign_in(settings: Settings) -> Account:
    """Return the account that a call goes to, from its client, the configured key and URL, or the environment."""
    api_key, base_url = _configured_value("api_key"), _configured_value("base_url")
    account = open_account(settings.client, api_key=api_key, base_url=base_url)
    if settings.batch and account.platform in WITHOUT_BATCHES:
        raise InputError(f"there are no message batches on {account.platform}; leave batch= out")
    return account


def is_simulating(client: Any = None) -> bool:
    """Say whether calls go to a simulator: inside ``with cp.simulator():``, or with its key.

    Parameters
    ----------
    client : optional
        The user's ``client=``, which goes before what is configured.
    """
    if client is not None:
        return getattr(client, "api_key", None) == SIMULATOR_KEY
    return (_configured_value("api_key") or os.environ.get("ANTHROPIC_API_KEY")) == SIMULATOR_KEY


def _configured_value(name: str) -> Any:
    with _lock:
        layers = [*reversed(_overrides), _configured]
        return next((layer[name] for layer in layers if layer.get(name)), None)


def home() -> Path:
    """Return the folder of the journal: ``CLAUDE_PARALLEL_HOME``, else the user's data folder."""
    configured = os.environ.get("CLAUDE_PARALLEL_HOME")
    if configured:
        return Path(configured).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_data_dir("claude_parallel", appauthor=False))


def journal_path(setting: bool | str | Path, client: Any = None) -> Path | None:
    """Return the file that a ``journal=`` setting means; None = no journal.

    Simulated answers and runs have a file of their own, so that clearing it can never delete an answer that was paid,
    and toy runs do not let the real one grow. A path that the user names is that file.

    Parameters
    ----------
    setting : bool or path
        As in ``df.claude.map``.
    client : optional
        As in :func:`is_simulating`.

    Raises
    ------
    InputError
        For an address: SQLite needs a file of this machine.
    """
    if isinstance(setting, bool):
        return home() / (SIMULATED_FILE_NAME if is_simulating(client) else FILE_NAME) if setting else None
    return _local_file(setting)


def looked_into(setting: bool | str | Path) -> bool | str | Path:
    """Return the ``journal=`` that a look means, not a run: True is what was configured, or what a variable names."""
    if setting is not True:
        return setting
    variable = {name: text for name, text in os.environ.items() if name == f"{PREFIX}JOURNAL"}  # others are no matter
    return _configured_value("journal") or read_environment(variable).get("journal") or True


def journal_files(setting: bool | str | Path) -> list[Path]:
    """Return the files to look through for runs: the user's own and the simulator's, or the one that is named."""
    if isinstance(setting, bool):
        return [home() / FILE_NAME, home() / SIMULATED_FILE_NAME] if setting else []
    if not isinstance(setting, str | Path):
        raise InputError(f"journal must be True, False or the path of a file, not {setting!r}")
    return [_local_file(setting)]


def _local_file(path: str | Path) -> Path:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)):  # it would become a folder of that name, here
        raise InputError(f"journal={path!r} is an address, but a journal is a file on this machine; name a path")
    return Path(path).expanduser()
