"""What somebody wrote stands on our pages as it was written, letter for letter, apart from the chips for what shows
nothing; whatever field it came in by, and on every page there is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from browsing import LIGHT, Contexts, look, press, seen
from playwright.sync_api import Page
from scene import POLICY, Scene, scene
from values import another_iban, aws_key

from bartizan.doors.console.process import ways
from bartizan.vault.accounts import Role

ALL = "all@example.org"
LONG = "W" * 200  # with nowhere to break
UNSEEN = "\u202e\u200b\u2066\U000e0041"  # turns the line around, takes no room, and hides a letter
# All of a page but the chips, as somebody reads it: fields too.
WORDS = """() => {
  const main = document.querySelector("main").cloneNode(true);
  main.querySelectorAll(".hid").forEach((one) => one.remove());
  const fields = [...document.querySelectorAll("main input, main textarea")].map((one) => one.value);
  return main.textContent + fields.join(" ");
}"""


def bad(field: str) -> str:
    """What an attacker would call a model, or write into a clause."""
    return f"<img src=x onerror=pwned({field})>{UNSEEN}\"'&lt;{{{{7*7}}}}"


def shown(field: str) -> str:
    return bad(field).translate({ord(char): None for char in UNSEEN})


def name(field: str) -> str:
    """The same for names of people, keys and apps, which are of characters that can be seen."""
    return shown(field) + " \u05d0\u05d1\u05d2"


def hostile_policy() -> str:
    """The house's policy, in which every sentence is an attack."""
    made = POLICY
    for old, *fields in (
        ("security@example.org", "owner"),
        ("Bank accounts go to a model only when a second person agrees.", "says"),
        ("Four eyes, as for a payment.", "why"),
        ("There is a bank account in your message. Somebody else has to agree.", "tell"),
        ("Transfer it to my usual account.", "keeps"),
    ):
        assert made.count(old) == 1
        made = made.replace(old, yaml(bad(*fields)))
    return f"""{made}
exceptions:
  - clause: ssn-needs-two
    who: {{app: {yaml(bad("exempted"))}}}
    until: 2099-01-31
    why: {yaml(bad("exempt"))}
    approved_by: {yaml(bad("approver"))}
"""


def yaml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


@pytest.fixture(scope="module")
def up(chromium: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("written"), policy=hostile_policy()) as one:
        user = name("user")
        one.key(user, name=name("key"), groups=(name("group"),), app=name("app"))
        one.account(name("account"), Role.VIEWER)
        one.key(LONG, name="K" * 200, groups=("G" * 200,), app="A" * 200)
        one.account(LONG, Role.VIEWER)
        yield one


@pytest.fixture(scope="module")
def held(up: Scene) -> dict[str, str]:
    """A prompt that was held, with its case; and one whose every name is the client's own choice."""
    reply = up.ask(f"Pay to {another_iban(1)} at once. {bad('prompt')}", name("user"))
    assert reply.status == 400, reply
    destination = {"provider": bad("provider"), "model": bad("model"), "host": bad("host"), "thread": bad("thread")}
    body = {"text": f"Is {aws_key()} a key? {bad('judged')}", "context": destination}
    status, _, raw = up.gateway.ask("POST", "/v1/judge", body, key=up.key(name("user")))
    assert status == 200
    up.seen(json.loads(raw)["id"])
    assert up.ask(f"Pay to {another_iban(2)}. {'W' * 3000}", LONG).status == 400
    return {"event": reply.exchange, "case": reply.case, "link": reply.link, "judged": json.loads(raw)["id"]}


@pytest.fixture
def page(up: Scene, opened: Contexts) -> Page:
    context, _ = opened(up.url)
    return up.signed_in(context, ALL, *Role).new_page()


def says(page: Page, *wanted: str) -> None:
    """All of these stand on the page as text, and nothing of them became an element."""
    words = page.evaluate(WORDS)
    for one in wanted:
        assert one in words, (page.url, one)
    assert page.locator("main img, main [onerror]").count() == 0, page.url
    leads = page.locator("a").evaluate_all("found => found.map((one) => one.origin)")
    assert set(leads) <= {"http://" + page.url.split("/")[2]}, page.url
    look(page)


