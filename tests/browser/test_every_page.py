"""Every page there is, light and dark, from a phone to a wide screen: it fits, the console stays empty, axe-core finds
nothing. A page that is added is looked at without being named here; one with a name in its path has to be."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from ai_in_use import CANDIDATE, asked_for, decided, told
from assessed import recorded
from browsing import AXED, HEIGHT, LOOKS, THEMES, WIDTHS, Contexts, Watch, kept, look, pale, press, seen, violations
from playwright.sync_api import Page
from scene import Day, Scene, ordinary, scene

from bartizan.doors.console import process
from bartizan.doors.console.process import ways
from bartizan.doors.console.routes import Needs
from bartizan.events.saved import SavedViews
from bartizan.home.register import names
from bartizan.vault.accounts import Role

PAGES = [way for way in ways() if way.method == "GET" and way.stream is None]
PLAIN = {way.path: way for way in PAGES if "{" not in way.path}
ALL, MARA = "all@example.org", "mara@example.org"


@dataclass(frozen=True)
class Named:
    """Pages with a name in their path: which ones, who looks, and whether the sealed text is opened first."""

    paths: Callable[[Scene, Day], list[str]]
    who: str = ALL
    opened: bool = False


def of(pattern: str, *names: str) -> Callable[[Scene, Day], list[str]]:
    """Paths of some of the day's exchanges; of its cases where the pattern says so."""
    return lambda up, day: [pattern.format(exchange=day.exchanges[name], case=day.cases.get(name)) for name in names]


def person(pattern: str) -> Callable[[Scene, Day], list[str]]:
    return lambda up, day: [pattern.format(up.home.vault.pseudonym(MARA))]


def links(up: Scene, day: Day) -> list[str]:
    return [link.removeprefix(up.url) for link in day.links.values()]


def saved_view(up: Scene, day: Day) -> list[str]:
    made = SavedViews(up.home.state).save(up.account(ALL, *Role).person, "Held", "q=action%3Areview")
    return [f"/events/views/{made.id}"]


def gateway_key(up: Scene, day: Day) -> list[str]:
    return [f"/settings/keys/{min(up.home.vault.keys(), key=lambda key: key.name).id}"]


NAMED: Mapping[str, Named] = {
    "/c/{token}": Named(links, ""),
    "/coach/{id}": Named(lambda up, day: ["/coach/deepseek", "/coach/nothing"], ""),
    "/events/{id}": Named(of("/events/{exchange}", "redact", "block", "review"), opened=True),
    "/events/views/{id}": Named(saved_view),
    "/events/{id}/exception": Named(of("/events/{exchange}/exception", "redact")),
    "/ledger/forget/{pseudonym}": Named(person("/ledger/forget/{}")),
    "/ledger/proof/{exchange}": Named(of("/ledger/proof/{exchange}", "redact")),
    "/models/{name}": Named(lambda up, day: ["/models/digits.onnx"]),
    "/mine/{id}": Named(of("/mine/{case}", "justify", "two"), MARA),
    "/people/{pseudonym}": Named(person("/people/{}")),
    "/policy/clause/{clause}": Named(lambda up, day: ["/policy/clause/no-secrets-out"]),
    "/policy/history/{version}": Named(lambda up, day: ["/policy/history/1"]),
    "/policy/history/{version}/policy.yaml": Named(lambda up, day: ["/policy/history/1/policy.yaml"]),
    "/policy/{clause}": Named(lambda up, day: ["/policy/no-secrets-out", "/policy/ssn-needs-two"]),
    "/review/{id}": Named(of("/review/{case}", "review", "two"), opened=True),
    "/settings/accounts/{person}": Named(person("/settings/accounts/{}")),
    "/settings/keys/{id}": Named(gateway_key),
    "/use/{id}": Named(lambda up, day: ["/use/deepseek", f"/use/{CANDIDATE}"]),
    "/use/system/{id}": Named(lambda up, day: ["/use/system/gemini"]),
    "/use/restriction/{format}": Named(lambda up, day: ["/use/restriction/squid"]),
    "/sign-in/{token}": Named(lambda up, day: ["/sign-in/" + "0" * 43], ""),
}
# The same pages in other states, and some that lead nowhere.
MORE = (
    "/account?welcome=1",
    "/nowhere",
    "/events/01M83W65PP5GCHRCAKAY5NQNR4",
    "/review/c-0000000000000000",
    "/?range=7d",
    "/live?q=action:block",
    "/events?q=action:redact",
    "/events?group=1",
    "/events?q=capital",
    "/events?q=action:nonsense",
    "/events?q=who:p-nobody",
    "/events/download?format=csv",
    "/ledger/export?since=2020-01-01&until=2020-02-01&format=jsonl",
    "/policy?show=attention&sort=hits",
    "/use?show=waiting&sort=sent&range=365d",
    "/use?q=nothing-like-it",
    "/use/nothing",
    "/models/nothing",
    "/use/restriction?hosts=chat.deepseek.com%0Aexample.org",
    "/coach/deepseek",
)


