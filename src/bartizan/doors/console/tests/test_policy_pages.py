"""The policy's pages: what is in force, what a change would do, and that nothing changes but what was confirmed."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from running_console import Answer, Browser, RunningConsole, console

from bartizan import rules
from bartizan.core.subject import Context, Kind, Subject
from bartizan.home.recording import Recorder
from bartizan.home.versions import Versions, digest_of
from bartizan.ledger.read import records
from bartizan.policy.clause import Mode
from bartizan.policy.edit import clause_text
from bartizan.vault.accounts import Role

SHIPPED = rules.text("bartizan.rules", "policies/default.yaml")
WATCH = "watch-personal-data"
MAIL = "write to maria@kanzlei-huber.at"
CLAUSE = "  - {id: %s, says: %s, when: {risk: secret.*}, then: block}\n"
HEAD = "policy: mine\nversion: 2.0.0\nclauses:\n"
ATTACK = "</textarea><script>alert(1)</script><img src=x onerror=alert(1)>\u202egnp.exe\u200b{{7*7}}"


@pytest.fixture
def up(tmp_path: Path) -> Iterator[RunningConsole]:
    with console(tmp_path / "home") as running:
        yield running


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def author(up: RunningConsole, name: str = "Mara Huber") -> Browser:
    return up.browser(Role.VIEWER, Role.AUTHOR, name=name)


def text(up: RunningConsole) -> str:
    return bytes(up.home.config.policy_path.read_bytes()).decode()


def write(up: RunningConsole, new: str) -> None:
    part = up.home.path / "part"
    part.write_text(new)
    part.rename(up.home.config.policy_path)
    up.home.policy_file.check()


def decided(up: RunningConsole, count: int = 12) -> None:
    """As many mails, and as many texts with nothing in them."""
    with Recorder(up.home.path, "scan") as recorder:
        for n in range(2 * count):
            subject = recorder.now(Subject(Kind.TEXT, "", MAIL if n % 2 else "hello", context=Context(person="mara")))
            ticket = recorder.record(subject, recorder.loop.judge(subject), f"x-{n}", b"", recorder.loop.policy)
        recorder.wait(ticket)
    until(lambda: up.console.index.count() >= 2 * count)


def sent(page: Answer, change: str) -> dict[str, str]:
    """The hidden fields of a page's form about a kind of change, as a browser would send them."""
    for form in re.findall(r"<form.*?</form>", page.text, re.DOTALL):
        found = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))
        found |= dict(re.findall(r'<textarea name="([^"]+)" hidden>(.*?)</textarea>', form, re.DOTALL))
        if found.get("change") == change:
            return {name: unescape(value) for name, value in found.items()}
    raise AssertionError(change)


def edited(up: RunningConsole, old: str, new: str, clause: str = WATCH) -> dict[str, str]:
    now = text(up)
    return {"text": clause_text(now, clause).replace(old, new), "base": digest_of(now), "change": "clause"}


