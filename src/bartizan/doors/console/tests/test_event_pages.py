"""Events and one event: found, read, searched, judged and taken along by those who may; nothing of it is markup."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from dom import dom
from markupsafe import Markup
from running_console import Browser, RunningConsole, console
from values import aws_key, card

from bartizan.core.decision import Action, Decision
from bartizan.core.finding import Finding, Place, Seen, Severity
from bartizan.core.subject import Context, Direction, Subject
from bartizan.exchange.body import read_body
from bartizan.ledger.entry import entry
from bartizan.ledger.opening import records_of
from bartizan.ledger.read import records
from bartizan.readers.chat import chat, reply
from bartizan.report.ids import Ids
from bartizan.vault.accounts import Role

IDS = Ids(time.time_ns, os.urandom)
XSS = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202egpj\u200b\U000e0041\U000e0042\U000e0043\U000e0044"
POLICY = """\
policy: house
version: 1.0.0
owner: security@example.org
bodies: all
clauses:
  - id: no-secrets-out
    says: Credentials do not leave the company.
    when: {risk: secret.*, direction: out}
    then: redact
    tell: We removed a credential.
  - id: cards-are-held
    says: Card numbers wait for a person.
    when: {risk: personal.payment-card}
    then: review
  - id: watch-addresses
    says: We want to know of addresses.
    when: {risk: personal.email}
    then: block
    mode: observe
"""


@dataclass
class House:
    """A console with some decisions of its own."""

    up: RunningConsole
    ids: dict[str, str]

    def says(self, text: str, *, who: str = "mara@example.org", answer: str = "", model: str = "gpt-4o") -> str:
        """One exchange, judged by the policy and recorded like the gateway's."""
        raw = json.dumps({"model": model, "messages": [{"role": "user", "content": text}]}).encode()
        context = self.context(who, model)
        id_ = self.record(chat(read_body(raw).value, context=context), raw, "request")
        if answer:
            raw = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": answer}}]}).encode()
            back = Context(person=who, model=model, direction=Direction.IN, when_us=context.when_us)
            self.record(reply(json.loads(raw), context=back), raw, "answer", id_)
        return id_

    def context(self, who: str = "mara@example.org", model: str = "gpt-4o") -> Context:
        return Context(
            person=who,
            groups=("finance",),
            app="assistant",
            key="k-1",
            provider="openai",
            model=model,
            when_us=time.time_ns() // 1000,
        )

    def record(self, subject: Subject, raw: bytes, side: str, id_: str = "", decision: Decision | None = None) -> str:
        home, id_ = self.up.home, id_ or IDS.next()
        made = entry(
            subject,
            home.loop().judge(subject) if decision is None else decision,
            exchange=id_,
            side=side,
            door="gateway",
            policy=home.policy().ref,
            detectors="00",
            content=raw,
            vault=home.vault,
        )
        writer = self.up.console.writer
        writer.wait(writer.append(made, ((side, raw),)))
        return id_

    def indexed(self, id_: str) -> str:
        until_s = time.monotonic() + 10
        while self.up.console.index.event(id_) is None:
            assert time.monotonic() < until_s
            self.up.console.index.follow()
        return id_

    def events(self, name: str) -> list[dict[str, object]]:
        return [record for record in records(self.up.home.path) if record.get("event") == name]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with console(tmp_path_factory.mktemp("console") / "home", policy=POLICY) as running:
        house = House(running, {})
        for n in range(45):
            house.says(f"plain {n}", who=f"p{n % 3}@example.org")
        house.ids |= {
            "secret": house.says(f"{XSS}\nmy key is {aws_key()} and more", answer="Thank you."),
            "again": house.says(f"once more {aws_key()}", who="p1@example.org"),
            "card": house.says(f"pay with {card()}"),
            "watched": house.says("write to maria.huber@kanzlei-huber.at", answer=f"with {card()}"),
            "model": house.says("hello", model=XSS),
        }
        house.indexed(house.ids["model"])
        yield house


@pytest.fixture
def analyst(house: House) -> Browser:
    return house.up.browser(Role.ANALYST)


@pytest.fixture
def viewer(house: House) -> Browser:
    return house.up.browser(Role.VIEWER)


def main_of(text: str) -> str:
    """What a page shows, without its frame."""
    return text.partition('<main class="main"')[2].partition("</main>")[0]


