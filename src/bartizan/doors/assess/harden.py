"""`bartizan harden`: makes a model stronger and proves the difference."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bartizan.config import options as everywhere
from bartizan.core.errors import BartizanError
from bartizan.doors.assess import options
from bartizan.doors.assess.command import opened, progress

if TYPE_CHECKING:
    from bartizan.assess.target import Target
    from bartizan.harden.hardening import Hardening

EXAMPLES = """\b
Examples:
  bartizan harden model.onnx --data digits.npz --eps 0.2 --budget 120 --out harder
  bartizan harden model.onnx --data digits.npz --norm l2 --eps 0.5 --method smoothing --out harder
  bartizan harden model.txt --data table.npz --eps 0.3 --out harder
  bartizan harden model.onnx --data faces.npz --against privacy --out harder
  bartizan assess harder/hardened.onnx --data digits.npz --eps 0.2 --out after

\b
Exit codes:
  0 the new model withstands more   1 it does not, or costs too much accuracy: the original is kept
  2 model, data or options cannot be used as given   3 an evaluation failed its own tests
"""


@click.command(epilog=EXAMPLES)
@click.argument("model", metavar="MODEL")
@options.data
@options.label
@options.eps
@options.norm
@options.budget(300.0)
@click.option("--rows", type=click.IntRange(1), default=300, show_default=True, help="Test rows it is judged by.")
@options.seed
@options.opening
@options.schema
@click.option(
    "--against",
    type=click.Choice(["evasion", "privacy", "theft", "poison"]),
    default="evasion",
    show_default=True,
    help="What it is made stronger against, and judged by: small changes, telling who was trained on, copying, "
    "poisoned training rows.",
)
@click.option(
    "--method",
    type=click.Choice(["adversarial", "smoothing"]),
    default="adversarial",
    show_default=True,
    help="Against evasion: adversarial training; or, for nets under l2, training in noise for a model that votes over "
    "noisy copies, judged by what is proven of its votes.",
)
@click.option(
    "--dp-epsilon",
    type=click.FloatRange(0.1, 100),
    default=8.0,
    show_default=True,
    metavar="EPSILON",
    help="Of differential privacy, which --against privacy tries.",
)
@click.option(
    "--most-clean-cost",
    type=click.FloatRange(0, 1),
    default=0.03,
    show_default=True,
    metavar="SHARE",
    help="Accuracy that may be lost; a model that loses more is not recommended.",
)
@click.option("--record", is_flag=True, help="Write digests and every number to the ledger in --home.")
@everywhere.home
@everywhere.format_
@options.out
def harden(
    model: str,
    data: tuple[Path, ...],
    label: str | None,
    eps: float | None,
    norm: str,
    budget: float,
    rows: int,
    seed: int,
    trust: bool,
    weights: Path | None,
    train: str | None,
    schema: Path | None,
    against: str,
    method: str,
    dp_epsilon: float,
    most_clean_cost: float,
    record: bool,
    home: Path | None,
    format_: str,
    out: Path,
) -> int:
    """Make a model stronger, and prove it: the same rows, before and after, all attacks.

    Nets are trained against changes, trees are grown anew, text filters are rewritten (--against evasion); answers say
    less, or training is made private (privacy, theft); poisoned rows are left out (poison). What it was trained with
    never judges it. Where the difference may be chance, no model is written.
    """
    options.one_thread()
    from bartizan.assess.assessment import broken
    from bartizan.assess.budget import Budget
    from bartizan.assess.evidence import as_bytes, made
    from bartizan.assess.facts import ended, eps_for
    from bartizan.assess.how import How
    from bartizan.assess.options import Options
    from bartizan.assess.sanity import check
    from bartizan.harden.hardening import harden as hardened

    whole = Budget(budget)
    wanted = Options(eps=eps, norm=norm, budget_s=budget, rows=rows, seed=seed, schema=schema)
    with ExitStack() as stack:
        stack.enter_context(options.bounded_memory())
        stack.enter_context(options.quiet_libraries())
        say = progress(stack)
        found, target = opened(model, data, say, label, seed, trust=trust, weights=weights, train=train)
        say("", "looking at model and data")
        check(found, target, seed, whole)
        how = How(
            eps_for(found, wanted), norm, seed, whole, rows, lambda text: say("harden", text), schema=schema
        )  # fmt: skip
        folder = made(out)
        try:
            done = hardened(
                target, found, how,
                against=against, method=method, most_clean_cost=most_clean_cost, epsilon=dp_epsilon,
            )  # fmt: skip
        except broken() as error:
            raise BartizanError(f"{model}: {ended(error)}; nothing was written") from error
        names = done.write(folder)
        if record:
            _recorded(home, target, found.digest, done)
    if format_ == "json":
        sys.stdout.buffer.write(as_bytes({"schema": "bartizan.hardening/1", **done.as_json()}))
        sys.stdout.flush()
    else:
        click.echo(done.sentence())
        click.echo(f"{out}: {', '.join(sorted(names))}", err=True)
    if not done.proof.trusted:
        return 3
    return 0 if done.kept == "hardened" else 1


def _recorded(home: Path | None, target: Target, data: str, done: Hardening) -> None:
    """What was made of what, on the disk before anybody hears of it."""
    from bartizan.home import Home
    from bartizan.ledger.canonical import number

    told = done.as_json()
    with Home.open(home) as here:
        here.record(
            {
                "event": "model-hardened",
                "exchange": "",
                "model": target.digest,
                "data": data,
                "files": told["sha256"],
                "against": done.proof.check,
                "kept": done.kept,
                "eps": number(done.eps),
                "norm": done.norm,
                "measures": [[name, number(value)] for name, value in sorted(done.measures().items())],
            }
        )
