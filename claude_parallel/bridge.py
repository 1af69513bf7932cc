"""Runs a coroutine from blocking code, and owns the interrupt while it does.

The coroutine gets an event loop on a daemon thread, which all runs under way at the same time share; the calling thread
waits and paints. No event loop is patched, so it works in scripts, notebooks whose loop is running, threads and other
coroutines alike (numbers in ``docs/decisions/0004``). What stopping means for the run is the engine's business: here
are only the flags.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor, Future
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from .errors import InputError
from .loop_thread import forget_loop, start_on_loop

T = TypeVar("T")

PAINT_SECONDS = 0.05
"""How often the waiting thread paints and looks for an interrupt: below what a person feels as a delay (0.1 s)."""
_IDLE_SECONDS = 2.0
"""How long a thread waits for more work: longer than a run pauses between its transactions, about a second at most."""


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
        """Call `wake`, on whatever thread, when a flag is set; each of several sessions may listen."""
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
            with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile: nothing left to stop
                wake()


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
    billed, and would be paid a second time. A second cancellation ends those too, a third the coroutine itself.

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
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            if control.is_cancelling:
                task.cancel()
            control.request_stop()
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return task.result()


@contextlib.contextmanager
def interrupts(control: Control) -> Iterator[None]:
    """Route Ctrl-C to `control` for the length of a block, and list the run for :func:`stop_all`.

    First: stop sending. Second: cancel what is in flight. Third: KeyboardInterrupt. The handler only sets flags: raised
    inside library code, a KeyboardInterrupt can be swallowed (see ``docs/decisions/0004``).
    """

    def on_interrupt(signum: int, frame: Any) -> None:
        control.interrupts += 1
        control.request_stop()
        if control.interrupts >= 3:
            raise KeyboardInterrupt

    previous: Any = None
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is not None:
        previous = signal.signal(signal.SIGINT, on_interrupt)
    _active.add(control)
    try:
        yield
    finally:
        _active.discard(control)
        if previous is not None and signal.getsignal(signal.SIGINT) is on_interrupt:
            signal.signal(signal.SIGINT, previous)


_CALM_THRESHOLD = 50_000
"""New objects between two looks of the garbage collector while runs are under way (700 or 2,000 by default). A run
makes thousands of objects a second that live on in its results; looking at them again and again took 15 % of its time.
"""

_calm_lock = threading.Lock()
_calm_runs = 0
_usual_thresholds: tuple[int, int, int] = (0, 0, 0)


@contextlib.contextmanager
def fewer_collections() -> Iterator[None]:
    """Let the garbage collector look less often for the length of a block, and as before after the last such block.

    A collector that the user has switched off, or set to look more seldom, is left alone; so is what somebody sets
    meanwhile.
    """
    global _calm_runs, _usual_thresholds
    with _calm_lock:
        _calm_runs += 1
        if _calm_runs == 1:
            _usual_thresholds = gc.get_threshold()
            first, *others = _usual_thresholds
            if 0 < first < _CALM_THRESHOLD:
                gc.set_threshold(_CALM_THRESHOLD, *others)
    try:
        yield
    finally:
        with _calm_lock:
            _calm_runs -= 1
            if _calm_runs == 0 and gc.get_threshold()[0] == _CALM_THRESHOLD:
                gc.set_threshold(*_usual_thresholds)


def _forget_runs() -> None:
    """A forked child has no runs; those of its parent never end here."""
    global _calm_lock, _calm_runs
    _active.clear()
    _threads.idle.clear()
    _calm_lock = threading.Lock()
    if _calm_runs:
        _calm_runs = 0
        gc.set_threshold(*_usual_thresholds)


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


class _Worker:
    """A daemon thread that takes one piece of work after the other, and ends when none has come for a while."""

    def __init__(self, idle: list[_Worker]) -> None:
        self.work: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._idle = idle
        threading.Thread(target=self._run, name="claude_parallel work", daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                self._do(*self.work.get(timeout=_IDLE_SECONDS))
            except Empty:
                try:
                    self._idle.remove(self)
                except ValueError:  # somebody has just taken it from there, and its work is on the way
                    continue
                return

    def _do(self, future: Future[Any], work: Callable[[], Any]) -> None:
        try:
            result = work()
        except BaseException as error:
            self._idle.append(self)
            future.set_exception(error)
        else:
            self._idle.append(self)
            future.set_result(result)


class _DaemonThreads(Executor):
    """A thread for each piece of work at the same time, which never holds up the end of the process or of a run."""

    def __init__(self) -> None:
        self.idle: list[_Worker] = []

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run `fn` on a daemon thread that is idle, or on a new one, in a copy of the caller's context."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()  # it can be cancelled no more: whoever waited may go, the work ends alone
        work = partial(contextvars.copy_context().run, fn, *args, **kwargs)
        try:
            worker = self.idle.pop()
        except IndexError:
            worker = _Worker(self.idle)
        worker.work.put((future, work))
        return future


_threads = _DaemonThreads()


async def off_loop(work: Callable[[], T]) -> T:
    """Run blocking work beside the event loop, which goes on reading answers meanwhile.

    That costs some 0.05 ms, so `work` should be worth it: a chunk of rows, a transaction. Cancelled, the caller goes
    on at once; the work itself cannot be stopped, and ends alone.
    """
    return await asyncio.get_running_loop().run_in_executor(_threads, work)


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
        warnings.warn(
            "map() blocks the event loop it is called in; inside async code, use `await df.claude.amap(...)`",
            UserWarning,
            stacklevel=5,
        )
