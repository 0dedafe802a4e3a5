"""What people do all day, from a prompt to its end: watch it arrive, open it, say why, approve, prove, correct."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from browsing import Contexts, until
from playwright.sync_api import Page, expect
from scene import Scene, scene
from values import another_iban, aws_key, card, ssn

from bartizan.vault.accounts import Role

PASSWORD = "four lamps above the harbour"
NUMBERS = count(100)
MARA, ANA, RITA, SAM = "mara@example.org", "ana@example.org", "rita@example.org", "sam@example.org"


@pytest.fixture(scope="module")
def up(chromium: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("story")) as one:
        yield one


@pytest.fixture
def desk(up: Scene, opened: Contexts) -> Page:
    """The page of somebody with every role."""
    context, _ = opened(up.url)
    return up.signed_in(context, "boss@example.org", *Role).new_page()


def signed_in(up: Scene, opened: Contexts, name: str, *roles: Role) -> Page:
    context, _ = opened(up.url)
    return up.signed_in(context, name, *roles).new_page()


def test_the_printed_link_then_a_password(up: Scene, opened: Contexts) -> None:
    context, watch = opened(up.url)
    page = context.new_page()
    page.goto(up.sign_in)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("Once more").fill(PASSWORD)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_contain_text("Your password is set")
    name = page.locator("dl.facts dd").first.inner_text()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(up.url + "/sign-in")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    with watch.meant(403):  # A link opens once.
        page.goto(up.url + "/account")
        page.get_by_role("button", name="Sign out").click()
        page.goto(up.sign_in)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_be_visible()


def test_a_prompt_arrives_live_and_opens(up: Scene, desk: Page) -> None:
    desk.goto(up.url + "/live")
    reply = up.ask(f"Is {aws_key()} a good key? Our server does not take it.")
    row = desk.locator(f'a[href="/events/{reply.exchange}"]')
    row.first.wait_for(state="attached")  # No reload: it came by itself.
    desk.goto(f"{up.url}/events/{reply.exchange}")
    expect(desk.get_by_role("heading", level=1)).to_contain_text("Redacted")
    desk.get_by_role("button", name="Open the text").first.click()
    expect(desk.locator("mark").first).to_be_visible()
    assert "is recorded" not in desk.locator(".evid").first.inner_text()


def test_a_reason_by_link_and_the_retry_passes(up: Scene, opened: Contexts) -> None:
    prompt = "Write to maria.huber@kanzlei-huber.at about the contract."
    held = up.ask(prompt, MARA)
    assert held.status == 400
    context, _ = opened(up.url)  # Nobody is signed in here.
    page = context.new_page()
    page.goto(held.link)
    assert "maria.huber" not in page.content()
    expect(page.get_by_role("heading", level=1)).to_contain_text("A reason is asked for")
    page.get_by_label("Why do you need this?").fill("She asked for an answer by Friday.")
    page.get_by_role("button", name="Send the reason").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("It may pass")
    assert up.ask(prompt, MARA).status == 200


def test_where_a_person_must_say_why_the_link_does_not_do(up: Scene, opened: Contexts) -> None:
    prompt = f"Why was card {card()} declined?"
    held = up.ask(prompt, ANA)
    context, _ = opened(up.url)
    page = context.new_page()
    page.goto(held.link)
    assert page.get_by_role("textbox").count() == 0
    expect(page.get_by_role("main")).to_contain_text("takes a reason from a person")
    own = signed_in(up, opened, ANA)
    own.goto(up.url + "/mine")
    own.get_by_role("link").filter(has_text="A reason is asked for").first.click()
    own.get_by_label("Why do you need this?").fill("The customer is on the phone.")
    own.get_by_role("button", name="Send the reason").click()
    expect(own.get_by_role("heading", level=1)).to_contain_text("It may pass")
    assert up.ask(prompt, ANA).status == 200


def test_a_reviewer_approves_and_the_retry_passes(up: Scene, opened: Contexts) -> None:
    prompt = f"Remind them to pay to {another_iban(1)} by Friday."
    held = up.ask(prompt, MARA)
    page = signed_in(up, opened, RITA, Role.ANALYST)
    page.goto(f"{up.url}/review/{held.case}")
    page.get_by_role("button", name="Open the text").click()
    expect(page.locator("mark").first).to_be_visible()
    page.get_by_label("A note to the person").fill("Seen with finance.")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("status").first).to_contain_text("Approved")
    assert up.ask(prompt, MARA).status == 200
    own = signed_in(up, opened, MARA)
    own.goto(f"{up.url}/mine/{held.case}")
    expect(own.get_by_role("main")).to_contain_text("Seen with finance.")


def test_two_people_where_the_policy_asks_for_two(up: Scene, opened: Contexts) -> None:
    prompt = f"Fill in the form for {ssn()}, please."
    held = up.ask(prompt, MARA)
    for reviewer, said in ((RITA, "1 more person"), (SAM, "Approved")):
        page = signed_in(up, opened, reviewer, Role.ANALYST)
        page.goto(f"{up.url}/review/{held.case}")
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_role("status").first).to_contain_text(said)
        if reviewer == RITA:
            assert up.ask(prompt, MARA).status == 400
            page.goto(f"{up.url}/review/{held.case}")
            expect(page.get_by_role("main")).to_contain_text("It takes somebody else as well")
    assert up.ask(prompt, MARA).status == 200


def test_of_two_who_decide_at_once_one_is_told(up: Scene, opened: Contexts) -> None:
    held = up.ask(f"Please transfer it to {another_iban(2)} today.", MARA)
    pages = [signed_in(up, opened, name, Role.ANALYST) for name in (RITA, SAM)]
    for page in pages:
        page.goto(f"{up.url}/review/{held.case}")
    first, second = pages
    first.get_by_role("button", name="Refuse").click()
    expect(first.get_by_role("status").first).to_contain_text("Refused")
    context = second.context
    answer = context.request.post(
        f"{up.url}/review/{held.case}/decide",
        form={"csrf": second.locator("[name=csrf]").first.input_value(), "decision": "approve"},
        max_redirects=0,
    )
    assert answer.status == 409 and "refused already" in answer.text()


def test_a_case_of_somebody_else_is_not_there(up: Scene, opened: Contexts) -> None:
    held = up.ask("Write to otto.lang@kanzlei-huber.at that we are late.", MARA)
    context, _ = opened(up.url)
    up.signed_in(context, ANA)
    assert context.request.get(f"{up.url}/mine/{held.case}").status == 404
    assert context.request.get(f"{up.url}/review/{held.case}").status == 403
    assert context.request.get(f"{up.url}/c/{'0' * 32}").status == 404


def test_a_mistake_becomes_an_example(up: Scene, desk: Page) -> None:
    reply = up.ask(f"Is {aws_key()} printed in the manual?", ANA)
    up.seen(reply.exchange)
    desk.goto(f"{up.url}/events/{reply.exchange}")
    desk.keyboard.press("m")
    desk.get_by_label("What should whoever writes the policy know?").fill("It is the one from the manual.")
    desk.get_by_label("A text that should pass").fill("The manual prints a key on page 12.")
    desk.get_by_role("button", name="It was a mistake").click()
    desk.get_by_role("button", name="Open the note").click()
    expect(desk.get_by_role("main")).to_contain_text("It is the one from the manual.")
    desk.goto(f"{up.url}/policy/no-secrets-out")
    desk.get_by_role("button", name="Open the text").first.click()
    expect(desk.get_by_role("main")).to_contain_text("The manual prints a key on page 12.")
    desk.get_by_role("button", name="Take it…").click()
    desk.get_by_label("Why").fill("It was harmless.")
    desk.get_by_label("Type no-secrets-out to save").fill("no-secrets-out")
    desk.get_by_role("button", name="Save", exact=True).click()
    until(lambda: "page 12" in (up.home.path / "policy.yaml").read_text(), "the example in the policy's file")
    desk.goto(f"{up.url}/policy/no-secrets-out")
    expect(desk.locator("ul.examples").first).to_contain_text("page 12")


def test_a_clause_is_changed_after_looking_at_what_it_would_have_done(up: Scene, desk: Page) -> None:
    assert up.ask(f"My key is {aws_key()}, keep it.", ANA).status == 200
    desk.goto(f"{up.url}/policy/no-secrets-out")
    box = desk.locator("textarea[name=text]")
    box.fill(box.input_value().replace("then: redact", "then: block"))
    desk.get_by_role("button", name="What if").click()
    expect(desk.get_by_role("heading", name="What if")).to_be_visible()
    expect(desk.get_by_role("main")).to_contain_text("stricter")
    desk.get_by_role("button", name="Save…").click()
    desk.get_by_label("Why").fill("Redacting is not enough.")
    desk.get_by_label("Type no-secrets-out to save").fill("no-secrets-out")
    desk.get_by_role("button", name="Save", exact=True).click()
    until(lambda: up.ask(f"My key is {aws_key()}, keep it.", ANA).status == 400, "the gateway obeys the new clause")
    desk.goto(f"{up.url}/policy/history")
    expect(desk.get_by_role("main")).to_contain_text("Redacting is not enough.")


def test_a_gateway_that_is_gone_is_said_and_so_is_how_stale_things_are(tmp_path: Path, opened: Contexts) -> None:
    with scene(tmp_path) as up:
        context, _ = opened(up.url)
        page = up.signed_in(context, "boss@example.org", *Role).new_page()
        page.goto(up.url + "/")
        for pid in gateways(up.gateway.process.pid):
            os.kill(pid, signal.SIGSTOP)
        try:
            until(lambda: "does not answer" in page.goto(up.url + "/").text(), "the page says so")
            expect(page.get_by_role("main")).to_contain_text("nothing passes unexamined")
        finally:
            for pid in gateways(up.gateway.process.pid):
                os.kill(pid, signal.SIGCONT)


def gateways(supervisor: int) -> list[int]:
    """The gateway processes below a supervisor."""
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return [int(pid) for pid in children if b"gateway.process" in Path(f"/proc/{pid}/cmdline").read_bytes()]


# ---- Five tasks, three clicks each ----------------------------------------------------------------------------------


COUNT = """addEventListener("click", (event) => {
  if (event.isTrusted) sessionStorage.clicks = 1 + Number(sessionStorage.clicks || 0);
}, true)"""


@pytest.fixture
def overview(up: Scene, desk: Page) -> Iterator[Page]:
    """The first page. At the end, the clicks that were made are counted."""
    held = up.ask(f"Send it to {another_iban(next(NUMBERS))}, please.", MARA)
    assert held.status == 400
    up.seen(held.exchange)
    desk.add_init_script(COUNT)
    desk.goto(up.url + "/")
    yield desk
    assert 1 <= int(desk.evaluate("sessionStorage.clicks")) <= 3


def test_what_needs_me_in_one_click(overview: Page) -> None:
    overview.locator(".needs a.btn").first.click()
    expect(overview.get_by_role("button", name="Approve")).to_be_visible()


def test_why_was_this_held_in_one_click(overview: Page) -> None:
    overview.locator("#latest a", has_text="IBAN").first.click()
    expect(overview.get_by_role("heading", name="How the decision came about")).to_be_visible()
    expect(overview.get_by_role("main")).to_contain_text("second person agrees")


def test_a_mistake_in_three_clicks(overview: Page) -> None:
    overview.locator("#latest a", has_text="IBAN").first.click()
    overview.locator("summary", has_text="Was a mistake").click()
    overview.get_by_role("button", name="It was a mistake").click()
    expect(overview.get_by_role("main")).to_contain_text("a mistake")


def test_a_proof_in_two_clicks_that_holds_elsewhere(up: Scene, overview: Page, tmp_path: Path) -> None:
    overview.locator("#latest a", has_text="IBAN").first.click()
    until(lambda: overview.reload() and overview.get_by_role("link", name="Proof file").count(), "a checkpoint")
    with overview.expect_download() as told:
        overview.get_by_role("link", name="Proof file").click()
    file = tmp_path / "proof.json"
    told.value.save_as(file)
    public = str(up.home.path / "signing.pub")
    command = [sys.executable, "-m", "bartizan", "ledger", "verify", "--proof", str(file), "--key", public]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "the proof holds" in done.stdout


def test_what_a_clause_would_have_done_in_three_clicks(overview: Page) -> None:
    overview.get_by_role("link", name="Policy", exact=True).first.click()
    overview.locator('a[href="/policy/accounts-need-approval"]').first.click()
    overview.get_by_role("button", name="What if").click()
    expect(overview.get_by_role("heading", name="What if")).to_be_visible()
