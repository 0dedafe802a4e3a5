"""The table of events: its columns, views under a name, and several events at once, for those who may."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from sqlite3 import connect

import pytest
from dom import NOTHING, dom
from markupsafe import Markup
from running_console import Browser, RunningConsole, console
from values import aws_key, card

from bartizan.cases.feedback import Verdict
from bartizan.core.subject import Context
from bartizan.doors.console.bulk import MAX_AT_ONCE
from bartizan.doors.console.columns import COLUMNS, USUAL
from bartizan.events.saved import MAX_NAME, MAX_VIEWS
from bartizan.exchange.body import read_body
from bartizan.ledger.entry import entry
from bartizan.ledger.erase import forget
from bartizan.ledger.read import records
from bartizan.readers.chat import chat
from bartizan.report.ids import Ids
from bartizan.vault.accounts import Role

IDS = Ids(time.time_ns, os.urandom)
XSS = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
BIDI = "\u202egpj\u200b\U000e0041\U000e0042\U000e0043\U000e0044"
POLICY = """\
policy: house
version: 1.0.0
owner: security@example.org
clauses:
  - id: no-secrets-out
    says: Credentials do not leave the company.
    when: {risk: secret.*}
    then: redact
  - id: cards-are-held
    says: Card numbers wait for a person.
    when: {risk: personal.payment-card}
    then: review
"""


class House:
    """A console with decisions of its own, and the names by which tests know them."""

    def __init__(self, up: RunningConsole) -> None:
        self.up = up
        self.feedback, self.loop = up.console.feedback, up.home.loop()

    def says(self, text: str, *, who: str = "mara@example.org", model: str = "gpt-4o", app: str = "chat") -> str:
        """One prompt, judged by the policy and recorded like the gateway's."""
        raw = json.dumps({"model": model, "messages": [{"role": "user", "content": text}]}).encode()
        context = Context(person=who, groups=("finance",), app=app, model=model, when_us=time.time_ns() // 1000)
        subject, home, id_ = chat(read_body(raw).value, context=context), self.up.home, IDS.next()
        made = entry(
            subject,
            self.loop.judge(subject),
            exchange=id_,
            side="request",
            door="gateway",
            policy=home.policy().ref,
            detectors="00",
            content=raw,
            vault=home.vault,
        )
        self.up.console.writer.append(made, ())  # Whoever needs it waits for the index.
        return id_

    def indexed(self, *ids: str) -> tuple[str, ...]:
        until_s = time.monotonic() + 20
        while any(self.up.console.index.event(id_) is None for id_ in ids):
            assert time.monotonic() < until_s
            self.up.console.index.follow()
        return ids

    def secrets(self, count: int, **more: str) -> tuple[str, ...]:
        """Prompts with a key in them: redacted."""
        return self.indexed(*(self.says(f"{n}: my key is {aws_key()}", **more) for n in range(count)))

    def person(self, name: str) -> str:
        return self.up.account(name).person

    def events(self, name: str) -> list[dict[str, object]]:
        return [record for record in records(self.up.home.path) if record.get("event") == name]

    def token(self, name: str, *roles: Role) -> str:
        return str(self.up.console.accounts.add_token(self.up.account(name, *roles).person, "t", 1)[1])


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with console(tmp_path_factory.mktemp("tables") / "home", policy=POLICY) as running:
        house = House(running)
        for n in range(45):
            house.says(f"plain {n}", who=f"p{n % 3}@example.org")
        house.secrets(3)
        house.indexed(house.says(f"pay with {card()}", model=XSS, app=BIDI + XSS))
        yield house


@pytest.fixture
def viewer(house: House) -> Browser:
    return house.up.browser(Role.VIEWER)


def hands(house: House, name: str) -> Browser:
    """An analyst's browser."""
    return house.up.browser(Role.ANALYST, name=name)


def main_of(text: str) -> str:
    return text.partition('<main class="main"')[2].partition("</main>")[0]


def heads(page: str) -> list[str]:
    return [unescape(one) for one in re.findall(r'<th class="k-[a-z]+[^"]*" scope="col">([^<]+)</th>', page)]


def table(answer_text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer_text)))


# ---- Columns --------------------------------------------------------------------------------------------------------


