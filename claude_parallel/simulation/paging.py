"""Pages of a list, as the API cuts them: ``limit``, ``after_id``, ``before_id``.

It knows the cut only; what is listed is for others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .wire import Problem

Query = Mapping[str, str]

DEFAULT_LIMIT = 20
MAX_LIMIT = 1_000
"""Objects of a page, by default and at most. Source: API reference, List Message Batches."""


def page(items: list[dict[str, Any]], query: Query) -> dict[str, Any] | Problem:
    """Return one page of `items`, which are in the list's own order.

    ``after_id`` gives what comes right after that item, ``before_id`` what comes right before it.
    """
    try:
        limit = int(query.get("limit", DEFAULT_LIMIT))
    except ValueError:
        limit = 0
    if not 1 <= limit <= MAX_LIMIT:
        return Problem(400, f"limit: Input should be between 1 and {MAX_LIMIT}")
    places = {item["id"]: at for at, item in enumerate(items)}
    first, last = 0, len(items)
    if "after_id" in query:
        first = places.get(query["after_id"], last) + 1
    if "before_id" in query:
        last = places.get(query["before_id"], 0)
        chosen = items[max(first, last - limit) : last]
        more = last - limit > first
    else:
        chosen = items[first : first + limit]
        more = first + limit < last
    return {
        "data": chosen,
        "has_more": more,
        "first_id": chosen[0]["id"] if chosen else None,
        "last_id": chosen[-1]["id"] if chosen else None,
    }
