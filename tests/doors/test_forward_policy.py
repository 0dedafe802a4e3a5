"""What the policy says of tunnels: deny, coach, look-alikes, and names that are not the host that was asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_gateway import free_port
from running_proxy import RunningProxy, decided, proxy
from tls_site import Site, certified

from bartizan.catalogue.catalogue import Catalogue
from bartizan.inventory.system import Status

BLOCKED, RESTRICTED, UNDECIDED = "chat.deepseek.com", "claude.ai", "api.openai.com"
POLICY = """\
policy: tunnels
version: 1.0.0
owner: security@example.org
bodies: none
clauses:
  - id: no-blocked-ai
    says: Blocked AI services are not reached.
    why: Somebody decided so.
    when: {risk: [usage.blocked-service, usage.look-alike, usage.fronted], kind: flow}
    then: block
    tell: This AI service is blocked here.
    examples: {breaks: [], keeps: []}
  - id: coach
    says: Whoever uses a restricted AI service says why.
    why: Some need it.
    when: {risk: usage.unapproved, kind: flow, severity: medium+}
    then: justify
    tell: This AI service is restricted.
    examples: {breaks: [], keeps: []}
  - id: tell-undecided
    says: Whoever uses an AI service that nobody decided on is told.
    why: So that somebody decides.
    when: {risk: usage.unapproved, kind: flow, severity: low}
    then: warn
    tell: Nobody decided on this service.
    examples: {breaks: [], keeps: []}
"""


def system(host: str) -> str:
    """As the catalogue calls it."""
    service = Catalogue.load().lookup(host).service
    assert service is not None
    return service.id


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certified(tmp_path_factory.mktemp("certificates"), ("localhost", "site.example", BLOCKED, UNDECIDED))


@pytest.fixture(scope="module")
def site(certificates: tuple[Path, Path]) -> Iterator[Site]:
    with Site(certificates[1]) as one:
        yield one


@pytest.fixture(scope="module")
def up(site: Site, certificates: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProxy]:
    home = tmp_path_factory.mktemp("forward") / "home"
    public = f"public_url: http://127.0.0.1:{free_port()}\n"
    with proxy(home, certificates[0], (80, 443, site.port), config=public, policy=POLICY) as one:
        decided(home, system(BLOCKED), Status.BLOCKED, instead="house-chat")
        decided(home, system(RESTRICTED), Status.RESTRICTED)
        one.until_refused(BLOCKED)
        yield one


def test_a_blocked_service_is_refused_and_the_refusal_says_what_may_be_used_instead(up: RunningProxy) -> None:
    status, head, told = up.connect(f"{BLOCKED}:443")
    assert status == 403
    assert told["error"]["message"] == "This AI service is blocked here. You may use house-chat instead."
    assert told["bartizan"]["clauses"] == ["no-blocked-ai"]
    (record,) = up.exchange(head["x-bartizan-decision"], 1)
    assert (record["action"], record["system"], record["status"], record["tier"]) == (
        "block",
        system(BLOCKED),
        "blocked",
        "A",
    )
    assert record["target"] == {"host": BLOCKED, "provider": system(BLOCKED), "sanctioned": False}
    assert [finding["risk"] for finding in record["findings"]] == ["usage.blocked-service"]


def test_curl_says_that_there_was_no_tunnel(up: RunningProxy) -> None:
    done = up.curl(f"https://{BLOCKED}/")
    assert done.returncode == 56
    assert "CONNECT tunnel failed, response 403" in done.stderr


def test_a_restricted_service_opens_once_its_reason_was_given(up: RunningProxy) -> None:
    status, _, told = up.connect(f"{RESTRICTED}:443")
    assert status == 403
    case = told["bartizan"]["id"]
    assert "/c/" in told["bartizan"]["link"]
    assert up.connect(f"{RESTRICTED}:443")[2]["bartizan"]["id"] == case  # The same case, not one a try.
    answer = up.platform.ask("POST", f"/v1/cases/{case}", {"reason": "a comparison for the works council"})
    assert json.loads(answer[2])["state"] == "granted"
    assert up.connect(f"{RESTRICTED}:443")[0] in (200, 502)  # As far as there is a network.
    assert up.connect(f"{BLOCKED}:443")[0] == 403


def test_a_service_nobody_decided_on_is_warned_about(up: RunningProxy, site: Site) -> None:
    done = up.curl(f"https://{UNDECIDED}/", "--connect-to", f"{UNDECIDED}:443:127.0.0.1:{site.port}")
    assert done.returncode == 0  # An address was asked for: what it is was seen by the name in the first message.
    records = up.exchange(up.decision(done), 3)
    assert [(one["side"], one["action"]) for one in records] == [
        ("request", "allow"),
        ("request", "warn"),
        ("answer", "allow"),
    ]
    assert records[1]["target"]["host"] == UNDECIDED
    assert "fronted" not in records[1]


def test_a_blocked_name_behind_an_address_gets_no_byte_through(up: RunningProxy, site: Site) -> None:
    before = list(site.names)
    done = up.curl(f"https://{BLOCKED}/", "--connect-to", f"{BLOCKED}:443:127.0.0.1:{site.port}")
    assert done.returncode == 35
    assert site.names == before
    records = up.exchange(up.decision(done), 3)
    assert [one["action"] for one in records] == ["allow", "block", "allow"]
    assert (records[2]["ended"], records[2]["bytes_up"]) == ("name-refused", 0)


def test_another_name_than_the_host_that_was_asked_for_is_a_disguise(up: RunningProxy, site: Site) -> None:
    done = up.curl(f"https://{UNDECIDED}/", "--connect-to", f"{UNDECIDED}:443:localhost:{site.port}")
    assert done.returncode == 35
    risks = {one["risk"] for one in up.exchange(up.decision(done), 3)[1]["findings"]}
    assert risks == {"usage.fronted", "usage.unapproved"}


def test_another_name_that_is_no_ai_either_goes_through(up: RunningProxy, site: Site) -> None:
    done = up.curl("https://site.example/", "--connect-to", f"site.example:443:localhost:{site.port}")
    assert (done.returncode, done.stdout) == (0, "the site says hello")
    assert up.exchange(up.decision(done), 3)[1]["fronted"] is True
