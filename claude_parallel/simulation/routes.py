"""The routes beside Messages: token counting, models, batches, and the list of limits.

It knows which address belongs to whom; batches themselves are kept by :mod:`batches`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

from .batches import Batches
from .checks import (
    BATCH_BYTES,
    MESSAGE_BYTES,
    api_key,
    known_model,
    message_problem,
    size_problem,
)
from .faults import REFUSING
from .ledger import Ledger
from .limiter import Pool, limit_values
from .models import MODELS, listed, model_info
from .paging import Query, page
from .profile import Fault, Profile
from .tokens import count_tokens
from .wire import Problem

Result = Problem | dict[str, Any] | Iterator[str]

ADMIN_KEY = "sk-ant-admin"
"""How the keys begin that may read the organization's limits."""

NO_ROUTE = Problem(404, "Not Found")


class Routes:
    """Everything but POST /v1/messages.

    Parameters
    ----------
    profile : Profile
        Limits and scripted faults.
    batches : Batches
        The batches of the account.
    ledger : Ledger
        Counts the calls.
    """

    def __init__(self, profile: Profile, batches: Batches, ledger: Ledger) -> None:
        self._profile = profile
        self._batches = batches
        self._ledger = ledger
        self._count_pool = Pool(profile.limits.count_requests_per_minute)
        self._batch_pool = Pool(profile.limits.batch_requests_per_minute)

    def answer(
        self,
        method: str,
        route: str,
        query: str,
        headers: Mapping[str, str],
        body: Any,
        now: float,
        size_bytes: int,
    ) -> tuple[Fault | None, Result]:
        """Return the scripted fault, if any, and what the route says."""
        fields = {name: values[-1] for name, values in parse_qs(query).items()}
        parts = tuple(part for part in route.split("/") if part)
        if parts[:3] == ("v1", "messages", "batches"):
            return self._batch_route(method, parts[3:], fields, body, now, size_bytes)
        if (method, parts) == ("POST", ("v1", "messages", "count_tokens")):
            return None, self._count(headers, body, now, size_bytes)
        if method == "GET" and parts[:2] == ("v1", "models"):
            return None, _models(parts[2:], fields)
        if (method, parts) == ("GET", ("v1", "organizations", "rate_limits")):
            return None, self._rate_limits(headers, fields)
        return None, NO_ROUTE

    def _count(self, headers: Mapping[str, str], body: Any, now: float, size_bytes: int) -> Result:
        self._ledger.counted += 1
        problem = size_problem(size_bytes, MESSAGE_BYTES)
        if problem is not None:
            return problem
        model = known_model(body)
        if isinstance(model, Problem):
            return model
        if "max_tokens" in body:
            return Problem(400, "max_tokens: Extra inputs are not permitted")
        problem = message_problem(body, model, headers.get("anthropic-version"), counting=True)
        problem = problem or self._count_pool.admit(now)
        return problem or {"input_tokens": count_tokens(body)}

    def _batch_route(
        self, method: str, parts: tuple[str, ...], fields: Query, body: Any, now: float, size_bytes: int
    ) -> tuple[Fault | None, Result]:
        self._ledger.batch_calls += 1
        fault = self._profile.batch_script.get(self._ledger.batch_calls)
        if fault is not None and fault in REFUSING:
            return fault, REFUSING[fault]
        if fault == "hang":
            return fault, {}
        problem = size_problem(size_bytes, BATCH_BYTES) or self._batch_pool.admit(now)
        return fault, problem or self._batch(method, parts, fields, body, now)

    def _batch(self, method: str, parts: tuple[str, ...], fields: Query, body: Any, now: float) -> Result:
        match (method, parts):
            case ("POST", ()):
                return self._batches.create(body, now)
            case ("GET", ()):
                return self._batches.list(fields, now)
            case ("GET", (batch_id,)):
                return self._batches.retrieve(batch_id, now)
            case ("DELETE", (batch_id,)):
                return self._batches.delete(batch_id, now)
            case ("POST", (batch_id, "cancel")):
                return self._batches.cancel(batch_id, now)
            case ("GET", (batch_id, "results")):
                return self._batches.results(batch_id, now)
        return NO_ROUTE

    def _rate_limits(self, headers: Mapping[str, str], fields: Query) -> Result:
        if not api_key(headers).startswith(ADMIN_KEY):
            return Problem(403, "This endpoint needs an Admin API key")
        found = [entry for entry in self._limit_entries() if _matches(entry, fields)]
        if "model" in fields and not found:
            return Problem(404, f"model: {fields['model']}")
        return {"data": found, "next_page": None}

    def _limit_entries(self) -> list[dict[str, Any]]:
        limits = self._profile.limits
        entries: list[dict[str, Any]] = []
        for group in dict.fromkeys(model.group for model in listed()):
            models = [name for name, model in MODELS.items() if model.group == group]
            described = {"id": group, "type": "model_group", "display_name": f"Claude {group}"}
            entries.append(_limit_entry(described, models, limit_values(limits)))
        pools = (
            ("batch", "enqueued_batch_requests", limits.batch_queue),
            ("token_count", "requests_per_minute", limits.count_requests_per_minute),
        )
        for name, kind, value in pools:
            if value is not None:
                entries.append(_limit_entry({"id": name, "type": name}, None, [{"type": kind, "value": int(value)}]))
        return entries


def _limit_entry(group: dict[str, str], models: list[str] | None, limits: list[Any]) -> dict[str, Any]:
    return {
        "id": f"rl_sim_{group['id']}",
        "type": "rate_limit",
        "group": group,
        "models": models,
        "limits": limits,
    }


def _matches(entry: dict[str, Any], fields: Query) -> bool:
    if "group_type" in fields and entry["group"]["type"] != fields["group_type"]:
        return False
    return "model" not in fields or fields["model"] in (entry["models"] or ())


def _models(parts: tuple[str, ...], fields: Query) -> Result:
    if not parts:
        return page([model_info(model) for model in listed()], fields)
    model = MODELS.get("/".join(parts))
    return Problem(404, f"model: {'/'.join(parts)}") if model is None else model_info(model)
