"""`bartizan up`: read the settings, hold the home, hand over to the supervisor, and say what a newcomer can do now."""

from __future__ import annotations

import asyncio
import getpass
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bartizan.config import Config, Protocol, load, upstream_flags
from bartizan.core.errors import ConfigError, StoreBusy, StoreError, UsageError
from bartizan.version import __version__

if TYPE_CHECKING:
    from bartizan.store.lock import FileLock

EPILOG = """\b
Examples:
  bartizan up
  bartizan up --upstream openai=https://api.openai.com/v1 --workers 4
  bartizan up --forward 127.0.0.1:8403
  bartizan up --gateway 0.0.0.0:8400 --tls-cert cert.pem --tls-key key.pem
"""
_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)
_CONFIG = "./bartizan.yaml, else bartizan.yaml in the home"
_HOME = "./.bartizan, or $BARTIZAN_HOME"
_UPSTREAM = "A provider; may be given several times. NAME=local is the embedded model."


@click.command(epilog=EPILOG)
@click.option("--config", "config_file", type=_FILE, help=f"Settings.  [default: {_CONFIG}]")
@click.option("--home", type=_FOLDER, help=f"Folder of ledger, state, keys and policy.  [default: {_HOME}]")
@click.option("--gateway", metavar="HOST:PORT", help="Where clients connect.  [default: 127.0.0.1:8400]")
@click.option("--forward", metavar="HOST:PORT", help="A proxy for HTTPS_PROXY, too.  [default: off]")
@click.option("--metrics", metavar="HOST:PORT", help="Where Prometheus asks, or `off`.  [default: 127.0.0.1:8402]")
@click.option("--upstream", "upstreams", metavar="NAME=URL", multiple=True, help=_UPSTREAM)
@click.option("--workers", type=int, help="Gateway processes.  [default: one a core, from 2 to 4]")
@click.option("--tls-cert", type=_FILE, help="Certificate chain (PEM).")
@click.option("--tls-key", type=_FILE, help="Its private key (PEM).")
@click.option("--behind-tls", is_flag=True, default=None, help="A proxy in front ends TLS.")
@click.option("--console", metavar="HOST:PORT", help="Where people read and decide.  [default: 127.0.0.1:8401]")
@click.option("--no-console", is_flag=True, help="The gateway alone.")
def up(config_file: Path | None, home: Path | None, upstreams: tuple[str, ...], **flags: object) -> None:
    """Start the platform: gateway, ledger, console, and the embedded chat model where no upstream is named."""
    if flags.pop("no_console"):
        if flags["console"] is not None:
            raise UsageError("--console and --no-console say different things")
        flags["console"] = "off"
    began = time.monotonic()
    flags["forward.listen"] = flags.pop("forward")
    config = load(config_file, os.environ, {"home": home, **flags, **upstream_flags(upstreams)})
    held = _held(config)
    try:
        asyncio.run(_up(config, began))
    finally:
        held.release()


async def _up(config: Config, began: float) -> None:
    from bartizan.doors.gateway.supervisor import Supervisor
    from bartizan.home.alarms import Bell
    from bartizan.report.logline import Log

    bell = Bell(config.home, "supervisor")
    log = Log(as_json=config.log_format == "json", told=bell.ring)
    model = _model(config)
    supervisor = Supervisor(config, log, _tell, model=model)
    _tell(
        f"Bartizan {__version__} starts on {_shown(config.home)}" + (" and loads a small chat model" if model else "")
    )
    try:
        await supervisor.run(lambda: _prepare(config), lambda *ports: _announce(config, ports, began))
    finally:
        log.event("stopped", pid=os.getpid())
        log.close()
        bell.close()


def _tell(line: str) -> None:
    click.echo(line, err=True)


def _held(config: Config) -> FileLock:
    """Be the one who runs on this home. Raises StoreBusy, naming the one who does."""
    from bartizan.home import lock

    try:
        config.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{config.home}: the home cannot be made: {error.strerror}") from error
    try:
        return lock.take(config.home)
    except StoreBusy as error:
        raise UsageError(str(error)) from None


def _model(config: Config) -> bool:
    """Whether the embedded model runs. Raises ConfigError where nothing else could answer."""
    from bartizan.doors.gateway.local import HOW_TO_GET_IT, model_file

    local = [name for name, upstream in config.upstreams.items() if upstream.protocol is Protocol.LOCAL]
    if not local or model_file() is not None:
        return bool(local)
    if len(local) == len(config.upstreams):
        raise ConfigError(HOW_TO_GET_IT)
    _tell(HOW_TO_GET_IT)
    return False


def _prepare(config: Config) -> None:
    """Make or open the home; a mistake in it shows here, once, and not in every process. Raises BartizanError."""
    from bartizan.home import Home
    from bartizan.home.authority import Authority
    from bartizan.home.keys import upstream_key
    from bartizan.home.monitors import profiles

    with Home.open(config=config) as home:
        home.policy()
        for upstream in config.upstreams.values():
            upstream_key(upstream, os.environ)
        profiles(config)
        if config.forward.listen is not None and config.forward.intercept:
            Authority.load(config.home)
        if not config.gateway.loopback:
            usable = any(key.revoked_us is None for key in home.vault.keys())  # noqa: SIM118  Not a dict.
            if (
                not usable
                and not os.environ.get("BARTIZAN_BOOTSTRAP_KEY")
                and not os.environ.get("BARTIZAN_BOOTSTRAP_KEY_FILE")
            ):
                raise ConfigError(
                    f"--gateway {config.gateway}: nobody beyond this machine could use it, as there is no key\n"
                    "  bartizan keys add NAME"
                )


