"""What waits for somebody in the use of AI: decisions, exceptions that were asked for, and names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bartizan.doors.console import use_words
from bartizan.doors.console.needs import Need
from bartizan.doors.console.render import lasting, plural
from bartizan.home.register import exceptions, names, register
from bartizan.readers.logs.usage import Sort
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked
    from bartizan.inventory.exceptions import UseException
    from bartizan.inventory.system import System

EACH = 2  # Systems, or exceptions, that are named one by one; more are one line.
ICON = "speech"


def use_needs(asked: Asked, *, most: int = EACH) -> list[Need]:
    """All of them, decisions first. Raises StoreError.

    Args:
        most: Systems that are named one by one.
    """
    return [*_decisions(asked, most), *_exceptions(asked), *_names(asked)]


def _decisions(asked: Asked, most: int) -> Iterator[Need]:
    own = register(asked.console.home)
    # What the register itself says is enough here: counting use is for the page that shows it.
    found = own.waits(asked.now_us, limit=most + 1, told={})
    count = own.waiting(asked.now_us, use_words.SERVICES)
    named = [one for one in found if use_words.service(one)][: most if count <= most else max(1, most - 1)]
    for one in named:
        yield Need(
            Role.AUTHOR,
            _asks(one),
            _since(one, asked.now_us),
            "Decide",
            use_words.address(one.id),
            icon=ICON,
            word="AI use",
            lead=one.title,
        )
    if rest := count - len(named):
        more = "more " if named else ""
        what = f"{plural(rest, f'{more}AI service')} {'waits' if rest == 1 else 'wait'} for a decision"
        yield Need(Role.AUTHOR, what, "", "Look", "/use?show=waiting#services", icon=ICON, word="AI use")
    if hosts := own.waiting(asked.now_us, (Sort.CANDIDATE, Sort.LOOK_ALIKE)):
        what = f"{plural(hosts, 'host')} {'looks' if hosts == 1 else 'look'} like AI, and nobody judged "
        what += "it" if hosts == 1 else "them"
        yield Need(Role.AUTHOR, what, "", "Look", "/use#hosts", icon=ICON, word="AI use")


def _asks(one: System) -> str:
    if one.waits_us is None:
        return f"is {one.status.word}, and its day of review has come"
    return "is used, and nobody decided on it"


def _since(one: System, now_us: int) -> str:
    if one.waits_us is None:
        return f"since {use_words.day(one.review_day)}"
    return f"waits {lasting(now_us - one.waits_us)}"


def _exceptions(asked: Asked) -> Iterator[Need]:
    home = asked.console.home
    found = exceptions(home).waiting(asked.now_us)
    own = register(home)
    titles = {one.system: own.system(one.system, told={}).title for one in found[:EACH]}
    for one in found[:EACH]:
        yield Need(
            Role.AUTHOR,
            f"{_whom(one)} asks to use {titles[one.system]} nevertheless",
            f"waits {lasting(asked.now_us - one.asked_us)}",
            "Decide",
            f"{use_words.address(one.system)}#exceptions",
            icon=ICON,
            word="Exception",
        )
    if rest := max(0, len(found) - EACH):
        what = f"{plural(rest, 'more exception')} {'is' if rest == 1 else 'are'} asked for"
        yield Need(Role.AUTHOR, what, "", "Look", "/use/restriction#exceptions", icon=ICON, word="Exception")


def _whom(one: UseException) -> str:
    """Whom an exception is for, as the beginning of a sentence."""
    return {"person": one.who, "group": f"The group {one.who}"}.get(one.who_kind.value, "Somebody, for everyone,")


def _names(asked: Asked) -> Iterator[Need]:
    found = names(asked.console.home).waiting(asked.now_us)
    others = [one for one in found if one.asked_by != asked.who.person]
    if not others:
        return
    what = f"{plural(len(others), 'name')} of people {'is' if len(others) == 1 else 'are'} asked for"
    when = f"waits {lasting(asked.now_us - others[0].asked_us)}"
    yield Need(Role.PRIVACY, what, when, "Look", "/use/names", icon="eye", word="Names")