def words(page: Answer) -> str:
    """What a person reads."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page.text)).split())


# ---- Looking --------------------------------------------------------------------------------------------------------


def test_the_page_says_what_is_in_force_and_how_clauses_do(up: RunningConsole) -> None:
    decided(up)
    feedback, mara = up.console.feedback, up.account("Mara Huber", Role.VIEWER)
    feedback.give("x-1", "mistake", WATCH, mara.person)
    browser = up.browser(Role.VIEWER)
    clauses = up.home.policy().clauses
    examples = sum(len(one.breaks) + len(one.keeps) for one in clauses)
    enforced = sum(one.mode is Mode.ENFORCE for one in clauses)
    until(lambda: f"All {examples} examples do what they should" in words(browser.get("/policy")))
    said = words(browser.get("/policy"))
    assert f"{enforced} of {len(clauses)} clauses are enforced, {len(clauses) - enforced} only observe." in said
    assert "Credentials do not leave the company." in said and "security@example.org" in said
    assert re.search(r"12 hits would have acted 1 mistake", said)
    assert "mode: enforce # or observe" in said, "the source stands beside it"
    value: dict[str, Any] = browser.api("GET", "/policy", token(up, Role.VIEWER)).json
    assert value["last_30_days"][WATCH] == {"hits": 12, "mistakes": 1, "missed": 0}
    assert value["in_force"]["by"] == "" and value["problems"] == [] and value["examples"]["count"] == examples


def token(up: RunningConsole, *roles: Role) -> str:
    who = up.account("-".join(roles) + "-api", *roles)
    return str(up.console.accounts.add_token(who.person, "test", 1)[1])


def test_clauses_are_picked_and_sorted(up: RunningConsole) -> None:
    decided(up)
    browser = up.browser(Role.VIEWER)

    def ids(query: str) -> list[str]:
        return re.findall(r"<summary>([a-z-]+)</summary>", browser.get("/policy?" + query).text)

    every = [one.id for one in up.home.policy().clauses]
    assert ids("") == every
    assert ids("show=observing") == [one.id for one in up.home.policy().clauses if one.mode is Mode.OBSERVE]
    assert ids("sort=hits")[0] == WATCH
    assert ids("show=attention") == [] and ids("from=5") == every[5:]
    assert ids("show=nonsense&sort=x&from=99999999") == every


def test_a_file_that_does_not_hold_is_said_with_what_is_in_force_meanwhile(up: RunningConsole) -> None:
    write(up, SHIPPED.replace("then: redact", "then: destroy", 1))
    page = author(up).get("/policy")
    said = words(page)
    assert "The file policy.yaml does not hold." in said and "line 19" in said and '"destroy" is not one of' in said
    assert "Credentials do not leave the company." in said, "what was in force before"
    write(up, "clauses: [\n")
    clause = author(up).get("/policy/" + WATCH)
    assert clause.status == 200 and "cannot be edited clause by clause" in words(clause)
    write(up, SHIPPED)
    assert "policy.yaml does not hold" not in words(author(up).get("/policy"))


def test_without_any_policy_the_page_says_that_nothing_passes(tmp_path: Path) -> None:
    with console(tmp_path / "home", policy="policy: [") as up:
        page = author(up).get("/policy")
        assert page.status == 200 and "nothing pass" in words(page)


def test_a_failing_example_is_named(tmp_path: Path) -> None:
    clause = "{id: one, says: x, when: {risk: secret.*}, then: block, examples: {breaks: [harmless], keeps: [a]}}"
    with console(tmp_path / "home", policy=f"{HEAD}  - {clause}\n") as up:
        browser = up.browser(Role.VIEWER)
        until(lambda: "1 of 2 examples do what they should" in words(browser.get("/policy")))
        assert "one : example 1 of breaks (line 4) does not break the clause" in words(browser.get("/policy"))
        assert "not as it should" in words(browser.get("/policy/one"))


def test_a_clause_that_is_not_there(up: RunningConsole) -> None:
    assert author(up).get("/policy/nope").status == 404
    assert author(up).get("/policy/%3Cscript%3E").status == 404
    assert author(up).post("/policy/nope/check", {"text": "id: nope"}).status in (200, 400)


def test_a_clause_called_as_a_page_is_reached(tmp_path: Path) -> None:
    policy = HEAD + "".join(CLAUSE % (name, "x") for name in ("history", "whole", "save"))
    with console(tmp_path / "home", policy=policy) as up:
        browser = author(up)
        page = browser.get("/policy")
        assert '"/policy/clause/history"' in page.text and '"/policy/save"' in page.text
        for name in ("clause/history", "clause/whole", "save"):
            assert f"<h1>{name.rpartition('/')[2]}</h1>" in browser.get(f"/policy/{name}").text


# ---- Changing -------------------------------------------------------------------------------------------------------


def test_check_says_every_mistake_at_its_line(up: RunningConsole) -> None:
    browser = author(up)
    fields = edited(up, "then: redact", "then: destroy") | {"change": "clause"}
    fields["text"] = fields["text"].replace("says:", "sais:").replace("personal.email", "personal.emial")
    page = browser.post(f"/policy/{WATCH}/check", fields)
    said = words(page)
    assert page.status == 200 and "This does not hold" in said
    assert "line 2:1" in said and "line 5:7" in said and 'Did you mean "says"?' in said
    assert "sais: We want to know" in unescape(page.text), "what was typed stays"
    fields["text"] = fields["text"].replace("sais:", "says:").replace("destroy", "redact")
    said = words(browser.post(f"/policy/{WATCH}/check", fields))
    assert "line 4" in said and "personal.email" in said, "a name that only this machine's catalogue knows"
    fields["text"] = "id: [\n  a: ]\n"
    assert "This does not hold" in words(browser.post(f"/policy/{WATCH}/check", fields))


def test_check_tries_the_examples(up: RunningConsole) -> None:
    page = author(up).post(f"/policy/{WATCH}/check", edited(up, "- Write to me about", f"- {MAIL} about"))
    assert "It holds" in words(page) and "2 of 3 examples do what they should." in words(page)
    assert text(up) == SHIPPED


def test_what_if_asks_the_past(up: RunningConsole) -> None:
    decided(up)
    browser = author(up)
    page = browser.post(f"/policy/{WATCH}/what-if", edited(up, "then: redact", "then: block\nmode: enforce"))
    assert page.status == 400, "two modes"
    fields = edited(up, "mode: observe", "mode: enforce")
    fields["text"] = fields["text"].replace("then: redact", "then: block")
    page = browser.post(f"/policy/{WATCH}/what-if", fields)
    said = words(page)
    assert "12 of 24 decisions of the last 7 days would have gone otherwise: 12 stricter, 0 looser" in said
    assert '"/events/x-23"' in page.text and "Blocked" in said
    value: dict[str, Any] = browser.api("POST", f"/policy/{WATCH}/what-if", token(up, Role.AUTHOR), fields).json
    assert value["effect"]["stricter"] == 12 and value["changes"][0]["sort"] == "stricter"
    assert text(up) == SHIPPED


def saved(browser: Browser, up: RunningConsole, page: Answer, change: str, name: str, why: str = "Agreed.") -> Answer:
    """The preview's own form, filled in and sent."""
    action = re.search(r'action="(/policy/[^"]*save)"', page.text)
    assert action is not None
    return browser.post(action[1], sent(page, change) | {"why": why, "confirm": name})