def test_columns_are_in_the_address(viewer: Browser) -> None:
    assert heads(viewer.get("/events").text) == [COLUMNS[name].title for name in USUAL]
    assert heads(viewer.get("/events?columns=door,time").text) == ["Time", "What was seen", "Door"]
    # As a form sends ticked boxes; a view has one address.
    moved = viewer.get("/events?q=action%3Aallow&columns=risk&columns=door&columns=time")
    assert (moved.status, moved.headers["location"]) == (303, "/events?q=action%3Aallow&columns=time,risk,door")
    same = viewer.get("/events?" + "&".join(f"columns={name}" for name in USUAL))
    assert same.headers["location"] == "/events"


@pytest.mark.parametrize("columns", ["", "nonsense", "%00", "time,", ",,,", "%3Cscript%3E", "a" * 3000])
def test_what_is_no_column_is_left_out(viewer: Browser, columns: str) -> None:
    page = viewer.get(f"/events?columns={columns}")
    assert page.status == 200
    expected = ["Time", "What was seen"] if columns == "time," else [COLUMNS[name].title for name in USUAL]
    assert heads(page.text) == expected


def test_columns_stay_wherever_a_view_leads(viewer: Browser) -> None:
    page = viewer.get("/events?q=action%3Aallow&columns=time,risk,door").text
    links = [unescape(one) for one in re.findall(r'href="(/events\?[^"]+)"', main_of(page))]
    views = [one for one in links if "before=" in one or "group=1" in one]
    assert views and all("columns=time,risk,door" in one for one in views)
    for form in re.findall(r'<form action="/events">(.*?)</form>', page, re.S):
        assert 'name="columns" value="time,risk,door"' in form
    moved = viewer.get("/events?q=&columns=time,risk,door&plus=door%3Agateway").headers["location"]
    assert moved == "/events?q=door%3Agateway&columns=time,risk,door"
    assert "columns=time,risk,door" in viewer.get("/events?group=1&columns=time,risk,door").text


def test_every_column_shows_something_and_the_page_stays_small(house: House, viewer: Browser) -> None:
    house.secrets(30, model="m" * 120, app="a" * 120)
    page = viewer.get("/events?columns=" + ",".join(COLUMNS))
    assert heads(page.text) == [column.title for column in COLUMNS.values()]
    assert len(page.body) < 100_000 and page.text.count("data-row") >= 10
    assert "finance" in page.text and "gateway" in page.text and "house@1.0.0" in page.text
    older = unescape(re.search(r'href="([^"]+)" rel="next"', page.text)[1])
    assert "columns=time,action" in older and viewer.get(older).text.count("data-row") >= 10
    assert len(viewer.get("/events").body) < 100_000


def test_a_downloaded_table_has_the_columns_of_the_view(house: House, viewer: Browser) -> None:
    house.feedback.give(house.secrets(1)[0], Verdict.MISTAKE, "no-secrets-out", "colleague@example.org")
    found = table(viewer.get("/events/download?format=csv&q=action:redact&columns=time,risk,door,said").text)
    assert list(found[0]) == ["exchange", "time", "risks", "door", "called"]
    assert found[0]["door"] == "gateway" and "mistake" in {row["called"] for row in found}
    every = table(viewer.get("/events/download?format=csv&q=action:redact&columns=" + ",".join(COLUMNS)).text)
    assert sorted(every[0]) == sorted({column.told for column in COLUMNS.values()})
    assert every[0]["disciplines"] and every[0]["exchange"] == found[0]["exchange"]
    usual = table(viewer.get("/events/download?format=csv&q=action:redact").text)
    assert len(usual[0]) == 21 and len(usual) == len(found)
    lines = viewer.get("/events/download?format=jsonl&q=action:redact&columns=time").text.splitlines()
    assert all("action" in json.loads(line) for line in lines)  # Records are whole: that is what a proof is about.


def test_chosen_columns_compute_nothing_and_are_no_markup(house: House, viewer: Browser) -> None:
    house.indexed(house.says("hello", app="=1+1", model="@SUM(A1)"))
    found = viewer.get("/events/download?format=csv&columns=app,model").text
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in csv.reader(io.StringIO(found)) for cell in row)
    read = dom(Markup(main_of(viewer.get("/events?q=action:review&columns=" + ",".join(COLUMNS)).text)))
    assert not read.tags & {"script", "img", "style"} and not {a for a in read.attributes if a.startswith("on")}
    assert "tag characters: ABCD" in read.chips


