"""Gateway keys: who may send prompts. Given with a secret that is shown once, ended for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bartizan.core.errors import UsageError
from bartizan.doors.console.answers import Done, Page
from bartizan.doors.console.pages.pauses import shown
from bartizan.doors.console.routes import act, page
from bartizan.events import Filter
from bartizan.home import gateway_keys, pauses
from bartizan.vault.accounts import Role

if TYPE_CHECKING:
    from bartizan.doors.console.asked import Asked
    from bartizan.vault import Key

CSS = ("settings.css",)
MAX_SHOWN = 200
MAX_LOOKED = 100  # keys whose last use is looked up


@dataclass(frozen=True, slots=True)
class Held:
    """A key in the list; `last_us` is 0 where it was not used in the time that is known."""

    key: Key
    last_us: int


@dataclass(frozen=True, slots=True)
class Fresh:
    """A key that was just made."""

    id: str
    name: str
    secret: str


def listed(asked: Asked, fresh: Fresh | None = None) -> Page:
    """All keys, those in force first. Never a secret, but for one that was just made."""
    found = asked.console.home.vault.keys()
    held = [key for key in reversed(found) if key.revoked_us is None]
    ended = [key for key in reversed(found) if key.revoked_us is not None]
    values = {
        "held": [
            Held(key, _last_us(asked, key) if number < MAX_LOOKED else 0) for number, key in enumerate(held[:MAX_SHOWN])
        ],
        "ended": ended[:MAX_SHOWN],
        "hidden": max(0, len(held) - MAX_SHOWN) + max(0, len(ended) - MAX_SHOWN),
        "in_force": len(held),
        "fresh": fresh,
        "paused": shown(asked),
        "analyst": asked.who.may(Role.ANALYST),
        "paused_until": {one.source: one.until_us for one in pauses.active(asked.console.home.state, asked.now_us)},
        "gateway": asked.console.gateway,
        "accounts": {account.person: account.name for account in asked.console.accounts.accounts()},
    }
    value: dict[str, object] = {"schema": "bartizan.keys/1", "keys": [_json(key) for key in found]}
    if fresh is not None:
        value = {"schema": "bartizan.key/1", "id": fresh.id, "name": fresh.name, "secret": fresh.secret}
    return Page("settings_keys.html", values, value=value, css=CSS)


def _last_us(asked: Asked, key: Key) -> int:
    rows = asked.console.index.page(Filter.parse("", asked.now_us).plus("key", key.id), limit=1).rows
    return rows[0].time_us if rows else 0


def _json(key: Key) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "person": key.pseudonym,
        "groups": list(key.groups),
        "app": key.app,
        "created_us": key.created_us,
        "revoked_us": key.revoked_us,
    }


def add(asked: Asked) -> Page:
    """A new key; its secret is on the page that answers, and nowhere else."""
    console = asked.console
    name = asked.text("name", at_most=gateway_keys.MAX_NAME)
    groups = [group for text in asked.many("groups") for group in text.split(",") if group.strip()]
    id_, secret = gateway_keys.add(
        console.home.vault,
        console.record,
        name,
        user=asked.text("user", needed=False, at_most=gateway_keys.MAX_NAME),
        groups=groups,
        app=asked.text("app", needed=False, at_most=gateway_keys.MAX_NAME),
        by=asked.who.person,
    )
    return listed(asked, Fresh(id_, name, secret))


def one(asked: Asked) -> Page:
    """What ending a key would end."""
    key = _key(asked)
    index = asked.console.index
    week = Filter.parse("after:7d", asked.now_us).plus("key", key.id)
    values = {"key": key, "week": index.count(week), "at_most": 10_000, "last_us": _last_us(asked, key)}
    return Page("settings_key.html", values, value={"schema": "bartizan.key/1", **_json(key)}, css=CSS)


def revoke(asked: Asked) -> Done:
    """A key ended."""
    console = asked.console
    gone = gateway_keys.revoke(console.home.vault, console.record, _key(asked).id, by=asked.who.person)
    said = f"The key {gone.name} is ended; gateways refuse it within a second."
    return Done(said, "/settings/keys", {"id": gone.id})


def _key(asked: Asked) -> Key:
    """The key of the path. Raises UsageError."""
    found = next((key for key in asked.console.home.vault.keys() if key.id == asked.path["id"]), None)  # noqa: SIM118
    if found is None:
        raise UsageError("there is no key of this id")
    return found


ROUTES = (
    page("/settings/keys", listed, Role.ADMIN),
    act("/settings/keys", add, Role.ADMIN),
    page("/settings/keys/{id}", one, Role.ADMIN),
    act("/settings/keys/{id}/revoke", revoke, Role.ADMIN),
)