def test_a_clause_is_changed_in_two_steps(up: RunningConsole) -> None:
    browser = author(up)
    page = browser.post(f"/policy/{WATCH}/preview", edited(up, "then: redact", "then: warn"))
    assert page.status == 200 and "Type watch-personal-data to save" in words(page)
    assert "looser" in words(page) and "− removed" in words(page)
    assert text(up) == SHIPPED, "a preview writes nothing"
    for why, name in (("Agreed.", "no-secrets-out"), ("Agreed.", ""), ("", WATCH)):
        denied = saved(browser, up, page, "clause", name, why)
        assert denied.status == 400 and text(up) == SHIPPED
    answer = saved(browser, up, page, "clause", WATCH)
    assert (answer.status, answer.headers["location"]) == (303, f"/policy/{WATCH}")
    assert text(up) == SHIPPED.replace(
        "    then: redact\n    tell: We removed personal", "    then: warn\n    tell: We removed personal"
    )
    assert "The policy is changed." in words(browser.get(f"/policy/{WATCH}"))
    version = Versions(up.home.state).newest()
    assert version is not None and (version.by, version.why) == (up.account("Mara Huber").person, "Agreed.")
    assert any(one.get("event") == "policy-changed" for one in records(up.home.path))
    assert "Mara Huber : Agreed." in words(browser.get("/policy"))


def test_a_clause_may_get_another_id(up: RunningConsole) -> None:
    browser = author(up)
    page = browser.post(f"/policy/{WATCH}/preview", edited(up, f"id: {WATCH}", "id: fresh"))
    assert saved(browser, up, page, "clause", WATCH).headers["location"] == "/policy/fresh"