# ---- Views under a name ---------------------------------------------------------------------------------------------


def test_a_view_is_saved_opened_deleted_and_put_back(house: House) -> None:
    mine = house.up.browser(Role.VIEWER, name="saver@example.org")
    page = mine.get("/events?q=action%3Aredact&columns=time,risk,app&group=1").text
    menu = page.partition("Saved views")[2].partition("</details>")[0]
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', menu))
    assert {**fields, "csrf": ""} == {"csrf": "", "q": "action:redact", "columns": "time,risk,app", "group": "1"}
    where = mine.post("/events/views", {**fields, "name": "Keys of the week"}).headers["location"]
    assert where == "/events?q=action%3Aredact&columns=time,risk,app&group=1"
    page = mine.get(where).text
    link = re.search(r'href="(/events/views/v-\w+)" aria-current="page"><bdi>Keys of the week', page)[1]
    assert mine.get(link).headers["location"] == where
    listed = mine.get("/events/views").text
    assert "1 view of yours" in listed and "action:redact" in listed and "similar ones together" in listed
    gone = mine.post(f"{link}/delete")
    assert gone.headers["location"] == "/events/views"
    listed = mine.get("/events/views").text
    assert "0 views of yours" in listed and "Put back" in listed and mine.get(link).status == 400
    assert mine.post(f"{link}/put-back").status == 303
    assert mine.get(link).headers["location"] == where


def test_views_are_nobody_elses(house: House) -> None:
    one, other = (house.up.browser(Role.VIEWER, name=f"{name}@example.org") for name in ("own-1", "own-2"))
    one.post("/events/views", {"name": "Only mine", "q": "action:block"})
    link = re.search(r'"(/events/views/v-\w+)"', one.get("/events/views").text)[1]
    assert "Only mine" not in other.get("/events/views").text + other.get("/events").text
    for answer in (other.get(link), other.post(f"{link}/delete"), other.post(f"{link}/put-back")):
        assert answer.status == 400
    assert one.get(link).headers["location"] == "/events?q=action%3Ablock"
    assert house.up.browser(name="no-role@example.org").post("/events/views", {"name": "x"}).status == 403
    assert (
        house.up.browser(Role.VIEWER).post("/events/views", {"name": "x"}, origin="http://evil.example").status == 403
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "n" * (MAX_NAME + 1)},
        {"name": "words", "q": "salary"},  # They would lie open.
        {"name": "name", "q": "who:mara@example.org"},
        {"name": "name", "q": "-who:mara@example.org"},
        {"name": "unreadable", "q": 'a"b'},
        {"name": "long", "q": "model:" + "x" * 2000},
    ],
)
def test_what_cannot_be_saved_is_said(viewer: Browser, fields: dict[str, str]) -> None:
    answer = viewer.post("/events/views", fields)
    assert answer.status == 400 and "mara@" not in main_of(answer.text)
    assert "0 views" in viewer.get("/events/views").text


def test_there_are_only_so_many_and_the_page_stays_small(house: House) -> None:
    mine = house.up.browser(Role.VIEWER, name="collector@example.org")
    for n in range(MAX_VIEWS):
        assert mine.post("/events/views", {"name": f"{n} {XSS}"[:MAX_NAME], "q": f"model:{'é' * 100}{n}"}).status == 303
    full = mine.post("/events/views", {"name": "one more"})
    assert full.status == 400 and "which is the most" in full.text
    page = mine.get("/events")
    assert f"All {MAX_VIEWS}, and deleting" in page.text and len(page.body) < 100_000
    assert len(mine.get("/events/views").body) < 100_000


@pytest.mark.parametrize(
    "name", [XSS[:MAX_NAME], f"a {BIDI} b", "אבגד", "\x00\x1b[31m", "'; DROP TABLE saved_view; --"]
)
def test_a_view_named_by_an_attacker_is_text(house: House, name: str) -> None:
    mine = house.up.browser(Role.VIEWER, name="victim@example.org")
    assert mine.post("/events/views", {"name": name, "q": "action:block"}).status == 303
    for path in ("/events", "/events/views"):
        read = dom(Markup(main_of(mine.get(path).text)))
        assert not read.tags & {"script", "img"} and not {a for a in read.attributes if a.startswith("on")}
        assert NOTHING.search(read.text) is None