@pytest.fixture(scope="module")
def up(chromium: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("pages")) as one:
        yield one


@pytest.fixture(scope="module")
def day(up: Scene) -> Day:
    made = ordinary(up)
    used(up)
    for share in (0.31, 0.76):
        recorded(up.home, "digits", {"accuracy": 0.98, "robust_accuracy": share, "stolen_fidelity": 0.94})
    recorded(up.home, "spam", trusted=False, missing="poison")
    up.account(MARA)
    up.seen(made.exchanges["two"])
    return made


def used(up: Scene) -> None:
    """AI that logs told of, decisions about it, an exception and a name that were asked for."""
    now_us = time.time_ns() // 1000
    told(up.home, now_us)
    decided(up.home, now_us)
    asked_for(up.home, now_us)
    officer = up.account("privacy@example.org", Role.PRIVACY)
    names(up.home).ask(up.home.vault.pseudonym("person1@example.org"), "A works council asks.", officer.person, now_us)


@dataclass
class Eyes:
    """The open page of somebody, and what was heard of it."""

    page: Page
    watch: Watch


Look = Callable[[str], Eyes]


@pytest.fixture(scope="module")
def eyes(up: Scene, open_for_all: Contexts) -> Look:
    """The page of one of those who look: ALL has every role, "" is nobody."""
    known: dict[str, Eyes] = {}

    def of_whom(who: str) -> Eyes:
        if who not in known:
            context, watch = open_for_all(up.url)
            if who:
                up.signed_in(context, who, *(Role if who == ALL else ()))
            known[who] = Eyes(context.new_page(), watch)
        page = known[who].page
        page.emulate_media(color_scheme=THEMES[0])
        return known[who]

    return of_whom


def examine(page: Page, name: str, looks: Sequence[tuple[str, int]] = LOOKS) -> None:
    """The page as it stands, in light and dark, from a phone to a wide screen."""
    for theme, width in seen(page, looks):
        assert pale(page) == [], (page.url, theme, width)
        kept(page, f"{name}-{theme}-{width}")
        if (theme, width) in AXED:
            found = violations(page, theme == THEMES[1])
            assert not found, f"{page.url} {theme} {width}\n" + "\n".join(found)


def walk(up: Scene, eyes: Eyes, paths: list[str], *, open_text: bool = False) -> None:
    """Look at pages. What is a file comes as one."""
    page, watch = eyes.page, eyes.watch
    for path in paths:
        answer = page.context.request.get(up.url + path)
        assert answer.status in (200, 400, 404), (path, answer.status)
        if answer.headers.get("content-disposition", "").startswith("attachment"):
            continue  # A file.
        with watch.meant(answer.status):
            page.goto(up.url + path)
            if open_text and page.get_by_role("button", name="Open the text").count():
                press(page.get_by_role("button", name="Open the text").first)
            examine(page, path.strip("/").replace("/", "_").replace("?", "_") or "overview")
            if open_text:
                views = page.locator("nav.tabs").first.get_by_role("link")
                for url in views.evaluate_all("found => found.slice(1).map((one) => one.href)"):
                    page.goto(url)
                    look(page)
        watch.quiet()