# ---- The list -------------------------------------------------------------------------------------------------------


def test_the_newest_stand_first_and_older_ones_a_page_on(house: House, viewer: Browser) -> None:
    page = viewer.get("/events")
    ids = re.findall(r'<a href="/events/(\w{26})"', page.text)
    assert page.status == 200 and len(ids) == 40 and ids == sorted(ids, reverse=True)
    older = re.search(r'href="([^"]+)" rel="next"', page.text)[1].replace("&amp;", "&")
    more = re.findall(r'<a href="/events/(\w{26})"', viewer.get(older).text)
    assert more and more[0] < ids[-1]


def test_a_filter_is_the_url_and_each_term_can_be_taken_out(house: House, viewer: Browser) -> None:
    page = viewer.get("/events?q=action:redact+who:p-" + "0" * 20)
    assert "No event is like that" in page.text
    assert 'href="/events?q=action%3Aredact"' in page.text
    found = viewer.get("/events?q=action:redact").text
    assert house.ids["secret"] in found and house.ids["card"] not in found


def test_plus_and_minus_lead_to_the_filter_with_the_value(viewer: Browser) -> None:
    page = viewer.get("/events?q=action%3Aredact&plus=clause%3Ano-secrets-out")
    assert (page.status, page.headers["location"]) == (303, "/events?q=action%3Aredact+clause%3Ano-secrets-out")
    page = viewer.get("/events?q=&minus=model%3A" + "gpt-4o")
    assert page.headers["location"] == "/events?q=-model%3Agpt-4o"


def test_the_panel_counts_what_is_in_view(house: House, viewer: Browser) -> None:
    panel = viewer.get("/events").text.partition("In this view")[2]
    assert 'value="action:redact"' in panel and 'value="clause:no-secrets-out"' in panel
    assert "AWS access key id" in panel


def test_similar_events_stand_together(house: House, viewer: Browser) -> None:
    page = viewer.get("/events?group=1").text
    shape = house.up.console.index.event(house.ids["again"]).shape
    assert f"/events?q=shape:{shape}" in page
    assert viewer.get(f"/events?q=shape:{shape}").status == 200


@pytest.mark.parametrize("typed", ["bad:x", 'a"b', "-word", "after:never", "shape:1", "x" * 3000, '"'])
def test_a_filter_that_cannot_be_read_is_said(viewer: Browser, typed: str) -> None:
    from urllib.parse import urlencode

    page = viewer.get("/events?" + urlencode({"q": typed}))
    assert page.status == 400 and "This filter cannot be read" in page.text


@pytest.mark.parametrize("query", ["before=nonsense", "before=1.1", "group=2", "plus=x", "plus=:", "minus=a:b:c"])
def test_any_other_parameter_is_harmless(viewer: Browser, query: str) -> None:
    assert viewer.get(f"/events?{query}").status in (200, 303, 400)


def test_programs_get_the_same(house: House) -> None:
    who = house.up.account("program@example.org", Role.VIEWER)
    _, token = house.up.console.accounts.add_token(who.person, "t", 1)
    answer = house.up.browser().api("GET", "/events?q=action:redact", token).json
    assert {event["exchange"] for event in answer["events"]} == {house.ids["secret"], house.ids["again"]}
    answer = house.up.browser().api("GET", f"/events/{house.ids['card']}", token).json
    assert answer["outcome"] == "review" and answer["clauses"][0]["id"] == "cards-are-held"


def test_names_are_asked_for_on_record_by_those_who_may_open_them(house: House, viewer: Browser) -> None:
    assert "asked for by pseudonym" in viewer.get("/events?q=who:mara@example.org").text
    before = len(house.events("name-opened"))
    page = house.up.browser(Role.PRIVACY).get("/events?q=who:mara@example.org")
    pseudonym = house.up.home.vault.known("mara@example.org")
    assert page.headers["location"] == f"/events?q=who%3A{pseudonym}"
    assert len(house.events("name-opened")) == before + 1
    nobody = house.up.browser(Role.PRIVACY).get("/events?q=who:nobody@example.org")
    assert "Nobody of that name" in nobody.text


# ---- Taken along ----------------------------------------------------------------------------------------------------