def test_an_exception_from_what_takes_two_says_that_one_makes_it(up: RunningConsole) -> None:
    browser, rule = author(up), "Two people have to approve what this clause holds"
    assert rule not in browser.get(f"/policy/{WATCH}").text
    before, clause, after = text(up).partition(f"  - id: {WATCH}\n")
    changed = after.replace("then: redact", "then: review\n    approvals: 2", 1)
    up.home.config.policy_path.write_text(before + clause + changed)
    up.home.policy_file.check()
    assert rule in browser.get(f"/policy/{WATCH}").text


def test_of_two_who_save_at_once_one_wins_and_the_other_is_told(up: RunningConsole) -> None:
    before = len(Versions(up.home.state).before())
    racers = []
    for number in range(4):
        browser = author(up, f"Racer {number}")
        page = browser.post(f"/policy/{WATCH}/preview", edited(up, "then: redact", f"then: redact  # {number}"))
        racers.append((browser, page))
    start = threading.Barrier(len(racers))
    answers: list[Answer] = []

    def save(browser: Browser, page: Answer) -> None:
        start.wait(20)
        answers.append(saved(browser, up, page, "clause", WATCH))

    threads = [threading.Thread(target=save, args=racer) for racer in racers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answer.status for answer in answers) == [303, 409, 409, 409]
    assert all("Somebody changed the policy" in words(answer) for answer in answers if answer.status == 409)
    assert len(Versions(up.home.state).before()) == before + 1
    assert sum(f"# {number}" in text(up) for number in range(4)) == 1


def test_mode_example_and_exception_come_and_go(up: RunningConsole) -> None:
    browser = author(up)
    page = browser.get(f"/policy/{WATCH}")
    page = browser.post(f"/policy/{WATCH}/preview", sent(page, "mode"))
    assert "mode: observe → enforce" in words(page)
    assert saved(browser, up, page, "mode", WATCH).status == 303
    assert up.home.policy().clause(WATCH).enforced
    page = browser.get(f"/policy/{WATCH}")
    page = browser.post(
        f"/policy/{WATCH}/preview", sent(page, "example") | {"side": "keeps", "example": " two\r\nlines "}
    )
    assert saved(browser, up, page, "example", WATCH).status == 303
    assert up.home.policy().clause(WATCH).keeps[-1].text == " two\nlines "
    fields = sent(browser.get(f"/policy/{WATCH}"), "exception")
    fields |= {"who": "group", "value": "red-team", "until": "2030-01-31", "why_exempt": "drill"}
    assert browser.post(f"/policy/{WATCH}/preview", fields | {"approved_by": "ciso"}).status == 400
    assert browser.post(f"/policy/{WATCH}/preview", fields | {"until": "soon"}).status == 400
    page = browser.post(f"/policy/{WATCH}/preview", fields)
    assert saved(browser, up, page, "exception", WATCH).status == 303
    assert [one.approved_by for one in up.home.policy().exceptions] == ["Mara Huber"]
    page = browser.get("/policy")
    assert "a group of the person is red-team is excepted from watch-personal-data until 2030-01-31" in words(page)
    page = browser.post(f"/policy/{WATCH}/preview", sent(page, "no-exception"))
    assert saved(browser, up, page, "no-exception", WATCH).status == 303
    assert up.home.policy().exceptions == ()
    assert len(Versions(up.home.state).before()) == 5


def test_the_second_of_two_is_told_and_keeps_what_they_typed(up: RunningConsole) -> None:
    one, two = author(up), author(up, "Jo Lind")
    first = one.post(f"/policy/{WATCH}/preview", edited(up, "then: redact", "then: warn"))
    second = two.post(f"/policy/{WATCH}/preview", edited(up, "then: redact", "then: block"))
    assert saved(one, up, first, "clause", WATCH).status == 303
    now = text(up)
    page = saved(two, up, second, "clause", WATCH)
    assert page.status == 409 and "Somebody changed the policy while you edited it." in words(page)
    assert "then: block" in unescape(page.text) and text(up) == now
    fields = sent(page, "clause") | {"text": clause_text(now, WATCH).replace("then: warn", "then: block")}
    page = two.post(f"/policy/{WATCH}/preview", fields)
    assert page.status == 200, "their own text, against the file as it is now"
    assert saved(two, up, page, "clause", WATCH).status == 303
    assert up.home.policy().clause(WATCH).then == "block"


