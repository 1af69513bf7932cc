"""Runs a coroutine from blocking code, and owns the interrupt while it does.

The coroutine gets an event loop on a daemon thread, which all runs under way at the same time share; the calling thread
waits and paints. No event loop is patched, so it works in scripts, notebooks whose loop is running, threads and other
coroutines alike (numbers in ``docs/decisions/0004``). What stopping means for the run is the engine's business: here
are only the flags.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from .errors import InputError
from .loop_thread import forget_loop, start_on_loop
from .warning import warn

T = TypeVar("T")

PAINT_SECONDS = 0.05
"""How often the waiting thread paints and looks for an interrupt: below what a person feels as a delay (0.1 s)."""


class Control:
    """The stop flags of one run, safe to set from any thread, a signal handler or a widget.

    Attributes
    ----------
    is_stopping : bool
        Send nothing more; let what is in flight land.
    is_cancelling : bool
        Cancel what is in flight, too.
    interrupts : int
        Ctrl-C so far.
    """

    def __init__(self) -> None:
        self.is_stopping = False
        self.is_cancelling = False
        self.interrupts = 0
        self._wakes: list[Callable[[], None]] = []

    def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` (such as a :func:`waker`), on whatever thread, when a flag is set; several may listen."""
        self._wakes.append(wake)

    def request_stop(self) -> None:
        """Stop sending; asked a second time, cancel what is in flight."""
        if self.is_stopping:
            self.is_cancelling = True
        self.stop_sending()

    def stop_sending(self) -> None:
        """Send nothing more; what is in flight may land, however often this is asked."""
        self.is_stopping = True
        for wake in tuple(self._wakes):
            wake()


def waker(loop: asyncio.AbstractEventLoop, wake: Callable[[], object]) -> Callable[[], None]:
    """Return a function that any thread may call to have `wake` called on a loop; on a closed one it does nothing."""

    def call() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile, and nobody waits there any more
            loop.call_soon_threadsafe(wake)

    return call


_active: set[Control] = set()


def stop_all() -> int:
    """Stop all running maps of this process as an interrupt would; returns how many there were.

    For places that an interrupt cannot reach: a widget, another thread, a notebook's subshell.
    """
    running = tuple(_active)
    for control in running:
        control.request_stop()
    return len(running)


