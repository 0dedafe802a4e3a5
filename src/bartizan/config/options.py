"""Options that the commands of several doors share. Imported by commands alone: settings need no command line."""

from __future__ import annotations

import os
from pathlib import Path

import click

from bartizan.config.load import load
from bartizan.config.model import Config

home = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of ledger, state, keys and policy.  [default: ./.bartizan, or $BARTIZAN_HOME]",
)
config = click.option(
    "--config",
    "config_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Configuration file.  [default: ./bartizan.yaml, else bartizan.yaml in the home]",
)
format_ = click.option(
    "--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to print."
)


def settings(home: Path | None, config_file: Path | None = None) -> Config:
    """The configuration as every door reads it. Raises ConfigError."""
    return load(config_file, os.environ, {"home": home})