def test_a_save_names_the_file_it_is_about(up: RunningConsole) -> None:
    fields = edited(up, "then: redact", "then: warn") | {"why": "x", "confirm": WATCH}
    del fields["base"]
    assert author(up).post(f"/policy/{WATCH}/save", fields).status == 400
    assert text(up) == SHIPPED


def test_programs_change_it_too(up: RunningConsole) -> None:
    browser, bearer = up.browser(), token(up, Role.AUTHOR)
    value: dict[str, Any] = browser.api("GET", f"/policy/{WATCH}", bearer).json
    fields = {"text": value["text"].replace("then: redact", "then: warn"), "base": value["base"]}
    value = browser.api("POST", f"/policy/{WATCH}/preview", bearer, fields).json
    assert value["confirm"] == WATCH and value["changes"][0]["sort"] == "looser"
    answer = browser.api("POST", f"/policy/{WATCH}/save", bearer, fields | {"why": "script", "confirm": WATCH})
    assert answer.status == 200 and digest_of(text(up)) == value["after"]
    assert browser.api("POST", f"/policy/{WATCH}/save", bearer, fields | {"why": "x", "confirm": WATCH}).status == 409
    bad = browser.api("POST", f"/policy/{WATCH}/check", bearer, {"text": "id: x\n"}).json
    assert [one["line"] for one in bad["problems"]]


def test_only_authors_change_it(up: RunningConsole) -> None:
    everybody_else = up.browser(Role.VIEWER, Role.ANALYST, Role.PRIVACY, Role.ADMIN)
    fields = edited(up, "then: redact", "then: warn") | {"why": "x", "confirm": WATCH}
    for verb in ("check", "what-if", "preview", "save"):
        assert everybody_else.post(f"/policy/{WATCH}/{verb}", fields).status == 403
        assert everybody_else.post(f"/policy/{verb}", fields).status == 403
    assert everybody_else.get("/policy/whole").status == 403
    assert "textarea" not in everybody_else.get(f"/policy/{WATCH}").text
    assert up.browser(name="nobody@example.org").get("/policy").status == 403
    assert text(up) == SHIPPED


# ---- The whole file, and its history --------------------------------------------------------------------------------


def test_the_whole_file_is_edited_to_the_byte(up: RunningConsole) -> None:
    write(up, SHIPPED)
    up.home.config.policy_path.write_bytes(SHIPPED.replace("\n", "\r\n").encode())
    browser = author(up)
    fields = sent(browser.get("/policy/whole"), "whole")
    page = browser.post("/policy/preview", fields | {"text": SHIPPED.replace("version: 1.0.0", "version: 1.0.1")})
    assert saved(browser, up, page, "whole", "default").status == 303
    raw = up.home.config.policy_path.read_bytes().decode()
    assert raw == SHIPPED.replace("version: 1.0.0", "version: 1.0.1").replace("\n", "\r\n")
    page = browser.post("/policy/check", sent(browser.get("/policy/whole"), "whole") | {"text": "policy: ["})
    assert "This does not hold" in words(page)


