"""`bartizan up`: starting, running, reloading, ending; and what is written down meanwhile."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running_gateway import RunningGateway, free_port, gateway
from scripted_upstream import ScriptedUpstream, openai_says, silence
from values import aws_key

CHAT = "/v1/chat/completions"


def until(holds: Callable[[], bool], within_s: float = 10) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "did not come true in time"
        time.sleep(0.02)


def prompt(text: str = "Hello", model: str = "m") -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": text}]}


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as one:
        one.on("m", openai_says("Good morning."))
        one.on("silent", silence)
        yield one


@pytest.fixture(scope="module")
def up(upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """One for all tests that leave it as it was: starting costs more than most of what they do."""
    with gateway(tmp_path_factory.mktemp("up") / "home", {"scripted": f"{upstream.url}/v1"}) as one:
        yield one


@pytest.fixture
def own(upstream: ScriptedUpstream, tmp_path: Path) -> Iterator[RunningGateway]:
    with gateway(tmp_path / "home", {"scripted": f"{upstream.url}/v1"}) as one:
        yield one


def test_the_first_start_says_what_to_do_next_and_the_second_keeps_everything(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    with gateway(home, {"scripted": f"{upstream.url}/v1"}) as one:
        until(lambda: "Ctrl-C" in one.log)
        said = one.log
        assert "curl" in said
        assert "demo.key" in said
        assert "policy.yaml" in said
        key = (home / "demo.key").read_text().strip()
        assert key not in said
        assert one.ask("POST", CHAT, prompt(), key=key)[0] == 200
    assert home.stat().st_mode & 0o077 == 0
    assert (home / "demo.key").stat().st_mode & 0o077 == 0
    with gateway(home, {"scripted": f"{upstream.url}/v1"}) as one:
        assert one.ask("POST", CHAT, prompt(), key=key)[0] == 200
        tail = one.run("ledger", "export", "--format", "jsonl").stdout.splitlines()
    exchanges = {json.loads(line).get("exchange") for line in tail}
    assert len(exchanges - {None, ""}) == 2
    assert one.run("ledger", "verify").returncode == 0


def test_a_second_one_on_the_same_home_is_refused_with_the_pid_of_the_first(up: RunningGateway) -> None:
    command = [sys.executable, "-m", "bartizan", "up", "--home", str(up.home), "--gateway", f"127.0.0.1:{free_port()}"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 2
    assert str(up.process.pid) in second.stderr
    assert up.ask("GET", "/healthz")[0] == 200


def test_a_port_in_use_is_said(up: RunningGateway, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bartizan", "up", "--home", str(tmp_path / "other"), "--gateway"]
    environ = os.environ | {"BARTIZAN_METRICS": "off"}
    other = subprocess.run(
        [*command, f"127.0.0.1:{up.port}", "--upstream", "x=http://127.0.0.1:9/v1"],
        capture_output=True, text=True, timeout=30, check=False, env=environ,
    )  # fmt: skip
    assert other.returncode == 2
    assert str(up.port) in other.stderr
    assert "Traceback" not in other.stderr


def test_it_does_not_listen_to_the_world_without_tls(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bartizan", "up", "--home", str(tmp_path / "home"), "--gateway", "0.0.0.0:0"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert refused.returncode == 2
    assert "behind_tls" in refused.stderr


def test_two_processes_share_one_port_one_state_and_one_proof(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with gateway(tmp_path / "home", {"scripted": f"{upstream.url}/v1"}, "--workers", "2") as one:
        for _ in range(40):
            assert one.ask("POST", CHAT, prompt())[0] == 200
        until(lambda: len(list(one.home.glob("log-*.sqlite"))) >= 2)
        writers = {
            json.loads(line)["writer"] for line in one.run("ledger", "export", "--format", "jsonl").stdout.splitlines()
        }
    assert len(writers) >= 2
    assert one.run("ledger", "verify").returncode == 0


def test_a_gateway_process_that_dies_is_replaced(own: RunningGateway) -> None:
    children = Path(f"/proc/{own.process.pid}/task/{own.process.pid}/children").read_text().split()
    for child in children:
        if b"gateway" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(int(child), signal.SIGKILL)
    time.sleep(0.1)  # So that what answers next is not what was just killed.

    def serves() -> bool:
        try:
            return own.ask("POST", CHAT, prompt())[0] == 200
        except OSError:
            return False

    until(serves, 15)
    assert own.process.poll() is None
    assert own.run("ledger", "verify").returncode == 0


def test_it_ends_what_is_under_way_and_leaves_nothing_behind(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with gateway(tmp_path / "home", {"scripted": f"{upstream.url}/v1"}) as one:
        group = os.getpgid(one.process.pid)
        assert one.ask("POST", CHAT, prompt())[0] == 200
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(35) == 0
    left = [p for p in Path("/proc").iterdir() if p.name.isdigit() and _group(p) == group]
    assert left == []


def _group(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[2])
    except (FileNotFoundError, ProcessLookupError):
        return -1


def test_children_end_when_the_supervisor_is_killed(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with gateway(tmp_path / "home", {"scripted": f"{upstream.url}/v1"}) as one:
        group = os.getpgid(one.process.pid)
        one.process.kill()
        one.process.wait(5)
        until(lambda: not [p for p in Path("/proc").iterdir() if p.name.isdigit() and _group(p) == group])


def test_a_revoked_key_is_refused_within_a_second(up: RunningGateway) -> None:
    added = json.loads(up.run("keys", "add", "short", "--user", "ada@example.org", "--format", "json").stdout)
    assert up.ask("POST", CHAT, prompt(), key=added["secret"])[0] == 200
    up.run("keys", "revoke", added["id"])
    time.sleep(1.0)  # The promise: a second.
    assert up.ask("POST", CHAT, prompt(), key=added["secret"])[0] == 401


def test_a_changed_policy_holds_and_a_broken_one_leaves_the_last_good_one(
    up: RunningGateway, upstream: ScriptedUpstream
) -> None:
    path = up.home / "policy.yaml"
    good = path.read_text()
    secret = prompt(f"My key is {aws_key()}")
    assert up.ask("POST", CHAT, secret)[0] == 200
    path.write_text(re.sub(r"(?m)^(    then: )redact", r"\1block", good))
    until(lambda: up.ask("POST", CHAT, secret)[0] == 400)
    path.write_text("policy: [broken\n")
    until(lambda: "policy.yaml" in up.log and "policy" in up.log)
    time.sleep(1.2)  # Longer than a change takes to be seen.
    assert up.ask("POST", CHAT, secret)[0] == 400
    assert up.ask("POST", CHAT, prompt())[0] == 200
    path.write_text(good)
    until(lambda: up.ask("POST", CHAT, secret)[0] == 200)


def test_without_a_policy_nothing_passes(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    home = tmp_path / "home"
    add = [sys.executable, "-m", "bartizan", "keys", "add", "short", "--user", "ada@example.org", "--format", "json"]
    added = subprocess.run([*add, "--home", str(home)], capture_output=True, timeout=30, check=True)
    (home / "policy.yaml").write_text("policy: [broken\n")
    before = len(upstream.received)
    port = free_port()
    command = [sys.executable, "-m", "bartizan", "up", "--home", str(home), "--gateway", f"127.0.0.1:{port}"]
    command += ["--upstream", f"scripted={upstream.url}/v1", "--metrics", f"127.0.0.1:{free_port()}", "--no-console"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    closed = RunningGateway(home, port, 0, process, tmp_path / "none", json.loads(added.stdout)["secret"])
    try:

        def answered() -> bool:
            if process.poll() is not None:
                return True
            try:
                return closed.ask("POST", CHAT, prompt())[0] == 503
            except OSError:
                return False

        until(answered, 15)
    finally:
        process.terminate()
        _, said = process.communicate(timeout=40)
    assert b"policy.yaml" in said
    assert len(upstream.received) == before


def test_metrics_count_without_content(up: RunningGateway) -> None:
    up.ask("POST", CHAT, prompt(f"My key is {aws_key()}"))

    def counted() -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{up.metrics_port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        assert aws_key() not in text
        return bool(re.search(r"bartizan_\w+\{[^}]*redact[^}]*\} [1-9]", text))

    until(counted)


def test_every_exchange_has_two_records_and_one_line(up: RunningGateway) -> None:
    _, headers, _ = up.ask("POST", CHAT, prompt(f"My key is {aws_key()}"))
    exchange = headers["x-bartizan-decision"]
    records = [json.loads(line) for line in up.run("ledger", "export", "--format", "jsonl").stdout.splitlines()]
    mine = [record for record in records if record.get("exchange") == exchange]
    assert [record["direction"] for record in mine] == ["out", "in"]
    assert any(exchange in line and "decided" in line for line in up.log.splitlines())
    assert aws_key() not in up.log + json.dumps(records)


def test_the_judge_endpoint_judges_and_records(up: RunningGateway) -> None:
    code, _, body = up.ask("POST", "/v1/judge", {"text": f"My key is {aws_key()}"})
    decision = json.loads(body)
    assert code == 200
    assert decision["schema"] == "bartizan.decision/1"
    assert decision["findings"][0]["risk"] == "secret.aws-access-key"
    assert decision["edited"] == {"": "My key is [redacted: aws-access-key]"}
    records = up.run("ledger", "export", "--format", "jsonl").stdout
    assert decision["id"] in records


def test_too_many_at_once_are_told_to_come_back(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    config = (
        f"upstreams:\n  s: {{url: '{upstream.url}/v1', protocol: openai}}\n"
        "limits: {in_flight_per_key: 2, drain_s: 1}\n"
    )
    with gateway(tmp_path / "home", {}, config=config) as one:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(2) as background:
            before = len(upstream.of("silent"))
            waiting = [background.submit(one.ask, "POST", CHAT, prompt(model="silent")) for _ in range(2)]
            until(lambda: len(upstream.of("silent")) == before + 2)
            code, headers, _ = one.ask("POST", CHAT, prompt())
            assert code == 429
            assert int(headers["retry-after"]) > 0
            one.process.terminate()
            for each in waiting:
                assert each.exception(40) is not None or each.result()[0] >= 500


@pytest.mark.model
def test_a_person_without_an_account_can_ask_the_local_model(tmp_path: Path) -> None:
    import openai

    with gateway(tmp_path / "home", {}) as one:
        until(lambda: bool(json.loads(one.ask("GET", "/v1/models")[2]).get("data")), 30)
        key = (one.home / "demo.key").read_text().strip()
        with openai.OpenAI(base_url=f"{one.url}/v1", api_key=key, max_retries=5, timeout=60) as client:
            model = next(iter(client.models.list())).id
            answer = client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": f"Say hello. My key is {aws_key()}"}], max_tokens=24
            )
            assert answer.choices[0].message.content
            assert "/" not in answer.model
            with pytest.raises(openai.NotFoundError, match=model):
                client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hello"}])
            events = client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": "Name one colour."}], max_tokens=12, stream=True
            )
            assert "".join(e.choices[0].delta.content or "" for e in events if e.choices)
    assert "models--" not in one.log
