"""While `bartizan up` runs, the register follows the ledger and exceptions end, without any command."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from running_gateway import RunningGateway, gateway
from scripted_upstream import ScriptedUpstream, openai_says

from bartizan.config import load
from bartizan.home import Home
from bartizan.home.register import exceptions, register
from bartizan.inventory.exceptions import Who
from bartizan.inventory.feeding import SourceKind, SourceRead, feed
from bartizan.readers.logs.usage import Reached, Sort, Usage
from bartizan.readers.logs.visit import DAY_US, Evidence

LOG = SourceRead(SourceKind.LOGS, "squid", b"of long ago" * 500)


def until(holds: Callable[[], bool], one: RunningGateway) -> None:
    end = time.monotonic() + 40
    while not holds():
        assert time.monotonic() < end, one.log
        time.sleep(0.05)


def test_the_register_follows_the_ledger_and_what_is_over_ends_by_itself(tmp_path: Path) -> None:
    path, now_us = tmp_path / "home", time.time_ns() // 1000
    path.mkdir(mode=0o700)
    with Home.open(config=load(environ={}, flags={"home": path}, cwd=tmp_path)) as home:
        own = register(home)
        for system, day in (("old-chat", 11_000), ("new-chat", now_us // DAY_US)):
            earlier = Usage("ada", Reached(system, Sort.OWN, system), day, Evidence.PROMPT, 1, 0, 1)
            feed(own, [earlier], LOG, now_us)
        asked = exceptions(home).ask("new-chat", Who.EVERYONE, "", now_us + 2_000_000, "A trial.", "ada", now_us)
        exceptions(home).approve(asked.id, "ciso", now_us)
        (path / "catalogue.toml").write_text("what is this")

        def state() -> str:
            """As it is kept: what is read of one behind its time is "ended" at once."""
            return str(home.state.query("SELECT state FROM use_exception WHERE id = ?", (asked.id,))[0][0])

        def used() -> set[str]:
            return {one.id for one in register(home).systems() if one.seen.count}

        assert (state(), used()) == ("granted", {"old-chat", "new-chat"})
        with ScriptedUpstream() as upstream, gateway(path, {"scripted": f"{upstream.url}/v1"}) as one:
            upstream.on("m", openai_says("Good morning."))
            # Retention needs no traffic, and nothing but the log of a proxy was read here.
            until(lambda: used() == {"new-chat"}, one)
            body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
            assert one.ask("POST", "/v1/chat/completions", body)[0] == 200
            until(lambda: "register-behind why=InputError" in one.log, one)
            assert state() == "ended"
            (path / "catalogue.toml").unlink()
            until(lambda: used() == {"new-chat", "scripted"}, one)