def test_versions_are_told_apart_and_put_back(up: RunningConsole) -> None:
    browser = author(up)
    until(lambda: Versions(up.home.state).newest())
    page = browser.post(f"/policy/{WATCH}/preview", edited(up, "mode: observe", "mode: enforce"))
    saved(browser, up, page, "clause", WATCH, "We act now.")
    write(up, text(up) + "# by hand\n")
    until(lambda: len(Versions(up.home.state).before()) == 3)
    newest, changed, first = Versions(up.home.state).before()
    said = words(browser.get("/policy/history"))
    assert "in force changed in its file" in said and "Mara Huber : We act now." in said
    said = words(browser.get(f"/policy/history/{changed.id}"))
    assert "We act now." in said and "mode: observe → enforce" in said and "+ added mode: enforce" in said
    assert "No difference in meaning" in words(browser.get(f"/policy/history/{newest.id}"))
    page = browser.get(f"/policy/history/{first.id}")
    assert "no version before it" in words(page)
    page = browser.post("/policy/preview", sent(page, "put-back"))
    assert "mode: enforce → observe" in words(page)
    assert saved(browser, up, page, "put-back", "default", "It was too much.").status == 303
    assert text(up) == SHIPPED
    file = browser.get(f"/policy/history/{first.id}/policy.yaml")
    assert file.body.decode() == SHIPPED and "attachment" in file.headers["content-disposition"]
    for wrong in ("0", "99", "x", "-1", "9" * 30):
        assert browser.get(f"/policy/history/{wrong}").status in (400, 404)


def test_a_version_that_nobody_could_read_today_shows_its_lines(up: RunningConsole) -> None:
    until(lambda: Versions(up.home.state).newest())
    row = ("digest", "old@0", "policy: [", "", "", 5)
    up.home.state.change(
        "INSERT INTO policy_version (digest, name, text, by, why, at_us) VALUES (?, ?, ?, ?, ?, ?)", row
    )
    newest = Versions(up.home.state).newest()
    assert newest is not None
    page = author(up).get(f"/policy/history/{newest.id}")
    assert page.status == 200 and "cannot be read any more" in words(page) and "policy: [" in words(page)


# ---- Examples from mistakes -----------------------------------------------------------------------------------------


def test_a_proposed_example_is_sealed_until_it_is_opened_and_taken(up: RunningConsole) -> None:
    browser, mara = author(up), up.account("Mara Huber")
    said = up.console.feedback.give("x-1", "mistake", WATCH, mara.person, example="call Mara at noon", person="mara")
    page = browser.get(f"/policy/{WATCH}")
    assert "Open the text" in words(page) and "call Mara" not in page.text
    page = browser.post(f"/policy/{WATCH}/proposed/{said.id}/open")
    assert page.status == 200 and "call Mara at noon" in page.text
    assert any(one.get("event") == "example-opened" for one in records(up.home.path))
    fields = sent(page, "example")
    assert fields["feedback"] == said.id and fields["side"] == "keeps"
    page = browser.post(f"/policy/{WATCH}/preview", fields | {"example": "call me at noon"})
    assert saved(browser, up, page, "example", WATCH).status == 303
    assert up.home.policy().clause(WATCH).keeps[-1].text == "call me at noon"
    page = browser.get(f"/policy/{WATCH}")
    assert "Learned from mistakes: 1" in words(page) and "Proposed" not in words(page)
    taken = browser.post(f"/policy/{WATCH}/preview", fields | {"example": "again", "base": digest_of(text(up))})
    assert saved(browser, up, taken, "example", WATCH).status == 400, "it was taken already"
    assert up.browser(Role.VIEWER, Role.ANALYST).post(f"/policy/{WATCH}/proposed/{said.id}/open").status == 403


def test_a_proposed_example_is_dismissed(up: RunningConsole) -> None:
    browser, mara = author(up), up.account("Mara Huber")
    said = up.console.feedback.give("x-1", "missed", WATCH, mara.person, example="secret plan", person="mara")
    assert browser.post(f"/policy/no-secrets-out/proposed/{said.id}/open").status == 400
    assert browser.post(f"/policy/{WATCH}/proposed/{said.id}/dismiss").status == 303
    assert "Proposed" not in words(browser.get(f"/policy/{WATCH}"))
    assert browser.post(f"/policy/{WATCH}/proposed/nope/open").status == 400


# ---- Hostile and large ----------------------------------------------------------------------------------------------