def test_programs_save_views_too(house: House) -> None:
    token, nobody = house.token("views-program@example.org", Role.VIEWER), house.up.browser()
    made = nobody.api(
        "POST", "/events/views", token, {"name": "Held", "q": "action:review", "columns": ["time", "app"]}
    )
    assert made.json["query"] == "q=action%3Areview&columns=time,risk,app"
    assert [one["name"] for one in nobody.api("GET", "/events/views", token).json["views"]] == ["Held"]
    assert nobody.api("GET", f"/events/views/{made.json['id']}", token).json["name"] == "Held"
    assert nobody.api("POST", f"/events/views/{made.json['id']}/delete", token, {}).status == 200
    listed = nobody.api("GET", "/events/views", token).json
    assert (listed["views"], [one["name"] for one in listed["removed"]]) == ([], ["Held"])


def test_forgetting_somebody_takes_their_views(house: House) -> None:
    mine = house.up.browser(Role.VIEWER, name="leaver@example.org")
    mine.post("/events/views", {"name": "Mine"})
    person = house.person("leaver@example.org")
    assert house.up.console.saved.of(person)
    forget(house.up.console.writer, house.up.home.vault, "leaver@example.org", by="privacy@example.org", why="asked")
    assert house.up.console.saved.of(person) == ()


# ---- Several at once ------------------------------------------------------------------------------------------------


def test_only_those_who_may_judge_can_choose(house: House, viewer: Browser) -> None:
    assert 'name="exchange"' not in viewer.get("/events").text
    for path in ("/events/bulk/preview", "/events/bulk"):
        assert viewer.post(path, {"do": "confirm", "exchange": house.secrets(1)}).status == 403
    page = hands(house, "may@example.org").get("/events").text
    assert page.count('name="exchange"') == 40 and 'action="/events/bulk/preview"' in page


def test_a_preview_says_what_it_would_change_and_changes_nothing(house: House) -> None:
    keys = house.secrets(4)
    (held,) = house.indexed(house.says(f"pay with {card()}"))
    (plain,) = house.indexed(house.says("hello"))
    analyst, me = hands(house, "previewer@example.org"), house.person("previewer@example.org")
    house.feedback.give(keys[0], Verdict.MISTAKE, "no-secrets-out", me)
    house.feedback.give(keys[1], Verdict.RIGHT, "no-secrets-out", me)
    house.feedback.give(keys[2], Verdict.RIGHT, "no-secrets-out", "colleague@example.org")
    before = len(house.events("feedback"))
    fields = {"do": "mistake", "exchange": [*keys, held, plain, "01M846F16ZA89DE2XMCJNM7B8Q"], "q": "after:1d"}
    page = analyst.post("/events/bulk/preview", fields)
    text = dom(Markup(main_of(page.text))).text
    assert page.status == 200 and "4 decisions would be called a mistake." in text
    assert "2 events of these have been judged before." in text and "Of 1 you said something else" in text
    assert "1 event stays as it is: you called it a mistake before." in text
    assert "1 event stays as it is: nothing was stopped or changed there." in text
    assert "1 event stays as it is: no decision has this id." in text
    rows = re.findall(r"<tr><td>(.*?)</td><td[^>]*>(\d+)</td><td[^>]*>(\d+)</td><td[^>]*>(\d+)</td></tr>", page.text)
    assert [(dom(Markup(row[0])).text, *row[1:]) for row in rows] == [
        ("Credentials do not leave the company. no-secrets-out", "3", "2", "0"),
        ("Card numbers wait for a person. cards-are-held", "1", "0", "0"),
    ]
    assert set(re.findall(r'name="exchange" value="(\w+)"', page.text)) == {*keys[1:], held}
    assert 'href="/events?q=after%3A1d"' in page.text
    assert len(house.events("feedback")) == before