def test_an_empty_home_has_pages_too(up: Scene, eyes: Look) -> None:
    """Nothing was decided yet: every page says what would stand there. The first test: the day comes after it."""
    page, watch = eyes(ALL).page, eyes(ALL).watch
    for path, way in PLAIN.items():
        answer = page.context.request.get(up.url + path)
        if way.needs is not Needs.NOBODY and "content-disposition" not in answer.headers:
            with watch.meant(answer.status):
                page.goto(up.url + path)
                examine(page, f"empty{path.replace('/', '_')}", (("light", 1440), ("light", 390)))
            watch.quiet()


@pytest.mark.parametrize("path", PLAIN)
def test_a_page(path: str, up: Scene, day: Day, eyes: Look) -> None:
    walk(up, eyes("" if PLAIN[path].needs is Needs.NOBODY else ALL), [path])


@pytest.mark.parametrize("path", MORE)
def test_a_page_in_another_state(path: str, up: Scene, day: Day, eyes: Look) -> None:
    walk(up, eyes(ALL), [path])


@pytest.mark.parametrize("pattern", NAMED)
def test_a_page_of_something(pattern: str, up: Scene, day: Day, eyes: Look) -> None:
    named = NAMED[pattern]
    walk(up, eyes(named.who), named.paths(up, day), open_text=named.opened)


def test_no_page_is_forgotten() -> None:
    assert {way.path for way in PAGES if "{" in way.path} == set(NAMED)


# ---- Pages that a form leads to -------------------------------------------------------------------------------------


def check_a_clause(page: Page, up: Scene, day: Day) -> None:
    page.goto(f"{up.url}/policy/no-secrets-out")
    press(page.get_by_role("button", name="Check"))


def check_a_clause_with_mistakes(page: Page, up: Scene, day: Day) -> None:
    page.goto(f"{up.url}/policy/no-secrets-out")
    box = page.locator("textarea[name=text]")
    box.fill(box.input_value().replace("then: redact", "then: destroy"))
    press(page.get_by_role("button", name="Check"))


def what_if(page: Page, up: Scene, day: Day) -> None:
    page.goto(f"{up.url}/policy/no-secrets-out")
    box = page.locator("textarea[name=text]")
    box.fill(box.input_value().replace("then: redact", "then: block"))
    press(page.get_by_role("button", name="What if"))


def preview(page: Page, up: Scene, day: Day) -> None:
    what_if(page, up, day)
    press(page.get_by_role("button", name="Save…"))


def preview_of_an_exception(page: Page, up: Scene, day: Day) -> None:
    page.goto(f"{up.url}/policy/no-secrets-out")
    page.get_by_text("Add an exception").click()
    page.get_by_label("Named").fill("red-team")
    page.get_by_label("Last day").fill("2030-01-31")
    page.locator("[name=why_exempt]").fill("The exercise needs it.")
    press(page.get_by_role("button", name="Add it…").last)


def whole_preview(page: Page, up: Scene, day: Day) -> None:
    page.goto(f"{up.url}/policy/whole")
    box = page.locator("textarea[name=text]")
    box.fill(box.input_value().replace("version: 1.0.0", "version: 1.0.1"))
    press(page.get_by_role("button", name="Save…"))


def a_key(page: Page, up: Scene, day: Day) -> None:
    page.goto(f"{up.url}/settings/keys")
    page.locator("main [name=name]").fill(f"key {page.viewport_size} {id(page)}")
    press(page.get_by_role("button", name="Give the key"))


