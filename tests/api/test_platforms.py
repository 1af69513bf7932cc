"""Claude on cloud platforms, against loopback stand-ins of their paths and auth headers (source: the SDK's clients)."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anthropic
import pytest

import claude_parallel as cp
from claude_parallel.api.account import open_account
from claude_parallel.errors import InputError
from claude_parallel.pricing import PriceList
from claude_parallel.records import Usage

from ..nasty.server import message, nasty_server

KEY = "platform-key-0123456789"
HAIKU = "claude-haiku-4-5-20251001"


class Heard(list[tuple[str, dict[str, str], dict[str, Any]]]):
    """Path, headers and body of every call."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.raw: list[bytes] = []


@pytest.fixture
def api() -> Iterator[Heard]:
    """Answer every POST with the same Message, whatever its path, and take note of it."""
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            heard.raw.append(self.rfile.read(int(self.headers["content-length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            heard.append((self.path, headers, json.loads(heard.raw[-1])))
            raw = json.dumps(message(model=HAIKU)).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    heard.url = f"http://127.0.0.1:{server.server_port}"
    yield heard
    server.shutdown()
    server.server_close()


def client_of(name: str, url: str, **more: Any) -> Any:
    """Return a client of a platform that signs in with a key or token."""
    arguments: dict[str, dict[str, Any]] = {
        "Bedrock": {"api_key": KEY, "aws_region": "us-east-1"},
        "Vertex": {"access_token": KEY, "region": "us-east5", "project_id": "project"},
        "Foundry": {"api_key": KEY},
        "AWS": {"api_key": KEY, "aws_region": "us-east-1", "workspace_id": "wrkspc_1"},
    }
    platform = name.removeprefix("Async").removeprefix("Anthropic")
    return getattr(anthropic, name)(**{**arguments[platform], "base_url": url, **more})


BEDROCK = f"us.anthropic.{HAIKU}-v1:0"
CASES = [
    ("Bedrock", BEDROCK, f"/model/{BEDROCK}/invoke", "authorization", f"Bearer {KEY}"),
    (
        "Vertex",
        "claude-haiku-4-5@20251001",
        "/projects/project/locations/us-east5/publishers/anthropic/models/claude-haiku-4-5@20251001:rawPredict",
        "authorization",
        f"Bearer {KEY}",
    ),
    ("Foundry", HAIKU, "/v1/messages", "api-key", KEY),
    ("AWS", HAIKU, "/v1/messages", "authorization", f"Bearer {KEY}"),
]


@pytest.mark.parametrize("kind", ["Anthropic", "AsyncAnthropic"])
@pytest.mark.parametrize(("platform", "model", "path", "header", "value"), CASES, ids=[case[0] for case in CASES])
def test_a_platforms_client_maps(
    kind: str, platform: str, model: str, path: str, header: str, value: str, api: Heard
) -> None:
    """Async or sync, with the user's own headers: rows are answered over the platform's path, signed in its way."""
    client = client_of(kind + platform, api.url, default_headers={"x-team": "data"})
    out = cp.map(["a", "b"], model=model, client=client, journal=False, progress=False)
    assert out["response"].tolist() == ["fine", "fine"]
    assert len(api) == 2
    called, headers, _body = api[0]
    assert called == path
    assert (headers[header], headers["x-team"]) == (value, "data")
    assert out["response_cost"].notna().all()


def cost_of(client: Any, model: str) -> float:
    """Return what one row costs."""
    return float(cp.map(["a"], model=model, client=client, journal=False, progress=False)["response_cost"][0])


def test_a_regional_endpoint_costs_a_tenth_more_than_the_global_one(api: Heard) -> None:
    """On Bedrock the model's id names the region, on Vertex the client; the answer names neither."""
    listed = float(PriceList().cost(HAIKU, Usage(input_tokens=10, output_tokens=5)) or Decimal(0))
    bedrock = client_of("AsyncAnthropicBedrock", api.url)
    assert cost_of(bedrock, f"global.anthropic.{HAIKU}-v1:0") == pytest.approx(listed)
    assert cost_of(bedrock, BEDROCK) == pytest.approx(1.1 * listed)
    vertex = "claude-haiku-4-5@20251001"
    assert cost_of(client_of("AsyncAnthropicVertex", api.url), vertex) == pytest.approx(1.1 * listed)
    assert cost_of(client_of("AsyncAnthropicVertex", api.url, region="global"), vertex) == pytest.approx(listed)
    assert cost_of(client_of("AsyncAnthropicFoundry", api.url), HAIKU) == pytest.approx(listed)


def test_a_model_without_a_known_price_is_said_to_have_none(api: Heard) -> None:
    """NaN and a warning, and with a budget an error before the first call: never the price of another model."""
    client = client_of("AsyncAnthropicBedrock", api.url)
    with pytest.warns(UserWarning, match="no price is known"):
        out = cp.map(["a"], model="arn:aws:bedrock:profile", client=client, journal=False, progress=False)
    assert out["response_cost"].isna().all()
    with pytest.raises(InputError, match="no price is known"):
        cp.map(["a"], model="arn:aws:bedrock:profile", client=client, budget=1, journal=False, progress=False)
    assert len(api) == 1


@pytest.mark.parametrize("platform", ["Bedrock", "Vertex", "Foundry"])
def test_batches_are_refused_where_there_are_none(platform: str, api: Heard) -> None:
    """Before the first call, with the platform's name."""
    client = client_of(f"AsyncAnthropic{platform}", api.url)
    with pytest.raises(InputError, match=f"no message batches on {platform.lower()}"):
        cp.map(["a"], client=client, batch=True, journal=False, progress=False)
    assert not api


@pytest.mark.parametrize("platform", ["Bedrock", "Vertex", "Foundry", "AWS"])
def test_two_accounts_of_a_platform_have_different_owners(platform: str, api: Heard) -> None:
    """Sync and async clients of one account share its limits; the key is not told."""
    one, twin = (client_of(f"{kind}{platform}", api.url) for kind in ("Anthropic", "AsyncAnthropic"))
    field = "access_token" if platform == "Vertex" else "api_key"
    other = client_of(f"AsyncAnthropic{platform}", api.url, **{field: "another-key"})
    owners = [open_account(client, api_key=None, base_url=None).owner for client in (one, twin, other)]
    assert owners[0] == owners[1] != owners[2]
    assert KEY not in repr(open_account(one, api_key=None, base_url=None))


@pytest.mark.parametrize(
    ("client", "package"),
    [
        (lambda url: anthropic.AsyncAnthropicBedrock(aws_region="us-east-1", base_url=url), "boto3"),
        (lambda url: anthropic.AsyncAnthropicVertex(region="global", project_id="p", base_url=url), "google.auth"),
    ],
)
def test_a_missing_package_for_signing_in_is_named(client: Any, package: str, api: Heard) -> None:
    """Where it is installed, signing in is the platform's business."""
    try:
        __import__(package)
    except ImportError:
        with pytest.raises(InputError, match=f"needs the package {package}"):
            open_account(client(api.url), api_key=None, base_url=None)
    else:
        assert open_account(client(api.url), api_key=None, base_url=None).host == api.url


def is_signed(path: str, headers: dict[str, str], raw: bytes, service: str) -> bool:
    """Say whether a call has the signature it should have, by the published algorithm (AWS, "Signature Version 4")."""
    parts = dict(part.strip().split("=", 1) for part in headers["authorization"].partition(" ")[2].split(","))
    _key, *scope = parts["Credential"].split("/")
    quoted = "/".join(quote(part, safe="-_.~") for part in path.split("/"))
    named = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in parts["SignedHeaders"].split(";"))
    payload = hashlib.sha256(raw).hexdigest()
    canonical = "\n".join(["POST", quoted, "", named, parts["SignedHeaders"], payload])
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], "/".join(scope), digest])
    key = f"AWS4{KEY}".encode()
    for part in [*scope, to_sign]:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return scope[1:] == ["us-east-1", service, "aws4_request"] and parts["Signature"] == key.hex()


