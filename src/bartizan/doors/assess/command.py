"""`bartizan assess`: measures a model and says what was found."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bartizan.commands import Commands
from bartizan.config import options as everywhere
from bartizan.doors.assess import options

if TYPE_CHECKING:
    from bartizan.assess.assessment import Assessment
    from bartizan.assess.data import Data
    from bartizan.assess.examples import Shown
    from bartizan.assess.target import Target
    from bartizan.report.decision import Json

COMMANDS = {
    "compare": ("bartizan.doors.assess.compare:compare", "Say what differs between two assessments, row by row."),
    "schema": ("bartizan.doors.assess.schema:schema", "Draft what a row of a table may be, for --schema."),
    "own": ("bartizan.doors.assess.ownership:own", "Make secret keys that tell copies of a model from others."),
    "claim": ("bartizan.doors.assess.ownership:claim", "Say whether a model is a copy, by keys that were made before."),
    "canaries": ("bartizan.doors.assess.canaries:canaries", "Say what a generative model remembers of planted values."),
    "monitor": ("bartizan.doors.assess.monitor:monitor", "Look through a log of predictions for model extraction."),
}
NAMES = {"json": "report.json", "html": "report.html", "sarif": "report.sarif", "card": "model-card.md"}
PATIENCE = 0.5  # Of the budget: so long one answer of an endpoint may take.
CHECKS = ("evasion", "privacy", "theft", "poison")
EXAMPLES = """\b
Examples:
  bartizan assess model.onnx --data digits.npz --out report
  bartizan assess model.txt --data table.npz --checks evasion --eps 0.3 --out report
  bartizan assess shop.net:make --weights net.safetensors --data rows.npz --budget 600 --out report
  bartizan assess http://127.0.0.1:8080/predict --data rows.npz --checks theft --out report
  bartizan assess compare before after

\b
Exit codes:
  0 the policy is met                   1 stricter than warn, or a finding at or above --fail-on
  2 model, data or options cannot be used as given
  3 the evaluation failed its own tests, or what was asked for could not be measured in the time there was
