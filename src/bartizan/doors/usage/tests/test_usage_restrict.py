"""From a decision to a list, and from a log back to whether the list holds."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bartizan.doors.usage.restrict import restrict
from bartizan.doors.usage.verify import verify
from bartizan.home import Home
from bartizan.home.register import exceptions, register
from bartizan.inventory.exceptions import Who
from bartizan.inventory.system import Status

DAY_US = 86_400_000_000


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home in which DeepSeek is blocked, ChatGPT restricted, and the API of OpenAI approved."""
    path = tmp_path / "home"
    now = time.time_ns() // 1000
    with Home.open(path) as opened:
        kept = register(opened)
        for id_, status in (
            ("deepseek", Status.BLOCKED),
            ("chatgpt", Status.RESTRICTED),
            ("openai-api", Status.APPROVED),
        ):
            if id_ not in {one.id for one in kept.systems()}:
                kept.add(id_, by="ciso@example.org", now_us=now)
            kept.decide(id_, status, by="ciso@example.org", why="no contract", now_us=now)
    return path


def run(command: object, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(one) for one in arguments], standalone_mode=False)  # type: ignore[arg-type]


def exported(home: Path, *more: object) -> Result:
    done = run(restrict, "export", *more, "--home", home)
    assert done.exception is None, done.exception
    return done


def test_a_decision_becomes_a_list(home: Path) -> None:
    zone = exported(home, "rpz", "--coach", "ai.example.org").stdout
    assert "chat.deepseek.com IN CNAME ai.example.org." in zone or "deepseek.com IN CNAME ai.example.org." in zone
    assert "\nchatgpt.com IN CNAME ai.example.org.\n" in zone and "claude.ai" not in zone
    assert "\napi.openai.com IN CNAME ai.example.org." not in zone


def test_an_exception_for_everybody_ends_by_itself_and_one_for_somebody_is_said(home: Path) -> None:
    now = time.time_ns() // 1000
    with Home.open(home) as opened:
        kept = exceptions(opened)
        one = kept.ask("deepseek", Who.EVERYONE, "", now + DAY_US, "an exercise", "mara", now)
        kept.approve(one.id, "ciso@example.org", now)
        two = kept.ask("chatgpt", Who.PERSON, "jonas", now + DAY_US, "a pilot", "jonas", now)
        kept.approve(two.id, "ciso@example.org", now)
        person = opened.vault.pseudonym("jonas")
    done = exported(home, "squid")
    assert "deepseek" not in done.stdout and ".chatgpt.com" in done.stdout
    assert f"an exception for {person}" in done.stderr and "stopped for them, too" in done.stderr
    assert "--client WHO=ADDRESS" in done.stderr
    done = exported(home, "squid", "--client", "jonas=10.1.2.3")
    assert "src 10.1.2.3/32" in done.stdout and "cannot be said here" not in done.stderr


def test_all_lists_are_written_and_again_only_when_they_change(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "lists"
    first = exported(home, "--all", "--dir", folder)
    files = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(files) == 16 and "bartizan-rpz.rpz" in files and first.stderr.count(" services") == 16
    exported(home, "--all", "--dir", folder)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == files


@pytest.mark.parametrize(
    "wrong",
    [("nothing",), (), ("rpz", "--all"), ("--all",), ("rpz", "--coach", "a b"), ("pac", "--gateway", "x"),
     ("squid", "--client", "jonas"), ("squid", "--client", "jonas=x; y")],
)  # fmt: skip
def test_a_mistake_is_told(home: Path, wrong: tuple[str, ...]) -> None:
    done = run(restrict, "export", *wrong, "--home", home)
    assert done.exception is not None and done.stdout == ""


def test_a_preview_says_what_would_stop(home: Path) -> None:
    made = json.loads(
        run(restrict, "preview", "chatgpt.com", "www.bbc.co.uk", "--home", home, "--format", "json").stdout
    )
    assert [(row["host"], row["blocked"]) for row in made["hosts"]] == [("chatgpt.com", True), ("www.bbc.co.uk", False)]
    assert {row["id"] for row in made["services"]} == {"deepseek", "chatgpt"}
    assert "restricted" in run(restrict, "preview", "--home", home).stdout


def test_logs_say_whether_it_holds(home: Path, tmp_path: Path) -> None:
    at = int(time.time()) + 60
    log = tmp_path / "access.log"
    rows = [
        f"{at}.000 12 10.0.0.5 TCP_DENIED/403 3900 CONNECT chatgpt.com:443 mara HIER_NONE/- text/html",
        f"{at}.100 12 10.0.0.6 TCP_TUNNEL/200 3900 CONNECT www.bbc.co.uk:443 ines HIER_DIRECT/203.0.113.7 -",
    ] * 3
    log.write_text("\n".join(rows) + "\n")
    done = run(verify, log, "--home", home, "--format", "json")
    made = json.loads(done.stdout)
    assert (done.return_value, made["holds"], made["stopped"], made["unseen"]) == (
        0,
        True,
        {"chatgpt": 3},
        ["deepseek"],
    )
    through = f"{at}.200 90 10.0.0.7 TCP_TUNNEL/200 99000 CONNECT chat.deepseek.com:443 jonas HIER_DIRECT/203.0.113.7 -"
    around = f"{at}.300 90 10.0.0.7 TCP_TUNNEL/200 99000 CONNECT dns.google:443 jonas HIER_DIRECT/203.0.113.7 -"
    log.write_text("\n".join([*rows, through, around]) + "\n")
    done = run(verify, log, "--home", home, "--format", "json")
    (row,) = json.loads(done.stdout)["through"]
    assert done.return_value == 1
    assert (row["system"], row["actor"], row["ways"]) == ("deepseek", "jonas", ["list", "resolver"])
    told = run(verify, log, "--home", home).stdout
    assert "jonas" in told and "DNS over HTTPS" in told and "denied: " in told


def test_an_application_without_a_host_is_known_by_its_name_too(home: Path, tmp_path: Path) -> None:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
    log = tmp_path / "sign-ins.json"
    names = ("OpenAI ChatGPT", "ChatGPT Enterprise", "Payroll", "Chatter")
    rows = [
        {
            "createdDateTime": at,
            "userPrincipalName": "mara@corp.example",
            "appDisplayName": name,
            "ipAddress": "10.0.0.5",
        }
        for name in names
    ]
    log.write_text(json.dumps({"value": rows}))
    (row,) = json.loads(run(verify, log, "--home", home, "--format", "json").stdout)["through"]
    assert (row["system"], row["actor"], row["evidence"], row["visits"]) == (
        "chatgpt", "mara@corp.example", "authenticated", 2,
    )  # fmt: skip