def test_the_text_of_a_prompt(up: Scene, held: dict[str, str], page: Page) -> None:
    page.goto(f"{up.url}/events/{held['event']}")
    press(page.get_by_role("button", name="Open the text").first)
    text = page.locator(".words").first
    text.evaluate("one => one.querySelectorAll('.hid, sup').forEach((chip) => chip.remove())")
    assert text.inner_text() == f"Pay to {another_iban(1)} at once. {shown('prompt')}"


def test_names_a_client_gives(up: Scene, held: dict[str, str], page: Page) -> None:
    """What no provider would call a model is in the ledger as a digest; the names we gave are there as they are."""
    page.goto(f"{up.url}/events/{held['judged']}")
    says(page, name("app"), name("group"))
    assert "pwned(model)" not in page.content() and "pwned(provider)" not in page.content()
    for path in ("/events", "/live", "/", f"/events?q=app:{quote(json.dumps(name('app')))}"):
        page.goto(up.url + path)
        says(page, name("app")[:30])


def test_names_of_people_and_keys(up: Scene, held: dict[str, str], page: Page) -> None:
    page.goto(f"{up.url}/settings/keys")
    says(page, name("key")[:50], name("group")[:30], name("app")[:30])
    page.goto(f"{up.url}/settings/accounts")
    says(page, name("account")[:50])
    page.goto(f"{up.url}/people/{up.home.vault.pseudonym(name('user'))}")
    press(page.get_by_role("button", name="Open the name"))
    says(page, name("user"))


def test_what_a_policy_says(up: Scene, held: dict[str, str], page: Page, opened: Contexts) -> None:
    page.goto(f"{up.url}/policy")
    says(page, shown("owner"), shown("says"), shown("why"), shown("exempt"), shown("approver"), shown("exempted"))
    page.goto(f"{up.url}/policy/accounts-need-approval")
    says(page, shown("says"), shown("why"), shown("tell"), shown("keeps"))
    page.goto(f"{up.url}/events/{held['event']}")
    says(page, shown("says"), shown("tell"))
    page.goto(f"{up.url}/review/{held['case']}")
    says(page, shown("says"))
    stranger, _ = opened(up.url)
    link = stranger.new_page()
    link.goto(held["link"])
    says(link, shown("says"), shown("why"), shown("tell"))
    own, _ = opened(up.url)
    mine = up.signed_in(own, name("user")).new_page()
    mine.goto(f"{up.url}/mine")
    says(mine, shown("says"))


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"\xc3\x28", b"\xed\xa0\x80", b"\\ud800 \\udc00\\ud800", b"\\u0000\\u001b[2J\\u009b"]
)
def test_what_is_no_text_stays_outside_or_is_shown_as_what_it_is(content: bytes, up: Scene, page: Page) -> None:
    body = b'{"model": "gpt-4o", "messages": [{"role": "user", "content": "' + content + b'"}]}'
    status, headers, _ = up.gateway.ask("POST", "/v1/chat/completions", body, key=up.key(name("user")))
    assert status in (200, 400)
    page.goto(f"{up.url}/live")
    says(page)
    if status == 200:
        exchange = headers["x-bartizan-decision"]
        up.seen(exchange)
        page.goto(f"{up.url}/events/{exchange}")
        press(page.get_by_role("button", name="Open the text").first)
        assert page.locator(".words .hid").count() > 0
        says(page)


def test_no_page_of_such_a_home_runs_anything_or_is_too_wide(up: Scene, held: dict[str, str], opened: Contexts) -> None:
    context, watch = opened(up.url)
    page = up.signed_in(context, ALL, *Role).new_page()
    paths = [way.path for way in ways() if way.method == "GET" and way.stream is None and "{" not in way.path]
    pseudonym = up.home.vault.pseudonym(LONG)
    for path in (*paths, f"/people/{pseudonym}", f"/settings/accounts/{pseudonym}", f"/events?q=who:{pseudonym}"):
        answer = context.request.get(up.url + path)
        if "content-disposition" not in answer.headers:
            with watch.meant(answer.status):
                page.goto(up.url + path)
                says(page)
                list(seen(page, LIGHT))