def test_a_download_is_exactly_the_view(house: House, viewer: Browser) -> None:
    wanted = {house.ids["secret"], house.ids["again"]}
    table = viewer.get("/events/download?format=csv&q=action:redact")
    assert "attachment" in table.headers["content-disposition"]
    assert {row["exchange"] for row in csv.DictReader(io.StringIO(table.text))} == wanted
    lines = viewer.get("/events/download?format=jsonl&q=action:redact").text.splitlines()
    assert {json.loads(line)["exchange"] for line in lines} == wanted
    assert all("action" in json.loads(line) for line in lines)
    events = viewer.get("/events/download?format=ocsf&q=action:redact").text.splitlines()
    assert {json.loads(line)["metadata"]["correlation_uid"] for line in events} == wanted
    assert all(aws_key() not in line for line in (*lines, *events, table.text))


def test_a_spreadsheet_computes_nothing(house: House, viewer: Browser) -> None:
    house.indexed(house.says("hello", model="=1+1"))
    house.indexed(house.says("hello", model="@SUM"))
    table = viewer.get("/events/download?format=csv").text
    for row in csv.reader(io.StringIO(table)):
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)


# ---- Words in sealed texts ------------------------------------------------------------------------------------------


def test_words_are_searched_on_record_and_never_recorded(house: House, viewer: Browser) -> None:
    page = viewer.get("/events?q=plain")
    assert "takes the role analyst" in page.text and 'action="/events/search"' not in page.text
    assert viewer.post("/events/search", {"q": "plain 7"}).status == 403
    analyst = house.up.browser(Role.ANALYST, name="searcher@example.org")
    assert 'action="/events/search"' in analyst.get("/events?q=%22plain+7%22+action:allow").text
    before = len(house.events("texts-searched"))
    done = analyst.post("/events/search", {"q": '"plain 7" action:allow'})
    assert done.status == 303
    page = analyst.get(done.headers["location"])
    assert "1 event found in" in page.text
    (told,) = house.events("texts-searched")[before:]
    assert told["filter"] == "action:allow" and "plain" not in json.dumps(told)
    # What was found is of this session alone.
    other = house.up.browser(Role.ANALYST, name="other-searcher@example.org")
    assert "event found in" not in other.get(done.headers["location"]).text
    table = analyst.get("/events/download?" + done.headers["location"].partition("?")[2]).text
    assert len(list(csv.DictReader(io.StringIO(table)))) == 1
    assert other.get("/events/download?" + done.headers["location"].partition("?")[2]).status == 400


# ---- One event ------------------------------------------------------------------------------------------------------


def test_the_text_is_sealed_until_somebody_opens_it_on_record(house: House, viewer: Browser) -> None:
    id_ = house.ids["secret"]
    page = viewer.get(f"/events/{id_}")
    assert "The text is sealed" in page.text and "my key is" not in page.text
    assert "characters" in page.text  # Where the findings are, without what they are.
    assert viewer.post(f"/events/{id_}/open").status == 403
    analyst = house.up.browser(Role.ANALYST, name="opener@example.org")
    assert "my key is" not in analyst.get(f"/events/{id_}").text
    before = len(house.events("text-opened"))
    assert analyst.post(f"/events/{id_}/open").status == 303
    (told,) = house.events("text-opened")[before:]
    assert (told["exchange"], told["sides"]) == (id_, ["answer", "request"])
    assert told["by"] == house.up.account("opener@example.org").person
    for view in ("sent", "reader", "passed", "raw"):
        page = analyst.get(f"/events/{id_}?view={view}")
        assert page.status == 200
        assert (aws_key() in page.text) == (view != "passed")
    assert len(house.events("text-opened")) == before + 1
    assert "The text was opened" in page.text
    for other in (viewer, house.up.browser(Role.ANALYST, name="not-opener@example.org")):
        assert aws_key() not in other.get(f"/events/{id_}").text