@pytest.mark.parametrize("name", ["AnthropicBedrock", "AsyncAnthropicBedrock", "AnthropicAWS", "AsyncAnthropicAWS"])
def test_keys_of_aws_sign_each_call(name: str, api: Heard) -> None:
    """SigV4 over body and headers, with the client's own keys; they are never sent."""
    pytest.importorskip("boto3")
    more = {"workspace_id": "wrkspc_1"} if name.endswith("AWS") else {"aws_session_token": "session-token"}
    client = getattr(anthropic, name)(
        aws_access_key="AKIAEXAMPLE", aws_secret_key=KEY, aws_region="us-east-1", base_url=api.url, **more
    )
    model = HAIKU if name.endswith("AWS") else BEDROCK
    out = cp.map(["a", "b"], model=model, client=client, journal=False, progress=False)
    assert out["response"].tolist() == ["fine", "fine"]
    assert out["response_cost"].gt(0).all()
    service = "aws-external-anthropic" if name.endswith("AWS") else "bedrock"
    for (path, headers, _body), raw in zip(api, api.raw, strict=True):
        assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/")
        assert is_signed(path, headers, raw, service)
        assert not is_signed(path, headers, raw + b" ", service)
        assert KEY not in str(headers)


class SigningAWS(anthropic.AsyncAnthropicAWS):
    """Reads each request before it goes, as signing does, and needs no boto3."""

    async def _prepare_request(self, request: Any) -> None:
        request.headers["x-digest"] = hashlib.sha256(request.read()).hexdigest()


def test_the_body_of_a_batch_can_be_signed(tmp_path: Path) -> None:
    """A signature covers the whole body, which then cannot be sent piece by piece."""
    with nasty_server({}) as server:
        client = SigningAWS(api_key=KEY, aws_region="us-east-1", workspace_id="wrkspc_1", base_url=server.url)
        out = cp.map(["a", "b"], model=HAIKU, client=client, batch=True, journal=tmp_path / "j", progress=False)
    assert out["response"].tolist() == ["fine", "fine"]
    assert all("x-digest" in headers for _method, _path, headers in server.heard)


@pytest.mark.parametrize("name", ["AnthropicVertex", "AsyncAnthropicVertex"])
def test_credentials_of_google_are_refreshed_and_used(name: str, api: Heard) -> None:
    """What ``google.auth.default()`` gives is such an object."""
    credentials = pytest.importorskip("google.auth.credentials")

    class Fresh(credentials.Credentials):  # type: ignore[misc, name-defined]
        def refresh(self, _request: Any) -> None:
            self.token = "token-of-adc"

    client = getattr(anthropic, name)(region="us-east5", project_id="p", credentials=Fresh(), base_url=api.url)
    out = cp.map(["a"], model="claude-haiku-4-5@20251001", client=client, journal=False, progress=False)
    assert out["response"].tolist() == ["fine"]
    assert api[0][1]["authorization"] == "Bearer token-of-adc"
