"""Signing in: what cannot work is one clear error before the first call, and no secret is ever repeated."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic.lib.credentials import WorkloadIdentityCredentials

import claude_parallel as cp
from claude_parallel.api.account import open_account
from claude_parallel.errors import CredentialsError, InputError

SECRET = "sk-ant-secret-0123456789"
HOST = "https://api.example.com"


def open_with(key: str = SECRET, url: str = HOST) -> Any:
    """Sign in with a key at a URL."""
    return open_account(None, api_key=key, base_url=url)


def words_of(error: BaseException) -> str:
    """Return everything that an exception and its chain say."""
    said = ""
    link: BaseException | None = error
    while link is not None:
        said += f"{link} {link!r}"
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return said


@pytest.mark.parametrize("key", [SECRET + "\n", SECRET + "\r\n", "\n" + SECRET, SECRET[:9] + "\n" + SECRET[9:]])
@pytest.mark.parametrize("way", ["configure", "environment", "async client", "sync client", "token", "callable"])
def test_a_key_with_a_line_break_is_told_and_not_repeated(key: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a key read from a file has one; found before the first call, however the key came."""
    makers: dict[str, Any] = {
        "async client": lambda: anthropic.AsyncAnthropic(api_key=key),
        "sync client": lambda: anthropic.Anthropic(api_key=key),
        "token": lambda: anthropic.AsyncAnthropic(auth_token=key),
        "callable": lambda: lambda: anthropic.AsyncAnthropic(api_key=key),
    }
    client = makers[way]() if way in makers else None
    if way == "environment":
        monkeypatch.setenv("ANTHROPIC_API_KEY", key)
    with pytest.raises(CredentialsError, match="line break") as caught:
        open_account(client, api_key=key if way == "configure" else None, base_url=None)
    assert SECRET[-6:] not in words_of(caught.value)


@pytest.mark.parametrize("key", ["sk ant", "sk-änt", "sk\x00", "\u200bsk-ant"])
def test_a_key_with_letters_that_no_key_has_is_told(key: str) -> None:
    """No header can carry it."""
    with pytest.raises(CredentialsError, match="no key has"):
        open_with(key)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://user:pa55word@gateway.example", "user name or password"),
        ("https://t0ken@gateway.example/v1", "user name or password"),
        ("https://gateway.example?token=pa55word", "query"),
        ("https://gateway.example/x?t0ken", "query"),
        ("https://gateway.example/#t0ken", "query"),
        ("gateway.example", "not a web address"),
        ("ftp://gateway.example", "not a web address"),
        ("https://", "not a web address"),
        ("https://gateway.example:99999", "not a web address"),
        ("https://gate way.example", "not a web address"),
    ],
)
def test_a_base_url_with_a_secret_or_without_an_address_is_an_input_error(url: str, words: str) -> None:
    """The host stands in the journal, so nothing that signs in may stand in it."""
    with pytest.raises(InputError, match=words) as caught:
        open_with(url=url)
    assert "pa55word" not in words_of(caught.value)
    assert "t0ken" not in words_of(caught.value)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.anthropic.com", "https://api.anthropic.com"),
        ("https://api.anthropic.com/", "https://api.anthropic.com"),
        ("https://gateway.example/team/claude/", "https://gateway.example/team/claude"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
    ],
)
def test_the_host_of_a_clean_url_is_the_journals_key_as_it_ever_was(url: str, host: str) -> None:
    """Answers kept by an older version must be found by this one."""
    assert open_with(url=url).host == host


def test_a_header_with_a_line_break_is_an_input_error() -> None:
    """It would break the request apart, or end in an error that repeats it."""
    client = anthropic.AsyncAnthropic(api_key=SECRET, default_headers={"x-team": "one\r\nx-evil: pa55word"})
    with pytest.raises(InputError, match="x-team") as caught:
        open_account(client, api_key=None, base_url=None)
    assert "pa55word" not in words_of(caught.value)


