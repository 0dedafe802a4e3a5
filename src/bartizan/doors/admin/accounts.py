"""`bartizan accounts`: who may sign in to the console, and what they may do there."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bartizan.config import options
from bartizan.home import Home
from bartizan.report.table import show as table
from bartizan.vault.accounts import LINK_MINUTES, MAX_DAYS, MAX_LINK_MINUTES, Role

if TYPE_CHECKING:
    from bartizan.vault.accounts import Account
    from bartizan.vault.credentials import Credential

EXAMPLES = """\b
Examples:
  bartizan accounts add alice@example.org --role analyst
  bartizan accounts link alice@example.org
  bartizan accounts list
"""
ADD_EXAMPLES = """\b
Examples:
  bartizan accounts add alice@example.org --role analyst --role author
  bartizan accounts add bob@example.org
"""
LIST_EXAMPLES = """\b
Examples:
  bartizan accounts list
  bartizan accounts list --tokens --format json
"""
CHANGE_EXAMPLES = """\b
Examples:
  bartizan accounts change alice@example.org --role analyst --role admin
  bartizan accounts change alice@example.org --no-role
"""
LINK_EXAMPLES = """\b
Examples:
  bartizan accounts link alice@example.org
  bartizan accounts link alice@example.org --minutes 60
"""
DISABLE_EXAMPLES = """\b
Examples:
  bartizan accounts disable alice@example.org
"""
ENABLE_EXAMPLES = """\b
Examples:
  bartizan accounts enable alice@example.org
"""
HIDDEN_EXAMPLES = """\b
Examples:
  bartizan accounts password alice@example.org
  openssl rand -base64 18 | tee alice.password | bartizan accounts password alice@example.org --stdin
"""
PROGRAM_EXAMPLES = """\b
Examples:
  bartizan accounts token alice@example.org --for dashboard --days 30
"""
END_EXAMPLES = """\b
Examples:
  bartizan accounts end-token a-5f0c9a1e77d2b340