"""


class Assess(Commands):
    """A command that takes a model, unless its first word is one of the commands below it."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # Any: as click has it
    ) -> click.Context:
        """Of the command that is meant."""
        if not args or args[0] in ("-h", "--help"):
            return super().make_context(info_name, args, parent, **extra)
        if args[0] in self.table:
            below = self.get_command(click.Context(self), args[0])
            assert below is not None
            return below.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        model = click.Command(self.name, callback=self.callback, params=self.params, help=self.help)
        return model.make_context(info_name, args, parent, **extra)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """As the help has it: what stands behind the command's name."""
        return ["[OPTIONS] MODEL"]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, then the commands."""
        click.Command.format_options(self, ctx, formatter)
        self.format_commands(ctx, formatter)


@click.command(cls=Assess, table=COMMANDS, epilog=EXAMPLES)
@click.argument("model", metavar="MODEL")
@options.data
@options.label
@click.option(
    "--checks", metavar="NAMES", help=f"Of {','.join(CHECKS)}, with commas.  [default: all that the data allows]"
)
@options.eps
@options.norm
@options.budget(120.0)
@click.option("--rows", type=click.IntRange(1), default=300, show_default=True, help="Test rows that are attacked.")
@options.seed
@options.opening
@options.schema
@click.option("--price", type=click.FloatRange(0), help="What 1,000 queries cost, for the price of a copy.")
@click.option(
    "--dp-epsilon", type=click.FloatRange(0), metavar="E", help="The differential privacy it claims: it is audited."
)
@click.option("--queries", type=click.IntRange(1), metavar="N", help="An endpoint is asked this many rows, no more.")
@click.option("--i-own-this", is_flag=True, help="You may attack this endpoint, which is not on this machine.")
@click.option(
    "--fail-on",
    type=click.Choice(["info", "low", "medium", "high", "critical", "never"]),
    default="high",
    show_default=True,
    help="Exit with 1 for a finding at least this severe.",
)
@click.option("--record", is_flag=True, help="Write the decision and every number to the ledger in --home.")
@everywhere.home
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json", "html", "sarif", "card"]),
    default="text",
    show_default=True,
    help="What is printed; all of them lie in --out.",
)
@options.out
def assess(
    model: str,
    data: tuple[Path, ...],
    label: str | None,
    checks: str | None,
    eps: float | None,
    norm: str,
    budget: float,
    rows: int,
    seed: int,
    trust: bool,
    weights: Path | None,
    train: str | None,
    schema: Path | None,
    price: float | None,
    dp_epsilon: float | None,
    queries: int | None,
    i_own_this: bool,
    fail_on: str,
    record: bool,
    home: Path | None,
    format_: str,
    out: Path,
) -> int:
    """Measure a model: is it brittle, does it leak, can it be copied, was its data poisoned?

    MODEL is a file of ONNX, LightGBM, XGBoost, scikit-learn (skops, or a pickle with --trust) or TorchScript,
    module:factory with --weights, or the address of an endpoint. Every number comes with its interval, and with a file
    in --out that somebody else can judge again. A run that was stopped goes on when it is called again.
    """
    options.one_thread()
    from bartizan.assess.assessment import measure
    from bartizan.assess.budget import Budget
    from bartizan.assess.evidence import write as write_file
    from bartizan.assess.evidence import writing
    from bartizan.assess.examples import shown
    from bartizan.assess.options import Options
    from bartizan.doors.assess.judging import Judge
    from bartizan.doors.assess.ownership import committed

    whole = Budget(budget)
    endpoint = {"queries": queries, "own": i_own_this, "patience": PATIENCE * budget}
    named = tuple(dict.fromkeys(name.strip() for name in checks.split(",") if name.strip())) if checks else CHECKS
    wanted = Options(named, checks is not None, eps, norm, budget, rows, seed, schema, price, dp_epsilon)
    with (
        Judge(home, record, fail_on) as judge,
        options.bounded_memory(),
        options.quiet_libraries(),
        ExitStack() as stack,
    ):
        say = progress(stack)
        found, target = opened(model, data, say, label, seed, trust=trust, weights=weights, train=train, **endpoint)
        assessment = measure(target, found, wanted, out, budget=whole, say=say)
        if "theft" in assessment.report and (keys := committed(home, target.digest)) is not None:
            assessment.report["theft"]["ownership"] = keys
        say("", "writing the report")
        judged = judge(assessment)
        written = reports(assessment, judged.value, shown(out, found, target))
        with writing(out):
            for name, content in written.items():
                write_file(out / NAMES[name], content)
    if format_ == "text":
        from bartizan.report.assessment.text import lines

        click.echo("\n".join(lines(assessment.report, judged.value)))
        click.echo(f"Evidence and report: {out / NAMES['html']}", err=True)
    else:
        sys.stdout.buffer.write(written[format_])
        sys.stdout.flush()
    return 130 if assessment.interrupted else judged.code


def opened(
    model: str,
    data: tuple[Path, ...],
    say: Callable[[str, str], None],
    label: str | None = None,
    seed: int = 0,
    **how: Any,  # Any: what `open_target` takes
) -> tuple[Data, Target]:
    """Data and model, as they were named."""
    from bartizan.assess.opening import data_of, target_of

    say("", "reading the data")
    found = data_of(data, label=label, seed=seed)
    say("", "opening the model")
    return found, target_of(model, found, **how)


def reports(assessment: Assessment, decision: Json, evidence: Shown) -> dict[str, bytes]:
    """The report in every form there is."""
    import orjson

    from bartizan.assess.evidence import as_bytes
    from bartizan.report.assessment.card import card
    from bartizan.report.assessment.page import page
    from bartizan.report.sarif import sarif
    from bartizan.rules.risks import catalogue

    log = sarif([decision], catalogue())
    return {
        "json": as_bytes({**assessment.report, "decision": decision}),
        "html": page(assessment.report, decision, evidence).encode(),
        "sarif": orjson.dumps(log, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE),
        "card": card(assessment.report).encode(),
    }


def progress(stack: ExitStack) -> Callable[[str, str], None]:
    """What is going on, in a line on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        return lambda check, text: None
    from rich.console import Console
    from rich.markup import escape

    status = stack.enter_context(Console(stderr=True).status("…"))
    return lambda check, text: status.update(escape(f"{check}: {text}" if check else text))