def test_what_was_shown_is_then_done_like_one_by_one(house: House) -> None:
    keys = house.secrets(3)
    analyst, me = hands(house, "doer@example.org"), house.person("doer@example.org")
    before = len(house.events("feedback"))
    done = analyst.post("/events/bulk", {"do": "mistake", "exchange": keys, "note": "All test keys.", "q": "after:1d"})
    assert (done.status, done.headers["location"]) == (303, "/events?q=after%3A1d")
    assert "3 events noted as a mistake" in analyst.get("/events").text
    told = house.events("feedback")[before:]
    assert {(one["exchange"], one["verdict"], one["clause"], one["by"]) for one in told} == {
        (key, "mistake", "no-secrets-out", me) for key in keys
    }
    assert "All test keys." not in json.dumps(told)
    for key in keys:
        (said,) = house.feedback.about(key)
        assert said.person == house.up.home.vault.known("mara@example.org") and said.has_note
    assert house.feedback.note_text(said.id, me) == "All test keys."
    # One by one it says the same.
    single = house.secrets(1)[0]
    analyst.get(f"/events/{single}")
    analyst.post(f"/events/{single}/mistake", {"note": "x"})
    assert (house.feedback.about(single)[0].clause, house.feedback.about(single)[0].person) == (
        said.clause,
        said.person,
    )
    # Once more there is nothing left to do.
    analyst.get("/events")
    assert analyst.post("/events/bulk", {"do": "mistake", "exchange": keys}).status == 303
    assert "Nothing was changed. 3 events stayed as they were." in analyst.get("/events").text
    assert "Nothing would change" in analyst.post("/events/bulk/preview", {"do": "mistake", "exchange": keys}).text


def test_confirming_and_taking_on(house: House) -> None:
    keys = house.secrets(3)
    analyst, me = hands(house, "taker@example.org"), house.person("taker@example.org")
    house.feedback.assign(keys[0], "other@example.org", "other@example.org", 1)
    house.feedback.assign(keys[1], me, me, 1)
    page = dom(Markup(main_of(analyst.post("/events/bulk/preview", {"do": "assign", "exchange": keys}).text))).text
    assert "You would look after 2 events." in page and "whom you would replace" in page
    assert "1 event stays as it is: you look after it already." in page
    assert analyst.post("/events/bulk", {"do": "assign", "exchange": keys}).status == 303
    assert {one.assignee for one in house.feedback.assigned_among(keys).values()} == {me}
    assert analyst.post("/events/bulk", {"do": "confirm", "exchange": keys}).status == 303
    assert [house.feedback.about(key)[0].verdict for key in keys] == [Verdict.RIGHT] * 3
    shown = analyst.get("/events?q=action:redact&columns=risk,said,assigned").text
    assert shown.count("taker@example.org</bdi>") >= 3 and shown.count("<bdi>right</bdi>") >= 3


def test_where_an_event_has_several_clauses_one_can_be_chosen(house: House) -> None:
    (both,) = house.indexed(house.says(f"{aws_key()} and {card()}"))
    analyst = hands(house, "chooser@example.org")
    page = analyst.post("/events/bulk/preview", {"do": "mistake", "exchange": both}).text
    assert "Which clause is it about" in page and 'value="cards-are-held"' in page
    (single,) = house.secrets(1)
    fields = {"do": "mistake", "exchange": [both, single], "clause": "cards-are-held"}
    assert analyst.post("/events/bulk", fields).status == 303
    assert house.feedback.about(both)[0].clause == "cards-are-held"
    assert house.feedback.about(single)[0].clause == "no-secrets-out"  # It never met the other one.


def test_the_whole_view_is_its_newest_and_says_so(house: House) -> None:
    house.secrets(MAX_AT_ONCE + 5, who="many@example.org")
    many = house.up.home.vault.known("many@example.org")
    analyst = hands(house, "whole@example.org")
    assert f"the newest {MAX_AT_ONCE} of this view" in analyst.get(f"/events?q=who:{many}").text
    page = analyst.post("/events/bulk/preview", {"do": "confirm", "all": "1", "q": f"who:{many}"})
    assert f"{MAX_AT_ONCE} decisions would be called right." in page.text and "has older events too" in page.text
    assert len(page.body) < 100_000
    ids = re.findall(r'name="exchange" value="(\w+)"', page.text)
    assert len(ids) == MAX_AT_ONCE
    assert analyst.post("/events/bulk", {"do": "confirm", "exchange": ids, "q": f"who:{many}"}).status == 303
    assert len(house.feedback.among(ids)) == MAX_AT_ONCE
    small = house.secrets(2, who="few@example.org")
    few = house.up.home.vault.known("few@example.org")
    assert "all 2 of this view" in analyst.get(f"/events?q=who:{few}").text
    page = analyst.post("/events/bulk/preview", {"do": "confirm", "all": "1", "q": f"who:{few}"})
    assert set(re.findall(r'name="exchange" value="(\w+)"', page.text)) == set(small)


