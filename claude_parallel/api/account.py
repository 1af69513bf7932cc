"""Where requests go and who pays: how a client, a key or the environment becomes an account.

No request is sent here; ``messages`` and ``batch.api`` send them through the clients that an account makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..errors import CredentialsError, InputError
from .platforms import Platform, async_twin, check_sign_in, identity, platform_of, price_factor, provider_identity
from .sign_in_checks import check_headers, check_network, check_secret, check_url

if TYPE_CHECKING:
    import anthropic
    import httpx2

_SIGNING_HEADERS, _WORKSPACE_HEADERS = ("authorization", "x-api-key"), ("anthropic-workspace-id",)
"""Headers that say who pays whatever the client's key is: the user's own, and those of a workspace, wherever it is
named (source: the SDK's clients, 2.14). Batches are seen by one workspace only."""

SIMULATOR_KEY = "simulator"
"""The key of every simulator. No real key is of this form, so whoever signs in with it talks to a simulator."""

_NO_KEY = (
    "no API key found. Set the environment variable ANTHROPIC_API_KEY, or pass client=anthropic.AsyncAnthropic(...); "
    "to try without a key, run inside `with cp.simulator():`"
)


@dataclass(frozen=True, slots=True)
class Account:
    """Where requests go and who pays, without a connection.

    Attributes
    ----------
    host : str
        The base URL.
    owner : str
        Tells two accounts on one host apart without telling the key (a short hash of it).
    make_client : callable
        ``http_client -> AsyncAnthropic``: a new client with the user's settings and no retries.
    has_own_http : bool
        True when `make_client` leaves its argument aside, since its clients bring an HTTP client of their own.
    platform : str
        Whose API it is; see ``platforms``.
    price_factor : Decimal
        What list prices are multiplied by there.
    """

    host: str
    owner: str
    make_client: Callable[[Any], Any]
    has_own_http: bool = False
    platform: Platform = "anthropic"
    price_factor: Decimal = Decimal(1)


def open_account(client: Any, *, api_key: str | None, base_url: str | None) -> Account:
    """Return the account that a user's client, or the environment, stands for.

    Parameters
    ----------
    client : AsyncAnthropic, Anthropic, cloud client, callable or None
        Its settings are taken over; its connections are never used, since they belong to another event loop. A
        callable must return a new async client at each call (the way to keep a custom HTTP client, such as a proxy).
    api_key, base_url : str, optional
        Override key and URL where no client is given.

    Raises
    ------
    CredentialsError
        When there is nothing to sign in with.
    InputError
        When the client cannot be taken over.
    """
    if client is None:
        check_network()
        client = _client_of_environment(api_key, base_url)
        return _account(client, lambda http: client.with_options(http_client=http, max_retries=0))
    if _is_async_client(client):
        _check_http_client(client)
        check_network()
        return _account(client, lambda http: client.with_options(http_client=http, max_retries=0))
    if _is_sync_client(client):
        _check_http_client(client)
        _check_middleware(client)
        check_network()
        twin = async_twin(client, _no_http()) if platform_of(client) != "anthropic" else _async_twin(client)
        return _account(twin, lambda http: twin.with_options(http_client=http, max_retries=0))
    if callable(client):
        first = client()
        if not _is_async_client(first):
            raise InputError("client= as a callable must return a new anthropic.AsyncAnthropic at each call")
        return _account(first, lambda _http: client().with_options(max_retries=0), has_own_http=True)
    raise InputError(f"client= must be an anthropic client or a callable that makes one, not {type(client).__name__}")


def _client_of_environment(api_key: str | None, base_url: str | None) -> anthropic.AsyncAnthropic:
    import anthropic

    try:
        return anthropic.AsyncAnthropic(api_key=api_key, base_url=base_url, max_retries=0, http_client=_no_http())
    except anthropic.AnthropicError as error:  # a profile that is not there, or cannot be read
        raise CredentialsError(f"{_NO_KEY}. The SDK says: {error}") from None
    except ValueError:  # its message may repeat the URL, and with it a secret
        raise InputError("base_url is not a web address; write such as https://api.anthropic.com") from None


def _is_async_client(client: object) -> bool:
    """Say whether this is an async client of the SDK, the cloud platforms' included."""
    return any(cls.__name__ == "AsyncAPIClient" for cls in type(client).__mro__)


def _is_sync_client(client: object) -> bool:
    return any(cls.__name__ == "SyncAPIClient" for cls in type(client).__mro__)


def _account(
    client: anthropic.AsyncAnthropic, make_client: Callable[[Any], Any], *, has_own_http: bool = False
) -> Account:
    import hashlib

    check_url(str(client.base_url))
    _check_credentials(client)
    check_headers(client._custom_headers)
    host = str(client.base_url).rstrip("/")
    owner = hashlib.sha256(" ".join([host, *_payer(client)]).encode()).hexdigest()[:12]
    return Account(host, owner, make_client, has_own_http, platform_of(client), price_factor(client))


def _payer(client: anthropic.AsyncAnthropic) -> Iterator[str]:
    """Yield what tells who pays from anybody else on the same host: holds secrets, to be hashed."""
    if platform_of(client) == "anthropic":
        yield client.api_key or client.auth_token or provider_identity(client.credentials)
    else:
        yield identity(client)
    for names, headers in ((_SIGNING_HEADERS, client._custom_headers), (_WORKSPACE_HEADERS, client.default_headers)):
        for name, value in headers.items():
            if name.lower() in names and isinstance(value, str):
                yield f"{name.lower()}: {value}"


def _async_twin(client: anthropic.Anthropic) -> anthropic.AsyncAnthropic:
    """Return an async client with the settings of a sync one."""
    import anthropic

    taken: dict[str, Any] = {"api_key": client.api_key}
    if client.api_key is None:
        taken = {"auth_token": client.auth_token} if client.auth_token else {"credentials": client.credentials}
    taken["open_telemetry"] = client.open_telemetry  # what an option resolves to is an option
    return anthropic.AsyncAnthropic(
        **taken,
        base_url=client.base_url,
        # A profile names its workspace in a header, which stays behind when its provider is taken alone.
        default_headers={**client._credential_headers, **client._custom_headers},
        default_query=dict(client._custom_query),
        max_retries=0,
        http_client=_no_http(),
    )


def _no_http() -> httpx2.AsyncClient:
    """Return an HTTP client for a client that sends nothing; its own would read the certificates for 25 ms."""
    import httpx2

    return httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _request: httpx2.Response(501)))


def _check_http_client(client: Any) -> None:
    """Refuse to drop a custom HTTP client (proxy, certificates) silently."""
    name = type(client._client).__name__
    if name not in ("AsyncHttpxClientWrapper", "SyncHttpxClientWrapper"):
        raise InputError(
            f"this client has an HTTP client of its own ({name}), which belongs to one event loop and cannot be "
            "shared. Give a callable that makes a new one: client=lambda: anthropic.AsyncAnthropic(http_client=...)"
        )


def _check_middleware(client: Any) -> None:
    """Refuse to drop the middleware of a sync client silently: an async client cannot call it."""
    if client._middleware:
        raise InputError(f"the middleware of a sync client cannot be taken over; pass Async{type(client).__name__}")


def _check_credentials(client: anthropic.AsyncAnthropic) -> None:
    for name in ("API key", "auth token", "access token"):
        check_secret(name, getattr(client, name.lower().replace(" ", "_"), None))
    if platform_of(client) != "anthropic":
        check_sign_in(client)  # the cloud clients sign each request in their own way
        return
    own_headers = {name.lower() for name in client._custom_headers}
    if client.api_key or client.auth_token or client.credentials or own_headers & {"x-api-key", "authorization"}:
        return
    raise CredentialsError(_NO_KEY)