def test_nothing_that_was_sent_is_markup(house: House) -> None:
    analyst = house.up.browser(Role.ANALYST, name="hostile@example.org")
    for name in ("secret", "model"):
        id_ = house.ids[name]
        analyst.get(f"/events/{id_}")
        analyst.post(f"/events/{id_}/open")
        for path in [f"/events/{id_}?view={view}" for view in ("sent", "reader", "passed", "raw")] + ["/events"]:
            shown = main_of(analyst.get(path).text)
            read = dom(Markup(shown))
            assert not read.tags & {"script", "img", "style", "iframe", "base", "object"}
            assert not {a for a in read.attributes if a.startswith("on")} and "style" not in read.attributes
            assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b-\u200f\U000e0000-\U000e007f]", shown)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in analyst.get(f"/events/{house.ids['secret']}").text
    assert "hidden text in 4 tag characters: ABCD" in analyst.get(f"/events/{house.ids['secret']}").text


def test_a_sentence_says_what_it_was_and_the_trace_why(house: House, viewer: Browser) -> None:
    page = viewer.get(f"/events/{house.ids['again']}").text
    assert re.search(
        r'<h1 id="vh">Redacted: a prompt to <bdi>gpt-4o</bdi> <bdi>with AWS access key id</bdi></h1>', page
    )
    assert "Credentials do not leave the company." in page and "finding 1" in page
    assert "We removed a credential." in page
    page = viewer.get(f"/events/{house.ids['watched']}").text
    assert "Held: an answer of" in page and "Would block" in page and "We want to know of addresses." in page


def test_two_sides_have_numbers_of_their_own(house: House, viewer: Browser) -> None:
    page = viewer.get(f"/events/{house.ids['watched']}").text
    assert 'id="f1"' in page and 'id="f2"' in page
    assert len(re.findall(r'id="f\d+"', page)) == len(set(re.findall(r'id="f\d+"', page)))


def test_what_is_not_there_is_not_found(house: House, viewer: Browser) -> None:
    for id_ in ("unknown", "x" * 300, "..%2f..", "%00", "%F0%9F%98%80"):
        assert viewer.get(f"/events/{id_}").status == 404
    analyst = house.up.browser(Role.ANALYST)
    for act in ("open", "confirm", "mistake", "missed", "assign"):
        assert analyst.post(f"/events/unknown/{act}").status == 400


def test_a_record_that_is_not_what_was_written_is_said(house: House, viewer: Browser) -> None:
    id_ = IDS.next()
    made = {"exchange": id_, "side": "request", "action": "nonsense", "findings": [{"risk": 7}], "policy": 1}
    writer = house.up.console.writer
    writer.wait(writer.append(made))
    page = viewer.get(f"/events/{id_}")
    assert page.status == 503 and "not what was written" in page.text
    assert viewer.get("/events").status == 200


def test_verdicts_are_given_replaced_and_taken_back(house: House, analyst: Browser) -> None:
    id_ = house.ids["again"]
    analyst.get(f"/events/{id_}")
    assert analyst.post(f"/events/{id_}/confirm").status == 303
    assert "says it was right" in analyst.get(f"/events/{id_}").text
    fields = {"note": "it is a test key", "example": "export AWS_ACCESS_KEY_ID=<your key>"}
    assert analyst.post(f"/events/{id_}/mistake", fields).status == 303
    page = analyst.get(f"/events/{id_}").text
    assert "calls it a mistake" in page and "says it was right" not in page
    (said,) = house.up.console.feedback.about(id_)
    assert said.clause == "no-secrets-out" and said.has_note and said.has_example
    assert said.person == house.up.home.vault.known("p1@example.org")
    assert analyst.post(f"/events/{id_}/withdraw").status == 303
    assert house.up.console.feedback.about(id_) == ()


def test_what_passed_can_only_have_been_missed(house: House, analyst: Browser) -> None:
    id_ = house.ids["model"]
    page = analyst.get(f"/events/{id_}").text
    assert "Should have been stopped" in page and "Was a mistake" not in page
    assert analyst.post(f"/events/{id_}/missed", {"clause": "cards-are-held", "note": "look"}).status == 303
    assert "should have been stopped" in analyst.get(f"/events/{id_}").text


def test_somebody_looks_after_it(house: House, analyst: Browser, viewer: Browser) -> None:
    id_ = house.ids["card"]
    analyst.get(f"/events/{id_}")
    assert analyst.post(f"/events/{id_}/assign", {"to": "me"}).status == 303
    assert "looks after it" in analyst.get(f"/events/{id_}").text
    nobody = house.up.account("no-role@example.org").person
    assert analyst.post(f"/events/{id_}/assign", {"to": nobody}).status == 400
    assert viewer.post(f"/events/{id_}/assign", {"to": "me"}).status == 403
    assert analyst.post(f"/events/{id_}/assign", {"to": ""}).status == 303
    assert house.up.console.feedback.assigned(id_) is None