def a_sign_in_link(page: Page, up: Scene, day: Day) -> None:
    page.goto(f"{up.url}/settings/accounts/{up.home.vault.pseudonym(MARA)}")
    press(page.locator("form[action$='/link'] button"))


def a_forgotten_person(page: Page, up: Scene, day: Day) -> None:
    page.goto(f"{up.url}/ledger")
    page.get_by_label("Name or pseudonym").fill(MARA)
    press(page.get_by_role("button", name="Show what would go"))


def searched_texts(page: Page, up: Scene, day: Day) -> None:
    page.goto(f"{up.url}/events?q=capital")
    press(page.get_by_role("button", name="Search the texts"))


def a_wrong_password(page: Page, up: Scene, day: Day) -> None:
    page.goto(f"{up.url}/sign-in")
    page.get_by_label("Name").fill("nobody@example.org")
    page.get_by_label("Password").fill("a lighthouse keeps its lamp")
    press(page.get_by_role("button", name="Sign in"))


FORMS = (
    check_a_clause, check_a_clause_with_mistakes, what_if, preview, preview_of_an_exception, whole_preview, a_key,
    a_sign_in_link, a_forgotten_person, searched_texts, a_wrong_password,
)  # fmt: skip


@pytest.mark.parametrize("fill", FORMS, ids=lambda fill: fill.__name__)
def test_what_a_form_leads_to(fill: Callable[[Page, Scene, Day], None], up: Scene, day: Day, eyes: Look) -> None:
    looks = eyes("" if fill is a_wrong_password else ALL)
    looks.page.set_viewport_size({"width": WIDTHS[0], "height": HEIGHT})
    with looks.watch.meant(400, 403):
        fill(looks.page, up, day)
        examine(looks.page, fill.__name__)
    looks.watch.quiet()


def test_a_person_without_a_role_sees_their_own_cases_and_no_more(up: Scene, day: Day, eyes: Look) -> None:
    looks = eyes(MARA)
    for way in PLAIN.values():
        status = 403 if isinstance(way.needs, Role) else 200
        answer = looks.page.context.request.get(up.url + way.path, max_redirects=0)
        assert answer.status in (status, 303), way.path
    walk(up, looks, ["/mine", "/account"])


def test_too_little_contrast_would_be_seen(opened: Contexts) -> None:
    context, _ = opened("")
    page = context.new_page()
    page.set_content(
        "<div style='background: #fff'><p style='color: #777'>4.48</p><p style='color: #767676'>4.54</p>"
        "<p style='color: #777; font-size: 24px'>4.48, large</p><p style='color: #0008'>3.55</p>"
        "<div style='background: #0008'><p style='color: #fff'>3.55</p><p style='color: #000'>5.92</p></div></div>"
    )
    assert [one[-9:] for one in pale(page)] == [">4.48</p>", ">3.55</p>", ">3.55</p>"]


def test_a_theme_changes_colours_alone() -> None:
    """So a page that fits in one fits in the other."""
    sheets = "".join(path.read_text() for path in Path(process.__file__).parent.glob("static/*.css"))
    dark = re.findall(r"[^}]*(?:data-theme|prefers-color-scheme)[^}]*", sheets)
    assert len(dark) == 1
    assert re.fullmatch(
        r"\s*:root\[data-theme=dark\] \{(\s*--[\w-]+: (#[0-9a-f]+|none);)+\s*color-scheme: dark;\s*", dark[0]
    )


def test_a_theme_is_there_from_the_start_and_can_be_switched(up: Scene, opened: Contexts) -> None:
    context, _ = opened(up.url, "dark")
    page = up.signed_in(context, ALL, *Role).new_page()
    for theme in ("dark", "light"):
        page.goto(f"{up.url}/account")
        assert page.locator("html").get_attribute("data-theme") == theme
        page.get_by_role("button", name="Switch between light and dark").click()
