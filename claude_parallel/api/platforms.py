"""Claude on cloud platforms: what their clients have in common, and how they differ from the Claude API's own.

Each signs in and addresses models in its own way, which the SDK knows; here is what a run has to know beside it: who
pays, what a call costs there, and whether there are batches.
"""

from __future__ import annotations

import importlib.util
import inspect
from decimal import Decimal
from typing import Any, Literal

from ..errors import InputError

Platform = Literal["anthropic", "bedrock", "vertex", "foundry", "aws", "google_cloud"]

_BY_CLASS: tuple[tuple[str, Platform], ...] = (
    ("Bedrock", "bedrock"),
    ("Vertex", "vertex"),
    ("Foundry", "foundry"),
    ("AWS", "aws"),
    ("GoogleCloud", "google_cloud"),
)
"""Part of the name of a client's class. Source: the SDK's ``lib`` folder, 2.12."""

WITHOUT_BATCHES: frozenset[Platform] = frozenset({"bedrock", "vertex", "foundry"})
"""Source: the SDK's clients, 2.12, which refuse batches there or have no door to them."""

_REGIONAL_PREMIUM = Decimal("1.1")
"""Regional endpoints of Vertex AI cost 10 % more than the global one, from Claude 4.5 on. The same premium on Bedrock
stands in the model's id, and genai-prices (0.2.3, provider ``aws``) knows it."""

_IDENTITY = (
    "api_key",
    "auth_token",
    "access_token",
    "aws_access_key",
    "aws_profile",
    "aws_region",
    "project_id",
    "region",
)
"""What tells two accounts on one host apart; hashed, never shown."""

_PROVIDER_IDENTITY = (
    "profile",
    "config_path",
    "_config",
    "_organization_id",
    "_workspace_id",
    "_federation_rule_id",
    "_service_account_id",
)
"""The same of what fetches tokens for the Claude API. Source: the SDK's ``lib/credentials``, 2.14."""

_OWN = frozenset({"self", "timeout", "max_retries", "http_client", "middleware", "default_headers"})
_OWN |= {"default_query", "_strict_response_validation"}
"""Arguments of a client that are not its sign-in or address."""


def platform_of(client: object) -> Platform:
    """Return the platform that an SDK client talks to."""
    names = [cls.__name__ for cls in type(client).__mro__]
    found = (platform for part, platform in _BY_CLASS if any(part in name for name in names))
    return next(found, "anthropic")


def price_factor(client: Any) -> Decimal:
    """Return what list prices are multiplied by on this client's platform."""
    is_regional = platform_of(client) == "vertex" and client.region != "global"
    return _REGIONAL_PREMIUM if is_regional else Decimal(1)


def identity(client: Any) -> str:
    """Return what tells a platform's account from another one: holds secrets, to be hashed."""
    return " ".join(str(getattr(client, name, None) or "") for name in _IDENTITY)


def provider_identity(provider: Any) -> str:
    """Return what tells a provider of tokens from another one, whichever token it has now: holds what is to be hashed.

    A profile is known by its name, its file and what that says; workload identity by whom it stands for.
    """
    told = {name: str(value) for name in _PROVIDER_IDENTITY if (value := getattr(provider, name, None))}
    return " ".join([type(provider).__name__, *(f"{name}: {value}" for name, value in told.items())])


def check_sign_in(client: Any) -> None:
    """Refuse a client whose way to sign in needs a package that is not installed.

    Raises
    ------
    InputError
        With the name of the package.
    """
    platform = platform_of(client)
    if platform in ("bedrock", "aws") and not client.api_key and not getattr(client, "_skip_auth", False):
        _require("boto3", platform)
    if platform == "vertex" and not client.access_token and client.credentials is None:
        _require("google.auth", platform)


def _require(module: str, platform: str) -> None:
    top, _, _ = module.partition(".")
    if importlib.util.find_spec(top) is None or importlib.util.find_spec(module) is None:
        raise InputError(f'signing in needs the package {module}: pip install "anthropic[{platform}]"')


def async_twin(client: Any, http_client: Any) -> Any:
    """Return the async client of a sync one's platform, with its sign-in, address, headers and query.

    Raises
    ------
    InputError
        Where there is no such client.
    """
    import anthropic

    twin = getattr(anthropic, f"Async{type(client).__name__}", None)
    if twin is None:
        raise InputError(f"client= is a {type(client).__name__}, which has no async client; pass an async one")
    names = set(inspect.signature(twin.__init__).parameters) - _OWN
    taken = {name: getattr(client, name, getattr(client, f"_{name}", None)) for name in names}
    return twin(
        **{name: value for name, value in taken.items() if value is not None},
        default_headers=dict(client._custom_headers),
        default_query=dict(client._custom_query),
        max_retries=0,
        http_client=http_client,
    )