def is_interactive() -> bool:
    """Say whether the code runs in IPython or Jupyter, where an interrupt returns what there is."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None


def run_blocking(work: Callable[[], Coroutine[Any, Any, T]], control: Control, paint: Callable[[], None]) -> T:
    """Run a coroutine to its end on a loop on another thread, and return its result.

    Parameters
    ----------
    work : callable
        Makes the coroutine; it must watch `control`.
    control : Control
        The run's stop flags; an interrupt in the calling (main) thread sets them.
    paint : callable
        Called about 20 times a second on the calling thread, and once at the end; must not raise.

    Raises
    ------
    KeyboardInterrupt
        At the third interrupt, when neither stopping nor cancelling was quick enough.
    """
    done = threading.Event()
    with interrupts(control):
        loop_thread, future = start_on_loop(work)
        future.add_done_callback(lambda _: done.set())
        try:
            while not done.wait(PAINT_SECONDS):
                paint()
        except BaseException:
            forget_loop(loop_thread)  # it may be stuck, and what it still has to do may land
            raise
        while loop_thread.is_over and not loop_thread.has_closed(PAINT_SECONDS):
            paint()
        paint()
    return future.result()


async def run_here(work: Callable[[], Coroutine[Any, Any, T]], control: Control) -> T:
    """Run a coroutine to its end on the caller's own loop, and return its result.

    Cancelled (``task.cancel()``, ``asyncio.timeout``), it stops sending and lets the calls in flight land: they are
    billed, and would be paid a second time. A second cancellation ends those too, a third the coroutine itself. A scope
    of anyio tells its one cancellation at each turn of the loop, in the same words: that counts once.

    Parameters
    ----------
    work : callable
        Makes the coroutine; it must watch `control`.
    control : Control
        The run's stop flags.

    Raises
    ------
    asyncio.CancelledError
        When it was cancelled, at its end.
    """
    task = asyncio.ensure_future(work())
    cancelled: list[asyncio.CancelledError] = []
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            if error.args and any(error.args == earlier.args for earlier in cancelled):
                continue
            cancelled.append(error)
            if len(cancelled) == 1:  # also where a Ctrl-C has stopped it already: what is in flight may land
                control.stop_sending()
            elif not control.is_cancelling:
                control.request_stop()
            else:
                task.cancel()
    if cancelled:
        raise cancelled[-1]
    return task.result()


@contextlib.contextmanager
def interrupts(control: Control) -> Iterator[None]:
    """Route Ctrl-C to `control` as :func:`heard` does, and list the run for :func:`stop_all`."""
    with heard(control):
        _active.add(control)
        try:
            yield
        finally:
            _active.discard(control)


_hearing: list[Control] = []
"""The runs that Ctrl-C stops. They may end in any order, as those of ``asyncio.gather`` do."""
_previous: Any = signal.SIG_DFL
"""Who had Ctrl-C before the first of them."""


@contextlib.contextmanager
def heard(control: Control) -> Iterator[None]:
    """Route Ctrl-C to `control`, and to others for which this is so, for the length of a block.

    First: stop sending. Second: cancel what is in flight. Third: KeyboardInterrupt. The handler only sets flags: raised
    inside library code, a KeyboardInterrupt can be swallowed (see ``docs/decisions/0004``). A script that ignores
    Ctrl-C, as one that a shell has put into the background, goes on doing so; a notebook's kernel ignores it between
    two cells only.
    """
    is_heard = threading.current_thread() is threading.main_thread() and _take_interrupts()
    if is_heard:
        _hearing.append(control)
    try:
        yield
    finally:
        if is_heard:
            with contextlib.suppress(ValueError):  # somebody has taken Ctrl-C from it meanwhile
                _hearing.remove(control)
            if not _hearing:
                _give_interrupts_back()


async def others_have_stopped(control: Control) -> None:
    """Wait for the other runs that the Ctrl-C of this one has stopped.

    A KeyboardInterrupt that is raised in one task ends the loop, and with it what the others have in flight.
    """
    while any(other.interrupts for other in _hearing if other is not control):
        await asyncio.sleep(PAINT_SECONDS)


def _take_interrupts() -> bool:
    """Put our handler in place; False where the process ignores Ctrl-C."""
    global _previous
    handler = signal.getsignal(signal.SIGINT)
    if handler is None or (handler is signal.SIG_IGN and not is_interactive()):
        return False
    if handler is not _on_interrupt:
        _hearing.clear()  # whoever has put one of his own in place since, such as the next cell, has it for himself
        _previous = signal.signal(signal.SIGINT, _on_interrupt)
    return True


def _give_interrupts_back() -> None:
    if signal.getsignal(signal.SIGINT) is _on_interrupt:
        signal.signal(signal.SIGINT, _previous)


def _on_interrupt(signum: int, frame: Any) -> None:
    for control in dict.fromkeys(_hearing):
        control.interrupts += 1
        control.request_stop()
    if any(control.interrupts >= 3 for control in _hearing):
        raise KeyboardInterrupt


def _forget_runs() -> None:
    """The runs of its parent never end in a forked child, and Ctrl-C is as it was before them."""
    _active.clear()
    _hearing.clear()
    _give_interrupts_back()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_runs)


def run_nested(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine inside the loop that is already running, by patching it (extra ``[nested]``).

    For blocking call sites that must use objects bound to the notebook's own loop; see ``docs/decisions/0004``.

    Raises
    ------
    InputError
        When nest-asyncio2 is missing, or the loop cannot be patched (uvloop).
    """
    try:
        import nest_asyncio2
    except ImportError:
        raise InputError('bridge="nested" needs nest-asyncio2: pip install "claude-parallel[nested]"') from None
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise InputError('bridge="nested" is for a running event loop, and none runs here; leave it out') from None
    try:
        nest_asyncio2.apply(loop)
    except ValueError as error:
        raise InputError(f'bridge="nested" cannot patch this event loop: {error}') from None
    return loop.run_until_complete(work())


_has_advised = False


def advise_amap() -> None:
    """Say once that a blocking map inside a running loop (not a notebook's) stops that loop meanwhile."""
    global _has_advised
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    if not _has_advised and not is_interactive():
        _has_advised = True
        warn("map() blocks the event loop it is called in; inside async code, use `await df.claude.amap(...)`")
