"""`bartizan usage ca`: the CA of interception, made, put into this machine's trust store, and taken out again."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
from pathlib import Path

import click

from bartizan.config import options
from bartizan.core.errors import ConfigError, StoreError, UsageError

DEBIAN = Path("/usr/local/share/ca-certificates")
UPDATE = "update-ca-certificates"
INSTALLED = "bartizan-interception.crt"
EXAMPLES = """\b
Examples:
  bartizan usage ca create
  sudo bartizan usage ca install
  bartizan usage ca show --format json
  sudo bartizan usage ca remove
"""
CREATE_EXAMPLES = """\b
Examples:
  bartizan usage ca create
  bartizan usage ca create --config /etc/bartizan/bartizan.yaml
"""
INSTALL_EXAMPLES = """\b
Examples:
  sudo bartizan usage ca install --home /var/lib/bartizan
  sudo "$(command -v bartizan)" usage ca install  # out of a virtual environment
"""
REMOVE_EXAMPLES = """\b
Examples:
  sudo bartizan usage ca remove --home /var/lib/bartizan
"""
SHOW_EXAMPLES = """\b
Examples:
  bartizan usage ca show
  bartizan usage ca show --format json
"""
WARNING = (
    "Whoever has this CA's key can read what machines that trust it say to these hosts, and to no others. Those whose\n"
    "requests are opened should know it; so may a works council have to. Bartizan opens tunnels to these hosts only."
)
OTHERS = """\
Programs with trust stores of their own:
  Python (requests, httpx, the openai and anthropic clients)   export SSL_CERT_FILE={bundle}
                                                               export REQUESTS_CA_BUNDLE={bundle}
  Node.js                                                      export NODE_EXTRA_CA_CERTS={cert}
  Chromium, Firefox (NSS)    certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n bartizan-interception -i {cert}
  Java                       keytool -importcert -cacerts -alias bartizan-interception -file {cert}
SSL_CERT_FILE and REQUESTS_CA_BUNDLE replace all other CAs: {bundle} has the system's, too, once it is installed."""


@click.group(epilog=EXAMPLES)
def ca() -> None:
    """Make, install and remove the CA that opens tunnels to the hosts in `forward.intercept`."""


@ca.command(epilog=CREATE_EXAMPLES)
@options.home
@options.config
def create(home: Path | None, config_file: Path | None) -> None:
    """Make a CA that is good for the hosts in `forward.intercept` and for nothing else."""
    from bartizan.home import authority

    config = options.settings(home, config_file)
    hosts = config.forward.intercept
    if not hosts:
        raise ConfigError(
            "forward.intercept: names no host to make a CA for; in bartizan.yaml:\n"
            "  forward: {intercept: [api.openai.com]}"
        )
    if (config.home / authority.CERTIFICATE).exists() or (config.home / authority.KEY).exists():
        raise UsageError(
            f"{config.home / authority.CERTIFICATE}: there is a CA already\n  bartizan usage ca remove takes it away"
        )
    config.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = authority.create(config.home, hosts, datetime.datetime.now(datetime.UTC))
    click.echo(f"{path}: a CA for {', '.join(hosts)}")
    click.echo(
        f"\n{WARNING}\n\nOn each machine whose requests are to be opened:\n  sudo bartizan usage ca install", err=True
    )


@ca.command(epilog=INSTALL_EXAMPLES)
@options.home
@options.config
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), default=DEBIAN, hidden=True)
def install(home: Path | None, config_file: Path | None, folder: Path) -> None:
    """Put the CA into this machine's trust store (Debian, Ubuntu), and say what other programs need."""
    cert = _certificate(options.settings(home, config_file).home)
    click.echo(f"{WARNING}\n", err=True)
    try:
        shutil.copyfile(cert, folder / INSTALLED)
        (folder / INSTALLED).chmod(0o644)
    except OSError as error:
        raise UsageError(
            f"{folder / INSTALLED}: {error.strerror}\n"
            "  Run it as root; a system without such a folder is none of Debian's kind: see the list.\n\n"
            + _others(cert)
        ) from None
    _updated()
    click.echo(f"{folder / INSTALLED}: installed\n")
    click.echo(_others(cert), err=True)


@ca.command(epilog=REMOVE_EXAMPLES)
@options.home
@options.config
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), default=DEBIAN, hidden=True)
def remove(home: Path | None, config_file: Path | None, folder: Path) -> None:
    """Take the CA out of this machine's trust store, and delete it with its key."""
    from bartizan.home import authority

    base = options.settings(home, config_file).home
    paths = [folder / INSTALLED, base / authority.KEY, base / authority.CERTIFICATE]
    found = [path for path in paths if path.exists()]
    for path in found:
        try:
            path.unlink()
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}\n  Run it as root.") from None
        click.echo(f"{path}: removed")
    if folder / INSTALLED in found:
        _updated("--fresh")
    if not found:
        click.echo("There is no CA, and none is installed.", err=True)
    click.echo("NSS: certutil -d sql:$HOME/.pki/nssdb -D -n bartizan-interception", err=True)


@ca.command(epilog=SHOW_EXAMPLES)
@options.home
@options.config
@options.format_
def show(home: Path | None, config_file: Path | None, format_: str) -> None:
    """Say which hosts the CA is for, until when, and whether this machine trusts it."""
    from cryptography.hazmat.primitives import hashes

    from bartizan.home.authority import CERTIFICATE, Authority

    config = options.settings(home, config_file)
    one = Authority.load(config.home)
    told = {
        "schema": "bartizan.ca/1",
        "file": str(config.home / CERTIFICATE),
        "hosts": list(one.hosts),
        "until": one.cert.not_valid_after_utc.isoformat(),
        "sha256": one.cert.fingerprint(hashes.SHA256()).hex(),
        "installed": _same(DEBIAN / INSTALLED, config.home / CERTIFICATE),
        "missing": [host for host in config.forward.intercept if not one.covers(host)],
    }
    if format_ == "json":
        click.echo(json.dumps(told, indent=2))
        return
    for name in ("file", "hosts", "until", "sha256", "installed", "missing"):
        value = told[name]
        shown = ", ".join(value) or "-" if isinstance(value, list) else "yes" if value is True else value or "no"
        click.echo(f"{name:<10} {shown}")


def _certificate(home: Path) -> Path:
    from bartizan.home.authority import CERTIFICATE

    path = home / CERTIFICATE
    if not path.exists():
        raise ConfigError(f"{path}: there is no CA\n  bartizan usage ca create")
    return path


def _same(one: Path, other: Path) -> bool:
    try:
        return one.read_bytes() == other.read_bytes()
    except OSError:
        return False


def _updated(*more: str) -> None:
    program = shutil.which(UPDATE) or f"/usr/sbin/{UPDATE}"
    try:
        done = subprocess.run([program, *more], capture_output=True, text=True, check=False, timeout=120)  # noqa: S603  The system's own.
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StoreError(f"{UPDATE}: {type(error).__name__}; run it yourself") from None
    if done.returncode:
        raise StoreError(f"{UPDATE} ended with {done.returncode}; run it yourself, as root")


def _others(cert: Path) -> str:
    return OTHERS.format(cert=os.path.abspath(cert), bundle="/etc/ssl/certs/ca-certificates.crt")  # noqa: PTH100  No links followed.
