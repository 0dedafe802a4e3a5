"""`bartizan config`: what is in force, and whether it holds."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from bartizan.config import Config, load, options
from bartizan.config.show import rows
from bartizan.core.errors import ConfigError, Problem
from bartizan.home import keys, monitors
from bartizan.report.table import show as table

SHOW_EXAMPLES = """\b
Examples:
  bartizan config show
  bartizan config show --format json
  BARTIZAN_LIMITS__BODY_BYTES=1MiB bartizan config show
"""
CHECK_EXAMPLES = """\b
Examples:
  bartizan config check
  bartizan config check --config /etc/bartizan/bartizan.yaml

\b
Exit codes:
  0 it holds   1 it does not
"""


@click.group(epilog="\b\nExamples:\n  bartizan config show\n  bartizan config check\n")
def config() -> None:
    """Show and check the configuration."""


@config.command(epilog=SHOW_EXAMPLES)
@options.home
@options.config
@options.format_
def show(home: Path | None, config_file: Path | None, format_: str) -> None:
    """Print every setting in force and where its value came from."""
    settings = options.settings(home, config_file)
    if format_ == "json":
        found = [{"name": name, "value": value, "from": source} for name, value, source in rows(settings)]
        file = str(settings.file) if settings.file else None
        click.echo(json.dumps({"schema": "bartizan.config/1", "file": file, "settings": found}, indent=2))
        return
    click.echo(table(("setting", "value", "from"), ((n, _said(v), s) for n, v, s in rows(settings))), nl=False)
    click.echo(f"file: {settings.file or 'none; defaults, environment and flags alone'}", err=True)


@config.command(epilog=CHECK_EXAMPLES)
@options.home
@options.config
@options.format_
def check(home: Path | None, config_file: Path | None, format_: str) -> int:
    """Say everything that is wrong, without starting anything."""
    problems: list[Problem] = []
    settings: Config | None = None
    try:
        settings = load(config_file, os.environ, {"home": home})
    except ConfigError as error:
        where = str(config_file or "configuration")
        problems += error.problems or (Problem(where, 0, 0, str(error).removeprefix(f"{where}: ")),)
    if settings is not None:
        problems += files_at_fault(settings)
    if format_ == "json":
        told = [
            {"file": p.file, "line": p.line, "column": p.column, "what": p.what, "hint": p.hint}
            for p in sorted(problems)
        ]
        click.echo(json.dumps({"schema": "bartizan.config-check/1", "ok": not problems, "problems": told}, indent=2))
    else:
        for problem in sorted(problems):
            click.echo(str(problem))
        if settings is not None and not problems:
            click.echo(f"ok: {settings.file or 'no file; defaults, environment and flags'}")
            for name in monitors.unwatched(settings):
                click.echo(f"note: upstreams.{name} has no monitors: who copies its models is not found", err=True)
    return 1 if problems else 0


def files_at_fault(settings: Config) -> list[Problem]:
    """What the settings name and is not there, or is open to others: keys and certificates."""
    found: list[Problem] = []

    def fault(name: str, what: str) -> None:
        where, _, hint = what.partition("\n")
        found.append(Problem(settings.sources.get(name, "configuration"), 0, 0, f"{name}: {where}", hint.strip()))

    for name, upstream in settings.upstreams.items():
        try:
            keys.upstream_key(upstream, os.environ)
        except ConfigError as error:
            fault(f"upstreams.{name}.{'key_file' if upstream.key_file else 'key_env'}", str(error))
        for model, path in upstream.monitors.items():
            try:
                monitors.profile(path)
            except ConfigError as error:
                fault(f"upstreams.{name}.monitors.{model}", str(error))
    for name, webhook in settings.notify.webhooks.items():
        try:
            keys.webhook_url(webhook, os.environ)
        except ConfigError as error:
            fault(f"notify.webhooks.{name}.{'url_file' if webhook.url_file else 'url_env'}", str(error))
    try:
        keys.mail_password(settings.notify.mail, os.environ)
    except ConfigError as error:
        fault(f"notify.mail.password_{'file' if settings.notify.mail.password_file else 'env'}", str(error))
    try:
        keys.bootstrap_key(os.environ)
    except ConfigError as error:
        fault("BARTIZAN_BOOTSTRAP_KEY", str(error))
    for name in ("master_key_file", "signing_key_file"):
        path = getattr(settings, name)
        if path is not None:
            try:
                keys.read_secret(path, name)
            except ConfigError as error:
                fault(name, str(error))
    if settings.tls_cert and settings.tls_key:
        import ssl

        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_cert, settings.tls_key)
        except (OSError, ssl.SSLError) as error:
            fault("tls_cert", f"certificate and key cannot be used: {error.strerror or type(error).__name__}")
    if settings.policy and not settings.policy.is_file():
        fault("policy", f"{settings.policy}: there is no such file")
    return found


def _said(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return f"{value:g}" if isinstance(value, float) else str(value)