def _announce(config: Config, ports: tuple[int, int, int], began: float) -> None:
    """What can be done now, to copy."""
    port, console_port, forward_port = ports
    from bartizan.doors.gateway.supervisor import local_url

    tls = config.tls_cert is not None
    url = local_url(config.gateway, port, tls=tls)
    home = _shown(config.home)
    _tell(f"\nReady after {time.monotonic() - began:.1f} s: {url}\n")
    if config.console is not None:
        base = config.console_url.rstrip("/") or local_url(config.console, console_port, tls=tls)
        token = _sign_in(config)
        _tell(f"  console  {base}/sign-in/{token}" if token else f"  console  {base}")
        _tell(f"           (signs you in once, within 10 minutes; another: bartizan accounts link NAME --home {home})")
    if (listen := config.forward.listen) is not None:
        _tell(f"  proxy    {_proxy(config, local_url(listen, forward_port, tls=tls), home)}")
        if config.forward.intercept:
            _tell(f"           WARNING: it opens tunnels to {', '.join(config.forward.intercept)} and reads them;")
            _tell("           tell those whose requests are read. `bartizan usage ca show` has the CA.")
    _tell(f"  ledger   {home}/log-*.sqlite     bartizan ledger tail --home {home}")
    _tell(f"  policy   {_shown(config.policy_path)}")
    for name, upstream in config.upstreams.items():
        if upstream.protocol is Protocol.INFERENCE:
            watched = ", ".join(upstream.monitors) or "no model: who copies one is not found; see upstreams.monitors"
            _tell(f"  watched  {name}: {watched}")
    if config.metrics is not None:
        _tell(f"  metrics  http://{config.metrics}/metrics")
    if config.checkpoint_file is None:
        _tell("  proof    Whoever can edit this disk can edit the ledger's end unseen; keep checkpoints elsewhere:")
        _tell("           checkpoint_file: /other/disk/checkpoints   (docs/how-to/keep-proof-outside.md)")
    if (config.home / "demo.key").exists():
        _tell(_commands(config, url, home))
    else:
        _tell(f"\nA key for a client:  bartizan keys add NAME --home {home}")


def _proxy(config: Config, url: str, home: str) -> str:
    """How a client is told of the proxy."""
    scheme, _, rest = url.partition("://")
    key = f"$(cat {home}/demo.key)" if (config.home / "demo.key").exists() else "KEY"
    return f'export HTTPS_PROXY="{scheme}://bartizan:{key}@{rest}"'


def _sign_in(config: Config) -> str:
    """The token of a link for an admin. While there is no account at all, the first one is made, with every role."""
    from bartizan.home import Home
    from bartizan.vault.accounts import Role

    with Home.open(config=config, create=False) as home:
        accounts = home.accounts.accounts()
        admins = [one for one in accounts if one.may(Role.ADMIN) and one.disabled_us is None]
        if not accounts:
            admins = [home.accounts.add(getpass.getuser(), Role, by="")]
        return home.accounts.link(admins[0].person, by="") if admins else ""


def _commands(config: Config, url: str, home: str) -> str:
    """One that passes and one that is redacted. The key is a made-up one, new each time: no scanner knows it."""
    from bartizan.doors.gateway.demo import secret

    made_up = secret()
    chats = {name: one for name, one in config.upstreams.items() if one.protocol is not Protocol.INFERENCE}
    if not chats:
        path = f"/v2/models/{next(iter(config.upstreams))}/MODEL"
        ask = f'curl -s {url}{path} -H "authorization: Bearer $(cat {home}/demo.key)"'
        return f"\nWhat a model takes, and questions to it:\n  {ask}\n  POST {path}/infer\n\nCtrl-C stops."
    model, first = next(iter(chats.items()))
    path = "/v1/messages" if first.protocol is Protocol.ANTHROPIC else "/v1/chat/completions"
    named = f"{model}/smollm2-135m" if first.protocol is Protocol.LOCAL else f"{model}/MODEL"

    def curl(text: str) -> str:
        body = f'{{"model": "{named}", "max_tokens": 60, "messages": [{{"role": "user", "content": "{text}"}}]}}'
        return (
            f'  curl -si {url}{path} -H "authorization: Bearer $(cat {home}/demo.key)" \\\n'
            f"    -H 'content-type: application/json' -d '{body}'"
        )

    return (
        f"\nA request that passes:\n{curl('What is the capital of France?')}\n"
        f"\nOne that is redacted before it leaves (see x-bartizan-action):\n{curl(f'Is {made_up} a good key?')}\n"
        "\nCtrl-C stops."
    )


def _shown(path: Path) -> str:
    """As somebody in this folder would type it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) and path != here else str(path)
