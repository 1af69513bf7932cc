"""What an outage of 20 s costs, over real HTTP: rows lost, calls wasted, seconds; beside the SDK's own retries.

The account answers, fails for 20 s in one way, and answers again. Both clients keep 60 calls in flight, and give up a
call after 5 s.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from aiohttp import web

from claude_parallel.simulation.brain import Brain
from claude_parallel.simulation.http_frontend import HttpFrontend
from claude_parallel.simulation.profile import Profile
from claude_parallel.simulation.server import BACKLOG, _request_factory

ROWS, IN_FLIGHT = 3_000, 60
LATENCY_SECONDS, TIMEOUT_SECONDS = 0.5, 5.0
BEGINS_SECONDS, LASTS_SECONDS = 8.0, 20.0

KINDS: dict[str, Any] = {
    "529s": "overloaded",
    "500s": "server",
    "refused connections": "refused",
    "resets": "reset",
    "calls that hang": "hang",
}

Client = Callable[[str, Sequence[str]], list[str | None]]


def ours(url: str, prompts: Sequence[str]) -> list[str | None]:
    """``df.claude.map`` with as many in flight and the same timeout as the other; the rest at its default."""
    import anthropic

    import claude_parallel  # noqa: F401  (registers the accessor)

    client = anthropic.AsyncAnthropic(base_url=url, api_key="simulator")
    out = pd.DataFrame({"prompt": prompts}).claude.map(
        "prompt", journal=False, progress=False, client=client, max_concurrency=IN_FLIGHT, timeout=TIMEOUT_SECONDS
    )
    answers: list[str | None] = out["response"].where(out["response_error"].isna(), None).tolist()
    return [answer if isinstance(answer, str) else None for answer in answers]


def sdk(url: str, prompts: Sequence[str]) -> list[str | None]:
    """Gather and a semaphore over the SDK, whose own two retries are on."""
    import anthropic

    async def main() -> list[str | None]:
        semaphore = asyncio.Semaphore(IN_FLIGHT)
        async with anthropic.AsyncAnthropic(base_url=url, api_key="simulator", timeout=TIMEOUT_SECONDS) as client:

            async def ask(prompt: str) -> str | None:
                async with semaphore:
                    try:
                        message = await client.messages.create(
                            model="claude-haiku-5-5",
                            max_tokens=1_024,
                            messages=[{"role": "user", "content": prompt}],
                        )
                    except anthropic.APIError:
                        return None
                return "".join(block.text for block in message.content if block.type == "text")

            return list(await asyncio.gather(*(ask(prompt) for prompt in prompts)))

    return asyncio.run(main())


CLIENTS: dict[str, Client] = {"claude_parallel": ours, "SDK's retries": sdk}


# -- the other process -----------------------------------------------------------------------------------------------


class FailingBrain(Brain):
    """A simulated account that fails for some seconds, some seconds after its first call."""

    def __init__(self, profile: Profile, fault: Any) -> None:
        super().__init__(profile, epoch=time.time())
        self._healthy = profile
        self._down = replace(profile, faults={"reset" if fault == "refused" else fault: 1.0})
        self.first: float | None = None
        self.wasted = 0

    def open(self, method: str, path: str, headers: Any, body: Any, now: float, **more: Any) -> Any:
        """As a :class:`Brain`, which is down for a while."""
        self.first = now if self.first is None else self.first
        is_down = 0 <= now - self.first - BEGINS_SECONDS < LASTS_SECONDS
        self.wasted += is_down
        self.profile = self._down if is_down else self._healthy
        return super().open(method, path, headers, body, now, **more)


async def serve(fault: str | None) -> None:
    """Serve until the caller hangs up; one line in is a question, one line out the books."""
    profile = Profile(latency_seconds=LATENCY_SECONDS, jitter_sigma=0.2, output_tokens=50)
    brain = FailingBrain(profile, fault) if fault else Brain(profile, epoch=time.time())
    loop, hung_up = asyncio.get_running_loop(), asyncio.Event()

    def listen() -> None:
        for _question in sys.stdin:
            print(json.dumps({"calls": brain.ledger.requests, "wasted": getattr(brain, "wasted", 0)}), flush=True)
        loop.call_soon_threadsafe(hung_up.set)

    frontend = HttpFrontend(brain, 1.0)
    runner = web.ServerRunner(web.Server(frontend.handle, request_factory=_request_factory), shutdown_timeout=0.05)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=BACKLOG)
    await site.start()
    port = runner.addresses[0][1]
    print(f"http://127.0.0.1:{port}", flush=True)
    threading.Thread(target=listen, daemon=True).start()
    closing = asyncio.create_task(_close_the_door(runner, site, brain, port)) if fault == "refused" else None
    await hung_up.wait()
    if closing is not None:
        closing.cancel()
    await runner.cleanup()


async def _close_the_door(runner: web.ServerRunner, site: web.TCPSite, brain: Any, port: int) -> None:
    """Refuse new connections during the outage; those that are open are reset."""
    while brain.first is None:
        await asyncio.sleep(0.01)
    await asyncio.sleep(BEGINS_SECONDS)
    await site.stop()
    await asyncio.sleep(LASTS_SECONDS)
    await web.TCPSite(runner, "127.0.0.1", port, backlog=BACKLOG, reuse_address=True).start()


# -- measuring -------------------------------------------------------------------------------------------------------


def play(fault: str | None, client: Client) -> tuple[float, int, dict[str, int]]:
    """Return the seconds, the rows lost, and what the server saw."""
    prompts = [f"row {number} of the frame" for number in range(ROWS)]
    command = [sys.executable, "-m", "benchmarks.outages", "serve", fault or ""]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin is not None and server.stdout is not None
    try:
        url = server.stdout.readline().strip()
        started = time.perf_counter()
        answers = client(url, prompts)
        seconds = time.perf_counter() - started
        server.stdin.write("books\n")
        server.stdin.flush()
        return seconds, sum(answer is None for answer in answers), json.loads(server.stdout.readline())
    finally:
        server.kill()  # calls that hang would hold up a polite end
        server.wait()


def run() -> None:
    """Print the table."""
    print("| every call comes to | client | rows lost | calls into the outage | seconds | longer than without |")
    print("|---|---|---|---|---|---|")
    quiet = {name: play(None, client)[0] for name, client in CLIENTS.items()}
    for words, fault in KINDS.items():
        for name, client in CLIENTS.items():
            seconds, lost, books = play(fault, client)
            wasted = "not seen by the server" if fault == "refused" else f"{books['wasted']:,}"
            print(
                f"| {words} | {name} | {lost:,} | {wasted} | {seconds:.1f} | {seconds - quiet[name]:.1f} |", flush=True
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(sys.argv[2] or None))
    else:
        run()
