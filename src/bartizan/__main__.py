"""`bartizan`: assembles the commands of the doors, loads the one that is called, and turns errors into exit codes."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from bartizan.commands import Commands
from bartizan.core.errors import BartizanError, InputError, Refused, UsageError
from bartizan.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

# name: (where the command is, what its line in `bartizan --help` says). Nothing of a door is loaded to show that.
COMMANDS = {
    "up": ("bartizan.doors.gateway.command:up", "Start the platform: gateway, ledger, local model."),
    "demo": ("bartizan.doors.gateway.demo:demo", "Play harmless scenes of all that works, through the real gateway."),
    "inspect": ("bartizan.doors.files.inspect:inspect", "Judge a text or a chat."),
    "scan": ("bartizan.doors.files.scan:scan", "Judge files, folders and archives."),
    "watch": ("bartizan.doors.watch.command:watch", "Follow logs that grow: show and record which AI is used."),
    "assess": (
        "bartizan.doors.assess.command:assess",
        "Measure what a model withstands and tells.",
    ),
    "harden": ("bartizan.doors.assess.harden:harden", "Make a model stronger, and prove the difference."),
    "usage": ("bartizan.doors.usage.command:usage", "Find out which AI is used here, and restrict it."),
    "policy": ("bartizan.doors.admin.policy:policy", "Check, test, explain and compare policies."),
    "ledger": ("bartizan.doors.admin.ledger:ledger", "Verify, prove, read and export what was recorded."),
    "keys": ("bartizan.doors.admin.keys:keys", "Give, list and revoke gateway keys."),
    "accounts": ("bartizan.doors.admin.accounts:accounts", "Say who may sign in to the console."),
    "detectors": ("bartizan.doors.admin.detectors:detectors", "List and describe what looks."),
    "cases": ("bartizan.doors.admin.cases:cases", "Decide what waits for a person."),
    "notify": ("bartizan.doors.notify.command:notify", "Say where notices of cases and alarms go, and try it."),
    "config": ("bartizan.doors.admin.config:config", "Show and check the configuration."),
    "doctor": ("bartizan.doors.admin.doctor:doctor", "Say what is missing, and how to get it."),
}

EPILOG = """\b
Examples:
  bartizan up
  bartizan inspect --text "my card is 5326 9018 4471 2906"
  bartizan scan ./prompts --format sarif > bartizan.sarif

\b
Shell completion:
  eval "$(_BARTIZAN_COMPLETE=bash_source bartizan)"    (or zsh_source, fish_source)

\b
Exit codes:
  0 passed   1 stricter than warn, or a finding that is high or worse
  2 usage, configuration, policy or input   3 something could not be examined, or not recorded
"""


class Bartizan(Commands):
    """The commands of all doors."""

    def invoke(self, ctx: click.Context) -> object:
        """Runs the command. Whoever reads its output may go away, as `head` does: click would make that exit code 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more when it ends.
            return 141


@click.command(cls=Bartizan, table=COMMANDS, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bartizan")
def bartizan() -> None:
    """Watches what goes into and comes out of your AI, decides by a written policy, and can prove every decision."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line. The answer is the exit code."""
    try:
        code = bartizan.main(arguments, prog_name="bartizan", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Abort:
        click.echo("bartizan: interrupted", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Refused as error:
        click.echo(f"bartizan: {error}", err=True)
        return 1
    except (UsageError, InputError) as error:
        click.echo(f"bartizan: {error}", err=True)
        return 2
    except BartizanError as error:
        click.echo(f"bartizan: {error}", err=True)
        return 3
    except ModuleNotFoundError as error:
        package = (error.name or "bartizan").partition(".")[0]
        if package == "bartizan":  # Ours: a mistake of ours, too.
            raise
        click.echo(f"bartizan: this needs {package}, which is not installed: pip install 'bartizan[assess]'", err=True)
        return 2


if __name__ == "__main__":
    sys.exit(main())
