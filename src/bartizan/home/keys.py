"""Keys in files and in the environment: the master key, upstream keys, the bootstrap key.

A file that others can read holds no secret any more, so it is refused with the command that mends it. Files below
`/run/secrets` are let through: container runtimes put them there for this one container and choose the mode themselves.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bartizan.config import Config, Mail, Upstream, Webhook
from bartizan.core.errors import ConfigError, StoreError
from bartizan.vault.master import MasterKey

if TYPE_CHECKING:
    from bartizan.ledger.checkpoint import Signer

BOOTSTRAP_CHARS = 32  # Fewer could be guessed.
RUNTIME_SECRETS = (Path("/run/secrets"), Path("/var/run/secrets"))
MAX_KEY_BYTES = 16 * 1024


def read_secret(path: Path, what: str) -> str:
    """The one line in a key file. Raises ConfigError: missing, empty, larger than 16 KiB, or open to others."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(MAX_KEY_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {what}: {error.strerror}") from error
    if mode & 0o007 and not any(path.is_relative_to(place) for place in RUNTIME_SECRETS):
        raise ConfigError(f"{path}: {what} can be read by every user of this machine\n  chmod 600 {path}")
    text = raw.decode("ascii", "replace").strip()
    if not text or len(raw) > MAX_KEY_BYTES or not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigError(f"{path}: {what} is not one line of printable characters")
    return text


def write_secret(path: Path, text: str) -> None:
    """A new file, 0600 from its first moment. Raises StoreError, also where the file is there already."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, text.encode() + b"\n")
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error


def master_key(config: Config, environ: Mapping[str, str], *, create: bool) -> MasterKey:
    """From `BARTIZAN_MASTER_KEY`, else from the file. Raises ConfigError.

    Args:
        create: Make one in the home where there is none: only for a home without data, which no other key has sealed.
    """
    if config.master_key_file:
        environ = {**environ, "BARTIZAN_MASTER_KEY_FILE": str(config.master_key_file)}
    if not environ.get("BARTIZAN_MASTER_KEY") and config.master_key_path.exists():
        read_secret(config.master_key_path, "the master key")  # Refuses one that others can read.
    return MasterKey.load(config.home, environ, create=create)


def signer(config: Config, environ: Mapping[str, str], *, create: bool) -> Signer:
    """What signs checkpoints. `create` makes the key where there is none, for a first start. Raises ConfigError."""
    from bartizan.ledger.checkpoint import KEY_FILE, Signer

    if config.signing_key_file:
        environ = {**environ, "BARTIZAN_SIGNING_KEY_FILE": str(config.signing_key_file)}
    path = config.signing_key_file or config.home / KEY_FILE
    if path.exists():
        read_secret(path, "the signing key")  # Refuses one that others can read.
    return Signer.load(config.home, environ, create=create)


def upstream_key(upstream: Upstream, environ: Mapping[str, str]) -> str:
    """The provider's key, or "" where none is configured or the client sends its own. Raises ConfigError."""
    return _kept(upstream.key_file, upstream.key_env, environ, "the upstream's key")


def webhook_url(webhook: Webhook, environ: Mapping[str, str]) -> str:
    """Where a webhook is. Raises ConfigError."""
    return _kept(webhook.url_file, webhook.url_env, environ, "the webhook's address") or webhook.url


def mail_password(mail: Mail, environ: Mapping[str, str]) -> str:
    """What `user` signs in with at the mail server, or "" where nobody does. Raises ConfigError."""
    return _kept(mail.password_file, mail.password_env, environ, "the mail server's password")


def _kept(file: Path | None, variable: str, environ: Mapping[str, str], what: str) -> str:
    """A secret from the file or the environment variable that is configured; "" where neither is."""
    if file:
        return read_secret(file, what)
    if not variable:
        return ""
    if value := environ.get(variable, "").strip():
        return value
    raise ConfigError(f"${variable}: {what} is not set")


def bootstrap_key(environ: Mapping[str, str]) -> str:
    """`BARTIZAN_BOOTSTRAP_KEY[_FILE]`, or "". Gateway rights only, valid while set, never stored.

    Raises ConfigError for one that could be guessed.
    """
    value = environ.get("BARTIZAN_BOOTSTRAP_KEY", "").strip()
    if file := environ.get("BARTIZAN_BOOTSTRAP_KEY_FILE"):
        if value:
            raise ConfigError("$BARTIZAN_BOOTSTRAP_KEY and $BARTIZAN_BOOTSTRAP_KEY_FILE are both set; keep one")
        value = read_secret(Path(file), "the bootstrap key")
    if value and (len(value) < BOOTSTRAP_CHARS or not value.isascii() or not value.isprintable() or " " in value):
        hint = "openssl rand -hex 32"
        raise ConfigError(f"$BARTIZAN_BOOTSTRAP_KEY: is not {BOOTSTRAP_CHARS} or more printable characters\n  {hint}")
    return value
