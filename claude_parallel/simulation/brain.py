"""The simulated API itself, pure: a request and a moment in, an exchange out; closed at its end, a response.

It knows the order in which the API looks at a call; the rules live in its helpers, and sockets and clocks in
:mod:`server` and :mod:`transport`. It shares no code with the client that it judges.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from .answers import draft_answer, message_json
from .batches import Batches
from .cache import PromptCache, Split
from .checks import MESSAGE_BYTES, headers_problem, known_model, message_problem, size_problem
from .content_checks import has_breakpoints
from .digest import body_digest, chances
from .faults import HTML_502, LOSING, NOT_JSON, REFUSING, Fate, draw_fate
from .ledger import Ledger
from .limiter import Account, retry_after_header
from .models import Model
from .profile import Fault, Profile
from .routes import Routes
from .tokens import count_tokens
from .wire import EPOCH, REFUSAL_SECONDS, Cut, Exchange, Problem, Response, Work, error_body

ORGANIZATION = "00000000-0000-4000-8000-000000000000"
WORKSPACE = "wrkspc_simulated"

_RETRIED = frozenset({408, 409, 429})
"""Statuses, beside 500 and above, after which the SDK asks again; the server's `x-should-retry` says the same."""


class Brain:
    """The API of one simulated account.

    Parameters
    ----------
    profile : Profile
        How the account behaves.
    seed : int
        Fixes answers, faults and latencies.
    epoch : float
        Wall-clock seconds (since 1970) at which `now` is 0, for headers and batches.
    base_url : str
        The address that batches put before their ``results_url``; may be set later.

    Attributes
    ----------
    ledger : Ledger
        What was seen and billed.
    """

    def __init__(
        self,
        profile: Profile | None = None,
        seed: int = 0,
        epoch: float = EPOCH,
        base_url: str = "http://simulator.invalid",
    ) -> None:
        self.profile = Profile() if profile is None else profile
        self.seed = seed
        self.epoch = epoch
        self.ledger = Ledger()
        self.cache = PromptCache()
        self.batches = Batches(self.profile, seed, epoch, base_url, self.cache, self.ledger)
        self._routes = Routes(self.profile, self.batches, self.ledger)
        self._accounts: dict[str, Account] = {}
        self._number = 0
        self._accepted = 0

    def __repr__(self) -> str:
        return f"<Brain seed={self.seed} {self.ledger!r}>"

    def open(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Any,
        now: float,
        *,
        size_bytes: int = 0,
    ) -> Exchange:
        """Look at a request when it arrives.

        Parameters
        ----------
        method, path : str
            As in HTTP; the path may carry a query.
        headers : mapping
            Lower-case names, or a mapping that ignores case.
        body : object
            The parsed JSON body; None where there is none or it cannot be parsed.
        now : float
            Seconds on the caller's clock, never running back.
        size_bytes : int
            The size of the body on the wire, for the 413 rule.

        Returns
        -------
        Exchange
            To be closed after its ``end_seconds``, or abandoned.
        """
        self._number += 1
        problem = headers_problem(headers, self.profile)
        route, _, query = path.partition("?")
        if method == "POST" and route == "/v1/messages":
            version = headers.get("anthropic-version")
            return self._open_message(problem, version, body, now, size_bytes)
        fault: Fault | None = None
        result: Problem | dict[str, Any] | Iterator[str] | None = problem
        if result is None:
            fault, result = self._routes.answer(method, route, query, headers, body, now, size_bytes)
        if isinstance(result, Problem):
            return self._refusal(result, {}, fault)
        return self._ready(result, fault)

    def begin(self, exchange: Exchange) -> None:
        """Take note that an answer begins to be streamed: what it wrote to the cache can be read from now on."""
        if exchange.work is not None:
            self.cache.begun(exchange.work.written)

    def close(self, exchange: Exchange, now: float) -> Response:
        """Settle an exchange at its end, and say what goes over the wire.

        Parameters
        ----------
        exchange : Exchange
            From :meth:`open`; each is closed or abandoned once.
        now : float
            Seconds on the caller's clock.
        """
        fault = exchange.fault
        cut: Cut | None = None
        if fault in ("reset", "hang"):
            cut = "reset"
        elif fault == "truncated":
            cut = "truncated"
        work = exchange.work
        if work is None:
            return Response(exchange.status, exchange.headers, exchange.body or "", cut, exchange.lines)
        self._settle(exchange, work, now, lost=fault in LOSING)
        headers = exchange.headers
        if self.profile.policy.headers_written == "end":
            headers = {**headers, **self._accounts[work.group].headers(now)}
        if fault == "not_json":
            return Response(200, {"content-type": "text/html"}, NOT_JSON)
        return Response(exchange.status, headers, work.message, cut)

    def abandon(self, exchange: Exchange, now: float) -> None:
        """Settle an exchange whose client went away: the work is done and billed all the same."""
        if exchange.work is not None:
            self._settle(exchange, exchange.work, now, lost=True)

    def _settle(self, exchange: Exchange, work: Work, now: float, *, lost: bool) -> None:
        self._accounts[work.group].generated(work.output_tokens, now, work.max_tokens)
        if work.written:
            self.cache.begun(work.written)
        self.ledger.closed(exchange, work, lost=lost)

    def _open_message(
        self, problem: Problem | None, version: str | None, body: Any, now: float, size_bytes: int
    ) -> Exchange:
        digest = body_digest(body) if isinstance(body, Mapping) else b""
        seen = self.ledger.arrived(digest)
        call = self.ledger.requests
        model = problem or self._judged(body, version, size_bytes)
        if isinstance(model, Problem):
            return self._refused_message(model, {})
        account = self._account(model.group, now)
        split = self._split(body, model, now)
        fate = draw_fate(self.profile, call, chances(self.seed, digest, seen))
        problem = _context_problem(split, model) or self._spent()
        if problem is None and fate.fault == "rate_limit":
            return self._refuse_by_chance(account.headers(now))
        problem = problem or account.admit(split.charged, now, body["max_tokens"])
        if problem is not None:
            return self._refused_message(problem, account.headers(now))
        self._accepted += 1
        if fate.fault in REFUSING or fate.fault == "hang":
            account.generated(0, now, body["max_tokens"])
            return self._failed_message(fate, account.headers(now))
        return self._accept(body, model, digest, split, fate, now)

    def _judged(self, body: Any, version: str | None, size_bytes: int) -> Problem | Model:
        problem = size_problem(size_bytes, MESSAGE_BYTES)
        if problem is not None:
            return problem
        model = known_model(body)
        if isinstance(model, Problem):
            return model
        return message_problem(body, model, version) or model

    def _split(self, body: Mapping[str, Any], model: Model, now: float) -> Split:
        if self.profile.cache and has_breakpoints(body):
            return self.cache.split(body, model.cache_minimum, now)
        return Split(count_tokens(body))

    def _spent(self) -> Problem | None:
        spend, credit = self.profile.spend_limit_after, self.profile.credit_after
        if spend is not None and self._accepted >= spend:
            return Problem(429, SPEND_MESSAGE, "enforced_spend_limit_reached")
        if credit is not None and self._accepted >= credit:
            return Problem(400, CREDIT_MESSAGE)
        return None

    def _accept(
        self, body: Mapping[str, Any], model: Model, digest: bytes, split: Split, fate: Fate, now: float
    ) -> Exchange:
        profile, number = self.profile, self._number
        room = model.context - split.plain - split.read - split.written_5m - split.written_1h
        draft = draft_answer(body, model, profile, fate, digest, self.seed, room)
        begin = fate.pace * profile.latency_seconds
        end = begin + fate.pace * profile.seconds_per_output_token * draft.output_tokens
        written = self.cache.commit(split, now, now + begin) if split.hit or split.writes else ()
        message = message_json(draft, body, split, number, "standard")
        work = Work(digest, body["model"], model.group, message, draft.output_tokens, body["max_tokens"], written)
        self.ledger.accepted()
        headers = self._headers()
        headers.update(self._accounts[model.group].headers(now))
        return Exchange(number, 200, begin, end, headers, None, fate.fault, work)

    def _failed_message(self, fate: Fate, limits: dict[str, str]) -> Exchange:
        fault = fate.fault
        if fault == "hang":
            seconds = self.profile.hang_seconds
            self.ledger.refuse(0)
            return Exchange(self._number, 504, seconds, seconds, {}, None, fault)
        assert fault is not None
        late_seconds = fate.pace * self.profile.latency_seconds if fault == "gateway_timeout" else None
        return self._refused_message(REFUSING[fault], limits, fault, late_seconds)

    def _refuse_by_chance(self, limits: dict[str, str]) -> Exchange:
        """Answer 429 as the profile says, and charge nothing."""
        refusal = self.profile.refusal
        problem = replace(REFUSING["rate_limit"], retry_after=refusal.retry_after)
        return self._refused_message(problem, limits if refusal.has_headers else {}, "rate_limit")

    def _refused_message(
        self,
        problem: Problem,
        limits: dict[str, str],
        fault: Fault | None = None,
        late_seconds: float | None = None,
    ) -> Exchange:
        self.ledger.refuse(problem.status)
        return self._refusal(problem, limits, fault, late_seconds)

    def _refusal(
        self,
        problem: Problem,
        limits: dict[str, str],
        fault: Fault | None = None,
        late_seconds: float | None = None,
    ) -> Exchange:
        quick_seconds = min(REFUSAL_SECONDS, self.profile.latency_seconds)
        seconds = quick_seconds if late_seconds is None else late_seconds
        if fault == "html_502":
            page = {"content-type": "text/html"}
            return Exchange(self._number, problem.status, seconds, seconds, page, HTML_502)
        headers = self._headers()
        headers.update(limits)
        if problem.retry_after is not None:
            headers["retry-after"] = retry_after_header(problem.retry_after)
        if self.profile.x_should_retry:
            again = problem.status in _RETRIED or problem.status >= 500
            headers["x-should-retry"] = "true" if again else "false"
        body = error_body(problem, headers["request-id"])
        return Exchange(self._number, problem.status, seconds, seconds, headers, body)

    def _ready(self, result: dict[str, Any] | Iterator[str], fault: Fault | None) -> Exchange:
        seconds = min(REFUSAL_SECONDS, self.profile.latency_seconds)
        if fault == "hang":
            seconds = self.profile.hang_seconds
        headers = self._headers()
        if isinstance(result, dict):
            return Exchange(self._number, 200, seconds, seconds, headers, result, fault)
        headers["content-type"] = "application/x-jsonl"
        return Exchange(self._number, 200, seconds, seconds, headers, None, fault, None, result)

    def _account(self, group: str, now: float) -> Account:
        account = self._accounts.get(group)
        if account is None:
            account = self._accounts[group] = Account(self.profile, self.epoch, now)
        return account

    def _headers(self) -> dict[str, str]:
        return {
            "content-type": "application/json",
            "request-id": f"req_sim{self._number:020d}",
            "anthropic-organization-id": ORGANIZATION,
            "anthropic-workspace-id": WORKSPACE,
        }


SPEND_MESSAGE = (
    "Your organization has reached the monthly API usage threshold of its usage tier. "
    "Access returns at 00:00 UTC on the first day of next month."
)

CREDIT_MESSAGE = (
    "Your credit balance is too low to access the Anthropic API. "
    "Please go to Plans & Billing to upgrade or purchase credits."
)


def _context_problem(split: Split, model: Model) -> Problem | None:
    tokens = split.plain + split.read + split.written_5m + split.written_1h
    if tokens <= model.context:
        return None
    return Problem(400, f"prompt is too long: {tokens} tokens > {model.context} maximum")
