"""Envelopes: nothing lost, order kept, both limits, ids within the API's alphabet."""

from __future__ import annotations

import hashlib
import itertools
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_parallel.api.json_text import encode_body
from claude_parallel.batch.envelope import MAX_BYTES, Envelope, custom_id, read_custom_id

_KEY = hashlib.sha256(b"row").digest()

bodies = st.dictionaries(st.text(max_size=5), st.text(max_size=40) | st.integers(), max_size=3)


def pack(params: list[bytes], max_requests: int, max_bytes: int) -> tuple[list[Envelope], list[bytes]]:
    """Fill envelopes in turn; return them, and what is too large for any."""
    envelopes, too_large = [Envelope("e0", max_requests, max_bytes)], []
    for item in params:
        if envelopes[-1].add(_KEY, item):
            continue
        if len(envelopes[-1]):
            envelopes.append(Envelope(f"e{len(envelopes)}", max_requests, max_bytes))
        if not envelopes[-1].add(_KEY, item):
            too_large.append(item)
    return envelopes, too_large


@given(st.lists(bodies, max_size=30), st.integers(1, 7), st.integers(80, 700))
def test_nothing_is_lost_and_the_order_is_kept(requests: list[dict[str, object]], most: int, size: int) -> None:
    """The bodies of all envelopes, one after the other, are the requests, but for those that fit into none."""
    try:
        params = [encode_body(request) for request in requests]
    except ValueError:
        return
    envelopes, too_large = pack(params, most, size)

    found = [row["params"] for envelope in envelopes for row in json.loads(b"".join(envelope.pieces()))["requests"]]
    assert found == [json.loads(item) for item in params if item not in too_large]


@given(st.lists(bodies, max_size=30), st.integers(1, 7), st.integers(80, 700))
def test_both_limits_hold_and_the_size_is_the_size_on_the_wire(
    requests: list[dict[str, object]], most: int, size: int
) -> None:
    """No envelope has more requests or bytes than allowed, and `size_bytes` counts the punctuation as well."""
    try:
        params = [encode_body(request) for request in requests]
    except ValueError:
        return
    envelopes, _ = pack(params, most, size)
    for envelope in envelopes:
        body = b"".join(envelope.pieces())

        assert len(body) == envelope.size_bytes
        assert len(envelope) <= most
        assert len(envelope) == 0 or len(body) <= size


@given(st.lists(st.binary(max_size=20).map(lambda raw: encode_body({"x": raw.hex()})), min_size=2, max_size=30))
def test_an_envelope_is_closed_only_when_the_next_request_does_not_fit(params: list[bytes]) -> None:
    """Envelopes are filled to the brim, so that there are no more of them than needed."""
    envelopes, too_large = pack(params, 5, 500)
    for envelope, following in itertools.pairwise(envelopes):
        first = json.loads(following.rows[0])["params"]
        trial = Envelope(envelope.id, 5, 500, list(envelope.rows), envelope.size_bytes)

        assert not too_large
        assert not trial.add(_KEY, encode_body(first))


@given(st.from_regex(r"[a-zA-Z0-9]{1,20}", fullmatch=True), st.binary(min_size=32, max_size=32))
def test_custom_ids_fit_the_api_and_lead_back(envelope_id: str, fingerprint: bytes) -> None:
    """Every id is within ``^[a-zA-Z0-9_-]{1,64}$`` and gives envelope and fingerprint back."""
    name = custom_id(envelope_id, fingerprint)

    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name)
    assert read_custom_id(name) == (envelope_id, fingerprint)


@pytest.mark.parametrize("name", ["", "row-x", "my_row-1", "a-b-1", "-1", "x-", "é-1"])
def test_ids_of_others_are_not_taken_for_ours(name: str) -> None:
    """A batch of another tool may list anything."""
    assert read_custom_id(name) is None


@pytest.mark.parametrize("body", [{"x": "\ud800"}, {"x": float("nan")}])
def test_what_is_not_json_is_refused(body: dict[str, object]) -> None:
    """Lone surrogates and NaN are found before anything is sent."""
    with pytest.raises(ValueError, match=r"surrogates|JSON"):
        encode_body(body)


def test_a_large_body_comes_in_pieces() -> None:
    """No piece holds much more than a quarter of a megabyte, so a body is never there twice."""
    envelope = Envelope("e")
    for number in range(3_000):
        envelope.add(_KEY, encode_body({"text": f"{number}" * 300}))
    pieces = list(envelope.pieces())

    assert len(pieces) > 5
    assert max(map(len, pieces)) < 300_000
    assert sum(map(len, pieces)) == envelope.size_bytes < MAX_BYTES
