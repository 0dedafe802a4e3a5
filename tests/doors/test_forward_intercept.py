"""Interception: the official clients through HTTPS_PROXY, judged like the gateway's; everything else stays closed."""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import anthropic
import httpx2
import openai
import pytest
from running_proxy import RunningProxy, proxy
from scripted_upstream import anthropic_message, openai_message
from tls_site import Site, Visited, certified
from values import aws_key

from bartizan.home.authority import CERTIFICATE, KEY

MARK = "[redacted: aws-access-key]"
OWN = "sk-of-the-client"


def answers(handler: BaseHTTPRequestHandler, visit: Visited) -> bool:
    """As the providers do."""
    bodies = {
        "/v1/chat/completions": openai_message({"content": "Good morning."}),
        "/v1/messages": anthropic_message([{"type": "text", "text": "Good morning."}]),
        "/v1/models": b'{"object":"list","data":[{"id":"gpt-x","object":"model","created":1,"owned_by":"x"}]}',
    }
    body = bodies.get(visit.path)
    if body is None:
        return False
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
    return True


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certified(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def site(certificates: tuple[Path, Path]) -> Iterator[Site]:
    with Site(certificates[1], handler=answers) as one:
        yield one


@pytest.fixture(scope="module")
def up(site: Site, certificates: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProxy]:
    home = tmp_path_factory.mktemp("intercept") / "home"
    settings = "  intercept: [localhost]\n  headers: {localhost: {OpenAI-Allowed-Organization-Ids: org-ours}}\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificates[0]))  # What Bartizan itself believes about the site.
        with proxy(home, home / CERTIFICATE, (site.port,), forward=settings, ca_first=True) as one:
            yield one


def client(up: RunningProxy) -> httpx2.Client:
    """What the official clients stand on, told of the proxy and of the CA."""
    return httpx2.Client(proxy=up.address(), verify=ssl.create_default_context(cafile=str(up.ca)), timeout=20)


def test_openais_client_is_judged_and_keeps_its_own_credential(up: RunningProxy, site: Site) -> None:
    with (
        client(up) as http,
        openai.OpenAI(
            base_url=f"https://localhost:{site.port}/v1", api_key=OWN, http_client=http, max_retries=0
        ) as gpt,
    ):
        raw = gpt.chat.completions.with_raw_response.create(
            model="gpt-x",
            messages=[{"role": "user", "content": f"My key is {aws_key()}, thanks."}],
            extra_headers={"openai-allowed-organization-ids": "org-theirs"},
        )
        assert raw.parse().choices[0].message.content == "Good morning."
        assert raw.headers["x-bartizan-action"] == "redacted"
        visit = site.visits[-1]
        told = {name.lower(): value for name, value in visit.headers}
        assert json.loads(visit.body)["messages"] == [{"role": "user", "content": f"My key is {MARK}, thanks."}]
        assert told["authorization"] == f"Bearer {OWN}"
        assert told["openai-allowed-organization-ids"] == "org-ours"
        assert up.platform.key not in str(visit.headers)
        records = up.exchange(raw.headers["x-bartizan-decision"])
        assert [(one["door"], one["side"], one["kind"]) for one in records] == [
            ("gateway", "request", "chat"),
            ("gateway", "answer", "chat"),
        ]
        assert records[0]["target"]["host"] == "localhost"
        assert [model.id for model in gpt.models.list()] == ["gpt-x"]


def test_anthropics_client_is_judged_too(up: RunningProxy, site: Site) -> None:
    with (
        client(up) as http,
        anthropic.Anthropic(
            base_url=f"https://localhost:{site.port}", api_key=OWN, http_client=http, max_retries=0
        ) as claude,
    ):
        answer = claude.messages.create(
            model="claude-x", max_tokens=20, messages=[{"role": "user", "content": f"My key is {aws_key()}."}]
        )
        assert answer.content[0].text == "Good morning."  # type: ignore[union-attr]  # a text
    assert aws_key().encode() not in site.visits[-1].body
    assert OWN in str(site.visits[-1].headers)


def test_curl_believes_the_ca_and_what_cannot_be_judged_does_not_pass(up: RunningProxy, site: Site) -> None:
    before = len(site.visits)
    done = up.curl(f"https://localhost:{site.port}/v1/embeddings", "-d", '{"input": "a secret"}')
    assert (done.returncode, "cannot be judged here" in done.stdout) == (0, True)
    assert len(site.visits) == before


def test_another_host_is_not_opened(up: RunningProxy, site: Site, certificates: tuple[Path, Path]) -> None:
    done = up.curl(f"https://127.0.0.1:{site.port}/hello", "--cacert", str(certificates[0]))
    assert (done.returncode, done.stdout) == (0, "the site says hello")


def test_an_intercepted_name_behind_an_address_is_no_way_around(up: RunningProxy, site: Site) -> None:
    before = len(site.visits)
    done = up.curl(
        f"https://localhost:{site.port}/hello", "--connect-to", f"localhost:{site.port}:127.0.0.1:{site.port}"
    )
    assert done.returncode == 35
    assert len(site.visits) == before


def test_a_client_that_does_not_know_the_ca_refuses_and_that_is_recorded(
    up: RunningProxy, site: Site, certificates: tuple[Path, Path]
) -> None:
    done = up.curl(f"https://localhost:{site.port}/hello", "--cacert", str(certificates[0]))
    assert done.returncode == 60
    assert up.exchange(up.decision(done))[1]["ended"] in ("tls", "closed")


def test_the_ca_is_good_for_its_hosts_alone(up: RunningProxy) -> None:
    home = up.platform.home
    assert (home / KEY).stat().st_mode & 0o777 == 0o600
    text = subprocess.run(
        ["openssl", "x509", "-in", str(home / CERTIFICATE), "-noout", "-text"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "X509v3 Name Constraints: critical" in text
    assert "DNS:localhost" in text
    assert "IP:0.0.0.0/0.0.0.0" in text
    told = json.loads(up.platform.run("usage", "ca", "show", "--format", "json").stdout)
    assert (told["hosts"], told["missing"], told["installed"]) == (["localhost"], [], False)


def test_up_says_that_it_opens_tunnels(up: RunningProxy) -> None:
    assert "opens tunnels to localhost" in up.platform.log
