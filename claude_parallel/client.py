"""The desk: whose account it is, which defaults hold, and the doors of a run to the outside world.

The only place with defaults of the process, the environment and the wall clock. One run is the business of ``session``.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from .journal_file import FILE_NAME
from .limits import Gate, model_group
from .options import Settings, check_names, read_environment, resolve
from .records import Transport
from .transport import Account, SdkTransport, most_connections, open_account
from .window import CEILING

ZERO = Decimal(0)

_lock = threading.Lock()
_configured: dict[str, Any] = {}
_overrides: list[Mapping[str, Any]] = []
_gates: dict[tuple[str, str], Gate] = {}


def _forget_gates() -> None:
    """A forked child has limits of its own to learn, and must not wait for a lock that no thread holds any more."""
    global _lock
    _lock = threading.Lock()
    _gates.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_gates)


# -- defaults --------------------------------------------------------------------------------------------------------


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
    with _lock:
        layers = [*reversed(_overrides), _configured]
        api_key = next((layer["api_key"] for layer in layers if layer.get("api_key")), None)
        base_url = next((layer["base_url"] for layer in layers if layer.get("base_url")), None)
    return open_account(settings.client, api_key=api_key, base_url=base_url)


def home() -> Path:
    """Return the folder of the journal: ``CLAUDE_PARALLEL_HOME``, else the user's data folder."""
    configured = os.environ.get("CLAUDE_PARALLEL_HOME")
    if configured:
        return Path(configured).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("claude_parallel", appauthor=False))


def journal_path(setting: bool | str | Path) -> Path | None:
    """Return the file that a ``journal=`` setting means; None = no journal."""
    if isinstance(setting, bool):
        return home() / FILE_NAME if setting else None
    return Path(setting).expanduser()


# -- doors -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Doors:
    """What a run meets of the outside world.

    Attributes
    ----------
    host : str
        Base URL, part of every journal key.
    open_transport : callable
        (calls in flight, timeout in seconds) -> Transport; called on the run's own event loop.
    gate : Gate
        Of this account and model group.
    clock, wall_clock : callable
        Seconds, monotonic; seconds since the epoch.
    rng : random.Random
        Source of jitter.
    most_in_flight : int
        Calls that can be under way at once, whatever the limits allow.
    """

    host: str
    open_transport: Callable[[int, float], Transport]
    gate: Gate
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    rng: random.Random = field(default_factory=random.Random)
    most_in_flight: int = CEILING


def live_doors(settings: Settings) -> Doors:
    """Return the doors to the real API (or to whatever the configured base URL serves).

    Raises
    ------
    CredentialsError
        When there is nothing to sign in with.
    """
    doors = quiet_doors(settings)
    doors.gate.restrict(settings.limits)
    return doors


def quiet_doors(settings: Settings) -> Doors:
    """Return the same doors without telling the gate of this call's limits: to look, not to send.

    Raises
    ------
    CredentialsError
        When there is nothing to sign in with.
    """
    account = sign_in(settings)

    def open_transport(max_connections: int, timeout_seconds: float) -> Transport:
        return SdkTransport(account, max_connections=max_connections, timeout_seconds=timeout_seconds)

    key = (f"{account.host} {account.owner}", model_group(settings.model))
    with _lock:
        gate = _gates.setdefault(key, Gate())
    most = min(CEILING, most_connections() or CEILING)
    return Doors(host=account.host, open_transport=open_transport, gate=gate, most_in_flight=most)


def local_time(epoch_seconds: float) -> str:
    """Return the time of day for people, such as ``14:03:20``."""
    return time.strftime("%H:%M:%S", time.localtime(epoch_seconds))