@pytest.mark.parametrize("name", ["ALL_PROXY", "HTTPS_PROXY", "http_proxy"])
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("socks5://user:pa55word@127.0.0.1:1080", "SOCKS"),
        ("socks5h://127.0.0.1:1080", "SOCKS"),
        ("htp://proxy.example", "not the address of a proxy"),
        ("http//proxy.example", "not the address of a proxy"),
        ("http://user:pa55word@proxy.example:80:80", "not the address of a proxy"),
        ("127.0.0.1:99999", "not the address of a proxy"),
        ("http://", "not the address of a proxy"),
    ],
)
def test_a_proxy_that_cannot_work_is_an_input_error(
    name: str, address: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the variable and the way out, and not the proxy's password."""
    monkeypatch.setenv(name, address)
    with pytest.raises(InputError, match=words) as caught:
        open_with()
    assert name.upper() in str(caught.value)
    assert "pa55word" not in words_of(caught.value)


@pytest.mark.parametrize("address", ["http://proxy.example:8080", "proxy.example:8080", "http://u:p@proxy.example/"])
def test_a_proxy_that_can_work_is_taken(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a password too: it stays in the environment."""
    monkeypatch.setenv("HTTPS_PROXY", address)
    assert open_with().host == HOST


def test_no_proxy_for_anything_leaves_a_bad_proxy_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """``NO_PROXY=*`` means that none is used."""
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    monkeypatch.setenv("NO_PROXY", "*")
    assert open_with().host == HOST


@pytest.mark.parametrize("content", [None, "", "no certificate in here"])
def test_certificates_that_are_not_there_are_an_input_error(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after moving to a machine without the company's bundle."""
    file = tmp_path / "bundle.pem"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(InputError, match="SSL_CERT_FILE"):
        open_with()


def test_a_folder_of_certificates_that_is_not_there_is_an_input_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for a folder."""
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "nothing"))
    with pytest.raises(InputError, match="SSL_CERT_DIR"):
        open_with()


def test_a_refused_sign_in_leaves_no_trace(tmp_path: Path) -> None:
    """One error from ``map``, no journal, and nothing to see in ``cp.runs()``."""
    journal = tmp_path / "j.sqlite3"
    cp.configure(api_key=SECRET, base_url="https://user:pa55word@127.0.0.1:9")
    with pytest.raises(InputError, match="user name or password"):
        cp.map(["hello"], journal=journal, progress=False)
    assert not journal.exists()


def test_what_signs_in_reaches_neither_the_journal_nor_the_runs(tmp_path: Path) -> None:
    """Key, header and query of a client are in no byte of the file and in no cell of ``cp.runs()``."""
    journal = tmp_path / "j.sqlite3"
    with cp.simulator(latency_seconds=0.0) as sim:
        client = anthropic.AsyncAnthropic(
            api_key=SECRET,
            base_url=sim.url,
            default_headers={"x-gateway": "pa55word"},
            default_query={"token": "t0ken"},
        )
        cp.map(["hello"], client=client, journal=journal, progress=False)
        runs = cp.runs(journal=journal)
    with sqlite3.connect(journal) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    said = journal.read_bytes().decode("latin-1") + runs.to_csv()
    assert len(runs) == 1
    for word in (SECRET, "pa55word", "t0ken"):
        assert word not in said


def owner_of(client: Any) -> str:
    """Return who pays for what a client sends."""
    return open_account(client, api_key=None, base_url=None).owner


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two profiles of one person, in two workspaces."""
    monkeypatch.setenv("ANTHROPIC_CONFIG_DIR", str(tmp_path))
    for name in ("one", "other"):
        says = {
            "configs": {"authentication": {"type": "user_oauth"}, "workspace_id": f"wrkspc_{name}"},
            "credentials": {"access_token": f"token-{name}"},
        }
        for folder, content in says.items():
            file = tmp_path / folder / f"{name}.json"
            file.parent.mkdir(exist_ok=True)
            file.write_text(json.dumps({"version": "1.0", **content}), encoding="utf-8")
            file.chmod(0o600)


def test_who_else_pays_is_another_owner(profiles: None) -> None:
    """Whatever it signs in with: what one has sent is not missing because another cannot see it."""

    def rule(name: str) -> dict[str, Any]:
        made = WorkloadIdentityCredentials(
            identity_token_provider=lambda: "x", federation_rule_id="f", organization_id="o", workspace_id=name
        )
        return {"credentials": made}

    ways: list[dict[str, Any]] = [
        {"api_key": SECRET},
        {"api_key": SECRET + "2"},
        {"api_key": SECRET, "default_headers": {"Anthropic-Workspace-Id": "wrkspc_one"}},
        {"api_key": SECRET, "default_headers": {"Anthropic-Workspace-Id": "wrkspc_other"}},
        {"default_headers": {"X-Api-Key": SECRET}, "auth_token": "x"},
        {"default_headers": {"X-Api-Key": SECRET + "2"}, "auth_token": "x"},
        {"default_headers": {"Authorization": "Bearer 1"}, "auth_token": "x"},
        {"default_headers": {"Authorization": "Bearer 2"}, "auth_token": "x"},
        {"profile": "one"},
        {"profile": "other"},
        rule("wrkspc_one"),
        rule("wrkspc_other"),
    ]
    owners = [owner_of(anthropic.AsyncAnthropic(base_url=HOST, **way)) for way in ways]
    assert len(set(owners)) == len(owners)
    assert owners == [owner_of(anthropic.Anthropic(base_url=HOST, **way)) for way in ways]


def test_the_owner_of_a_plain_key_is_as_it_ever_was() -> None:
    """Batches of an older version are found by this one."""
    assert open_with().owner == hashlib.sha256(f"{HOST} {SECRET}".encode()).hexdigest()[:12]


def test_a_sync_clients_profile_sends_to_its_own_workspace(profiles: None) -> None:
    """The header that names it comes from the profile's file, beside what fetches the tokens."""
    for kind in (anthropic.Anthropic, anthropic.AsyncAnthropic):
        account = open_account(kind(base_url=HOST, profile="one"), api_key=None, base_url=None)
        assert account.make_client(None).default_headers["anthropic-workspace-id"] == "wrkspc_one"


def test_a_sync_client_that_traces_nothing_traces_nothing_here() -> None:
    """Spans may hold what was asked."""
    account = open_account(anthropic.Anthropic(api_key=SECRET, open_telemetry=False), api_key=None, base_url=None)
    assert account.make_client(None).open_telemetry["traces"]["enabled"] is False


def test_the_middleware_of_a_sync_client_is_not_dropped_silently() -> None:
    """It may hide what nobody is to see; an async client cannot call it."""
    client = anthropic.Anthropic(api_key=SECRET, middleware=[lambda request, call_next: call_next(request)])
    with pytest.raises(InputError, match="AsyncAnthropic"):
        open_account(client, api_key=None, base_url=None)