@pytest.mark.parametrize(
    "fields",
    [
        {"do": "confirm"},
        {"do": "erase", "exchange": "x"},
        {"exchange": "x"},
        {"do": "confirm", "exchange": [f"{n}" for n in range(MAX_AT_ONCE + 1)]},
        {"do": "confirm", "exchange": [f"{n}" for n in range(500)]},
        {"do": "confirm", "all": "1", "q": "some words"},
        {"do": "confirm", "all": "1", "q": 'a"b'},
    ],
)
def test_what_cannot_be_done_at_once_is_said(house: House, fields: dict[str, object]) -> None:
    analyst = hands(house, "careless@example.org")
    for path in ("/events/bulk/preview", "/events/bulk"):
        assert analyst.post(path, fields).status == 400


@pytest.mark.parametrize("id_", [XSS, "", "x" * 5000, "c-0000000000000000", "../../x", "\x00"])
def test_ids_that_are_none_change_nothing(house: House, id_: str) -> None:
    analyst = hands(house, "stray@example.org")
    page = analyst.post("/events/bulk/preview", {"do": "assign", "exchange": id_})
    assert "Nothing would change" in page.text and "alert(1)" not in page.text
    before = len(house.events("assigned"))
    analyst.post("/events/bulk", {"do": "assign", "exchange": id_})
    assert len(house.events("assigned")) == before


def test_a_person_who_was_forgotten_gets_a_verdict_and_no_note(house: House) -> None:
    keys = house.secrets(2, who="gone@example.org") + house.secrets(1)
    forget(house.up.console.writer, house.up.home.vault, "gone@example.org", by="privacy@example.org", why="asked")
    analyst = hands(house, "after@example.org")
    analyst.post("/events/bulk", {"do": "mistake", "exchange": keys, "note": "A note."})
    said = analyst.get("/events").text
    assert "1 event noted as a mistake" in said and "2 events stayed as they were" in said
    assert house.feedback.about(keys[0]) == () and house.feedback.about(keys[2])
    analyst.post("/events/bulk", {"do": "mistake", "exchange": keys[:2]})
    assert house.feedback.about(keys[0])[0].verdict is Verdict.MISTAKE


def test_programs_preview_and_act_too(house: House) -> None:
    keys = house.secrets(2)
    token, nobody = house.token("bulk-program@example.org", Role.ANALYST), house.up.browser()
    told = nobody.api("POST", "/events/bulk/preview", token, {"do": "confirm", "exchange": [*keys, "nothing"]}).json
    assert set(told["exchanges"]) == set(keys) and told["left"] == [{"why": "no decision has this id", "events": 1}]
    assert told["clauses"] == [{"clause": "no-secrets-out", "events": 2, "right": 0, "mistake": 0, "assigned": 0}]
    done = nobody.api("POST", "/events/bulk", token, {"do": "confirm", "exchange": list(keys)}).json
    assert set(done["done"]) == set(keys) and done["left"] == []
    reader = house.token("bulk-reader@example.org", Role.VIEWER)
    assert nobody.api("POST", "/events/bulk", reader, {"do": "confirm", "exchange": list(keys)}).status == 403


def test_a_record_that_was_changed_is_left_alone(house: House) -> None:
    """Whoever writes into a log may have put anything there; the other events are judged."""
    keys = house.secrets(2)
    row = house.up.console.index.event(keys[0])
    path = house.up.home.path / f"log-{row.writer}.sqlite"
    with closing(connect(path, timeout=20)) as database, database:
        (raw,) = database.execute("SELECT entry FROM record WHERE exchange = ?", (keys[0],)).fetchone()
        assert b'"action":"allow"' in raw
        other = raw.replace(b'"action":"allow"', b'"action":"nosuch"')
        database.execute("UPDATE record SET entry = ? WHERE exchange = ?", (other, keys[0]))
    analyst = hands(house, "auditor@example.org")
    page = analyst.post("/events/bulk/preview", {"do": "confirm", "exchange": keys}).text
    assert "1 event stays as it is: its record is not what was written." in dom(Markup(main_of(page))).text
