"""What another policy would have done is told from the newest decisions on, as far as there is time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bartizan.core.subject import Context, Kind, Subject
from bartizan.home import Home
from bartizan.home.past import AT_ONCE, newest, what_if
from bartizan.home.recording import Recorder
from bartizan.policy.clause import Mode
from bartizan.policy.diff import Sort
from bartizan.policy.edit import with_mode
from bartizan.policy.model import Policy
from bartizan.policy.read import read

NOW_US = 4_000_000_000_000_000
DAYS = 36_500


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two logs; in each, mails' addresses (which the default policy observes) and texts with nothing in them."""
    path = tmp_path_factory.mktemp("past") / "home"
    with Home.open(path, environ={}):
        pass
    with Recorder(path, "scan") as one, Recorder(path, "scan") as two:
        last = 0
        for n in range(AT_ONCE + 20):
            recorder = two if n % 7 == 0 else one
            text = "write to maria@kanzlei-huber.at" if n % 20 == 0 else "hello"
            subject = recorder.now(Subject(Kind.TEXT, "", text, context=Context(person="mara")))
            last = recorder.record(subject, recorder.loop.judge(subject), f"x{n}", b"", recorder.loop.policy)
            if recorder is two:
                two.wait(last)
        one.wait(last)
    return path


@pytest.fixture
def home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    for name in [name for name in os.environ if name.startswith("BARTIZAN_")]:
        monkeypatch.delenv(name)
    with Home.open(folder, environ={}) as home:
        yield home


def enforced(home: Home) -> Policy:
    return read(with_mode(home.config.policy_path.read_text(), "watch-personal-data", Mode.ENFORCE))


def test_all_of_it(home: Home) -> None:
    told = what_if(home, home.policy(), enforced(home), NOW_US, days=DAYS)
    effect = told.effect
    assert (effect.decided, told.cut) == (AT_ONCE + 20, "")
    assert (effect.stricter, effect.looser, effect.edited, effect.unknown) == (0, 0, 26, 0)
    assert len(effect.ids) == 20 and {one.sort for one in effect.differing} == {Sort.CHANGED}
    assert not effect.differing[0].was.edits and effect.differing[0].now.edits


def test_the_newest_when_there_are_too_many(home: Home) -> None:
    told = what_if(home, home.policy(), enforced(home), NOW_US, days=DAYS, at_most=100)
    assert (told.effect.decided, told.cut) == (100, "the newest 100 decisions")
    assert told.since_us > NOW_US - DAYS * 86_400_000_000
    told = what_if(home, home.policy(), enforced(home), NOW_US, days=DAYS, within_s=-1)
    assert told.effect.decided == 0 and told.cut == "the newest 0 decisions, after -1 seconds"


def test_nothing_that_is_too_old(home: Home) -> None:
    assert what_if(home, home.policy(), enforced(home), NOW_US, days=1).effect.decided == 0


def test_logs_are_read_together_from_their_ends(home: Home) -> None:
    times = [record["time_us"] for record in newest(home.path, 0)]
    assert times == sorted(times, reverse=True)
    exchanges = [record["exchange"] for record in newest(home.path, 0) if record.get("side") == "subject"]
    assert len(set(exchanges)) == len(exchanges) == AT_ONCE + 20


def test_clauses_that_nobody_could_have_answered_are_named(home: Home) -> None:
    text = home.config.policy_path.read_text()
    other = "\n  - {id: new, says: x, when: {risk: made.up}, then: block}\n\n  - id: unread-parts"
    told = what_if(home, home.policy(), read(text.replace("\n  - id: unread-parts", other)), NOW_US, days=DAYS)
    assert told.effect.unanswerable == (("new", AT_ONCE + 20),)