def hostile() -> str:
    said = '"' + ATTACK.replace("\u202e", "\\u202E").replace("\u200b", "\\u200B") + '"'
    clause = f"""  - id: bad
    says: {said}
    why: {said}
    when: {{risk: secret.*, who: {{group: {said}}}}}
    then: block
    tell: {said}
    examples: {{breaks: [{said}], keeps: [{said}, {{messages: [{{role: user, content: {said}}}]}}]}}
"""
    exempt = f"{{clause: bad, who: {{person: {said}}}, until: 2030-01-31, why: {said}, approved_by: {said}}}"
    head = HEAD.replace("version: 2.0.0", f"version: {said}\nowner: {said}")
    return f"{head}{clause}exceptions:\n  - {exempt}\n"


def test_what_stands_in_a_policy_is_text_and_nothing_else(tmp_path: Path) -> None:
    with console(tmp_path / "home", policy=hostile()) as up:
        browser = author(up, "<b>Mara</b>")
        until(lambda: "being tried" not in words(browser.get("/policy")))
        pages = [
            browser.get(path)
            for path in ("/policy", "/policy/bad", "/policy/whole", "/policy/history", "/policy/history/1")
        ]
        fields = {
            "text": clause_text(text(up), "bad").replace("then: block", "then: warn"),
            "base": digest_of(text(up)),
        }
        pages += [browser.post(f"/policy/bad/{verb}", fields) for verb in ("check", "what-if", "preview")]
        pages.append(browser.post("/policy/bad/check", fields | {"text": f"id: bad\nsays: x\n{ATTACK}: 1\n"}))
        pages.append(saved(browser, up, pages[7], "clause", "wrong", ATTACK))
        for page in pages:
            assert page.status in (200, 400)
            assert "<script>alert" not in page.text and "<img src" not in page.text and "<b>Mara" not in page.text
            shown = re.sub(r"<textarea.*?</textarea>", "", page.text, flags=re.DOTALL)
            assert "\u202e" not in shown and "\u200b" not in shown
            assert "zero-width space 49" not in words(page), "no template of ours is made of what they wrote"


def test_a_hundred_clauses_fit_a_page(tmp_path: Path) -> None:
    clause = """  - id: clause-%d
    says: Credentials of the sort number %d do not leave the company.
    why: A provider may keep prompts; a leaked key is used within minutes.
    when: {risk: secret.*, direction: out, who: {group: team-%d}}
    then: block
    tell: We stopped your message. If it was real, rotate it now.
    examples: {breaks: ["no"], keeps: ["b"]}
"""
    with console(tmp_path / "home", policy=HEAD + "".join(clause % (n, n, n) for n in range(140))) as up:
        browser = author(up)
        until(lambda: "being tried" not in words(browser.get("/policy")))
        page = browser.get("/policy")
        assert len(page.body) < 100_000
        assert page.text.count("data-row") == 100 and "1 to 100 of 140" in words(page)
        assert "101 to 140 of 140" in words(browser.get("/policy?from=100"))
        assert len(browser.get("/policy/clause-7").body) < 30_000


def test_half_a_megabyte_is_shown_and_edited_clause_by_clause(tmp_path: Path) -> None:
    long = "x" * 1500
    clauses = "".join(
        f"  - {{id: c{n}, says: x, when: {{risk: secret.*}}, then: warn, examples: {{keeps: [{long}]}}}}\n"
        for n in range(300)
    )
    with console(tmp_path / "home", policy=HEAD + clauses) as up:
        assert len(text(up)) > 450_000
        browser = author(up)
        assert len(browser.get("/policy").body) < 100_000
        whole = browser.get("/policy/whole")
        assert "more than a page should hold" in words(whole) and len(whole.body) < 100_000
        fields = {"change": "mode", "mode": "observe", "base": digest_of(text(up))}
        page = browser.post("/policy/c7/preview", fields)
        assert page.status == 200 and len(page.body) < 100_000
        assert saved(browser, up, page, "mode", "c7").status == 303
        assert not up.home.policy().clause("c7").enforced
        assert browser.post("/policy/c7/check", {"text": "x" * 70_000}).status == 400