"""
ROLES = tuple(role.value for role in Role)
MAX_STDIN = 8192  # Characters read; how long a password may be is not decided here.

name_argument = click.argument("name")
roles_option = click.option(
    "--role", "roles", multiple=True, type=click.Choice(ROLES), help="What they may do; repeatable."
)


@click.group(epilog=EXAMPLES)
def accounts() -> None:
    """Say who may sign in to the console.

    viewer looks at everything but sealed texts and names; analyst opens texts and decides cases; author changes the
    policy; privacy opens names, forgets and exports; admin has settings, accounts and keys. Somebody without a role
    sees their own cases. All of this is recorded.
    """


@accounts.command("list", epilog=LIST_EXAMPLES)
@click.option("--tokens", is_flag=True, help="The API tokens in force instead.")
@options.home
@options.format_
def list_(tokens: bool, home: Path | None, format_: str) -> None:
    """Show all accounts, also disabled ones. Never a secret."""
    with Home.open(home, create=False) as opened:
        found = opened.accounts.accounts()
        held = opened.accounts.tokens() if tokens else ()
    names = {account.person: account.name for account in found}
    if tokens:
        _list_tokens(held, names, format_)
        return
    if format_ == "json":
        click.echo(
            json.dumps({"schema": "bartizan.accounts/1", "accounts": [one.as_json() for one in found]}, indent=2)
        )
        return
    rows = (
        (
            account.name,
            ", ".join(_words(account.roles)) or "-",
            "yes" if account.has_password else "no",
            _time(account.created_us),
            _time(account.disabled_us),
        )
        for account in found
    )
    click.echo(table(("name", "roles", "password", "created", "disabled"), rows), nl=False)


@accounts.command(epilog=ADD_EXAMPLES)
@name_argument
@roles_option
@options.home
@options.format_
def add(name: str, roles: tuple[str, ...], home: Path | None, format_: str) -> None:
    """Make an account. NAME is the person as keys and policy name them.

    It has no password: `link` makes the first way in. Without --role it sees its person's own cases.
    """
    with Home.open(home) as opened:
        added = opened.accounts.add(name, map(Role, roles), by="")
    _told(added, f"added; bartizan accounts link {added.name} lets them in", format_)


@accounts.command(epilog=CHANGE_EXAMPLES)
@name_argument
@roles_option
@click.option("--no-role", is_flag=True, help="Take all roles away.")
@options.home
@options.format_
def change(name: str, roles: tuple[str, ...], no_role: bool, home: Path | None, format_: str) -> None:
    """Give an account these roles and no others."""
    if bool(roles) == no_role:
        raise click.UsageError("say the roles that count from now on with --role, or --no-role")
    with Home.open(home, create=False) as opened:
        account = opened.accounts.named(name)
        changed = opened.accounts.change(account.person, map(Role, roles), by="")
    _told(changed, f"{', '.join(_words(changed.roles)) or 'no role'} from now on", format_)


@accounts.command(epilog=LINK_EXAMPLES)
@name_argument
@click.option(
    "--minutes",
    type=click.IntRange(1, MAX_LINK_MINUTES),
    default=LINK_MINUTES,
    show_default=True,
    help="How long it can be used.",
)
@options.home
@options.format_
def link(name: str, minutes: int, home: Path | None, format_: str) -> None:
    """Print a link that signs somebody in, once."""
    with Home.open(home, create=False) as opened:
        token = opened.accounts.link(opened.accounts.named(name).person, by="", minutes=minutes)
        url = f"{opened.config.console_base}/sign-in/{token}"
    if format_ == "json":
        click.echo(json.dumps({"schema": "bartizan.link/1", "link": url, "minutes": minutes}, indent=2))
        return
    click.echo(url)
    click.echo(f"signs in once, within {minutes} minutes; give it to nobody else", err=True)


@accounts.command(epilog=DISABLE_EXAMPLES)
@name_argument
@options.home
@options.format_
def disable(name: str, home: Path | None, format_: str) -> None:
    """Let nobody in by this account any more. Its sessions, links and tokens end at once."""
    with Home.open(home, create=False) as opened:
        done = opened.accounts.disable(opened.accounts.named(name).person, by="")
    _told(done, "disabled; its sessions, links and tokens have ended", format_)


@accounts.command(epilog=ENABLE_EXAMPLES)
@name_argument
@options.home
@options.format_
def enable(name: str, home: Path | None, format_: str) -> None:
    """Let a disabled account in again, with the roles and the password it had."""
    with Home.open(home, create=False) as opened:
        done = opened.accounts.enable(opened.accounts.named(name).person, by="")
    _told(done, "enabled; its old sessions and tokens stay ended", format_)


@accounts.command(epilog=HIDDEN_EXAMPLES)
@name_argument
@click.option("--stdin", is_flag=True, help="Read it from standard input instead of asking.")
@options.home
def password(name: str, stdin: bool, home: Path | None) -> None:
    """Set a password. Every session of that account ends.

    At least 12 characters, no other rules; it never stands on a command line, where others could read it.
    """
    with Home.open(home, create=False) as opened:
        account = opened.accounts.named(name)
        if stdin:
            typed = sys.stdin.read(MAX_STDIN).rstrip("\r\n")
        else:
            typed = click.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True, type=str)
        opened.accounts.set_password(account.person, typed, by="")
    click.echo(f"{account.name}: password set; sessions ended", err=True)


@accounts.command(epilog=PROGRAM_EXAMPLES)
@name_argument
@click.option("--for", "purpose", required=True, metavar="WHAT", help="What uses it, as in: dashboard.")
@click.option("--days", type=click.IntRange(1, MAX_DAYS), default=90, show_default=True, help="How long it holds.")
@options.home
@options.format_
def token(name: str, purpose: str, days: int, home: Path | None, format_: str) -> None:
    """Make a token for a program and print it, once: it is kept nowhere.

    The program may do through /api/1 what the account may do.
    """
    with Home.open(home, create=False) as opened:
        account = opened.accounts.named(name)
        id_, secret = opened.accounts.add_token(account.person, purpose, days, by="")
    if format_ == "json":
        click.echo(json.dumps({"schema": "bartizan.token/1", "id": id_, "secret": secret, "days": days}, indent=2))
        return
    click.echo(secret)
    click.echo(f"token {id_} of {account.name}, for {days} days; it is not shown again", err=True)


@accounts.command("end-token", epilog=END_EXAMPLES)
@click.argument("id_", metavar="ID")
@options.home
def end_token(id_: str, home: Path | None) -> None:
    """End a token at once. `accounts list --tokens` shows the ids."""
    with Home.open(home, create=False) as opened:
        ended = opened.accounts.end_token(id_, by="")
    click.echo(f"ended {ended.id} ({ended.name})", err=True)


# ---- Small parts ----------------------------------------------------------------------------------------------------


def _list_tokens(held: Iterable[Credential], names: dict[str, str], format_: str) -> None:
    if format_ == "json":
        told = [
            {
                "id": one.id,
                "account": names.get(one.person, one.person),
                "for": one.name,
                "created": _time(one.created_us),
                "seen": _time(one.seen_us) if one.seen_us > one.created_us else None,
                "until": _time(one.until_us),
            }
            for one in held
        ]
        click.echo(json.dumps({"schema": "bartizan.tokens/1", "tokens": told}, indent=2))
        return
    rows = (
        (
            one.id,
            names.get(one.person, one.person),
            one.name,
            _time(one.created_us),
            _time(one.seen_us) if one.seen_us > one.created_us else "never",
            _time(one.until_us),
        )
        for one in held
    )
    click.echo(table(("id", "account", "for", "created", "last seen", "until"), rows), nl=False)


def _told(account: Account, what: str, format_: str) -> None:
    if format_ == "json":
        click.echo(json.dumps({"schema": "bartizan.account/1", **account.as_json()}, indent=2))
    else:
        click.echo(f"{account.name}: {what}", err=True)


def _words(roles: Iterable[Role]) -> list[str]:
    """In the order in which roles are told everywhere."""
    return [role.value for role in Role if role in frozenset(roles)]


def _time(when_us: int | None) -> str:
    if when_us is None:
        return ""
    return datetime.fromtimestamp(when_us / 1e6, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