def test_the_proof_is_a_link_away(house: House, viewer: Browser) -> None:
    id_ = house.ids["again"]
    until_s = time.monotonic() + 10
    while "in the ledger" not in (page := viewer.get(f"/events/{id_}").text):
        assert time.monotonic() < until_s
    assert f"/ledger/proof/{id_}" in page


# ---- Exceptions -----------------------------------------------------------------------------------------------------


def test_an_exception_shows_its_effect_before_it_is_one(house: House) -> None:
    author = house.up.browser(Role.AUTHOR)
    path = f"/events/{house.ids['card']}/exception"
    assert house.up.browser(Role.ANALYST).get(path).status == 403
    assert "An exception" not in main_of(house.up.browser(Role.ANALYST).get(f"/events/{house.ids['card']}").text)
    page = author.get(path)
    assert page.status == 200 and "would have been milder" in page.text
    hidden = dict(
        re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text.partition("Put it into")[2])
    )
    assert hidden["clause"] == "cards-are-held" and hidden["whom"] == "group:finance"
    for wrong in ({"whom": "group:other"}, {"clause": "no-secrets-out"}, {"until": "1999-01-01"}, {"until": "x"}):
        assert author.post(path, {**hidden, **wrong, "why": "w"}).status == 400
    assert author.post(path, {**hidden, "why": ""}).status == 400
    stale = author.post(path, {**hidden, "base": "0" * 64, "why": "w"})
    assert stale.status in (400, 409)
    assert not house.up.home.policy().exceptions
    assert "author@example.org" in page.text and "Two people" not in page.text
    assert author.post(path, {**hidden, "why": "exercise", "approved_by": "ciso"}).status == 400
    done = author.post(path, {**hidden, "why": "exercise"})
    assert done.status == 303
    (exempt,) = house.up.home.policy().exceptions
    assert (exempt.clause, exempt.until) == ("cards-are-held", hidden["until"])
    assert exempt.approved_by == "author@example.org"  # whoever is signed in
    assert "the policy has changed since" not in house.up.browser(Role.VIEWER).get(f"/events/{house.ids['card']}").text


# ---- Much -----------------------------------------------------------------------------------------------------------


def test_ten_megabytes_and_ten_thousand_findings_fit_a_page(house: House) -> None:
    text = ("word " * 19 + "end\u200b<b>\n") * 100_000
    raw = json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}).encode()
    seen = frozenset(
        Seen(
            Finding(
                "secret.jwt",
                Severity(n % 5),
                0.9,
                (Place("/messages/0/content", n * 1000, n * 1000 + 40),),
                f"number {n}",
                (),
                "text.secrets@1",
            )
        )
        for n in range(10_000)
    )
    subject = chat({"messages": []}, context=house.context())
    id_ = house.indexed(house.record(subject, raw, "request", decision=Decision(Action.BLOCK, seen=seen)))
    analyst = house.up.browser(Role.ANALYST, name="much@example.org")
    analyst.get(f"/events/{id_}")
    assert analyst.post(f"/events/{id_}/open").status == 303
    for view in ("sent", "reader", "passed", "raw"):
        began = time.perf_counter()
        page = analyst.get(f"/events/{id_}?view={view}")
        took_s = time.perf_counter() - began
        assert page.status == 200 and len(page.body) < 100_000
        assert "most severe of 10,000 findings" in page.text
        assert took_s < 3  # Some 150 ms on a quiet machine.
    assert len(analyst.get("/events").body) < 100_000


def test_a_page_stays_small_however_often_a_text_was_opened(house: House) -> None:
    id_ = house.indexed(house.says("opened often"))
    for _ in range(300):
        house.up.console.writer.append({"event": "text-opened", "exchange": id_, "by": "p-x", "sides": ["request"]})
    house.up.console.record({"event": "text-opened", "exchange": id_, "by": "p-x", "sides": ["request"]})
    assert len(records_of(house.up.home.path, id_)) == 302
    page = house.up.browser(Role.VIEWER).get(f"/events/{id_}")
    assert page.status == 200 and len(page.body) < 30_000
