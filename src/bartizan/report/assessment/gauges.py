"""An assessment in five numbers: what stands first on its page, in its lines and on its model card.

Reports are what checks wrote; one that is older or from elsewhere may lack anything, so that every number here may be
missing, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Report = Mapping[str, Any]  # Any: JSON of `bartizan.assessment/1`
NOT_TRUSTED = "upper bound, not trusted"
HARDLY, CLEARLY = 0.6, 0.75  # areas under the curve of membership, in words


@dataclass(frozen=True, slots=True)
class Share:
    """Some of something, with an interval; `of` is 0 where it is not a count."""

    share: float
    low: float
    high: float
    hits: int = 0
    of: int = 0

    def words(self) -> str:
        """ "31.0 % (26.0 to 36.5)"."""
        return f"{percent(self.share)} ({self.low * 100:.1f} to {self.high * 100:.1f})"


@dataclass(frozen=True, slots=True)
class Gauge:
    """One question, its number, and its answer in a sentence. `share` None: not a share, or not measured."""

    id: str
    title: str
    question: str
    number: str
    sentence: str
    share: Share | None = None
    worst: str = ""  # the severity of the worst finding, "" for none
    measured: bool = True
    trusted: bool = True
    lead: str = ""  # its part of the first sentence of the page; "" for nothing to say


def share_of(value: object) -> Share | None:
    """A rate as reports hold it; None for anything else."""
    if not isinstance(value, Mapping):
        return None
    given = [value.get(name) for name in ("share", "low", "high")]
    numbers = [one for one in given if isinstance(one, int | float) and not isinstance(one, bool)]
    if len(numbers) != 3:
        return None
    share, low, high = (float(one) for one in numbers)
    return Share(share, low, high, int(value.get("hits") or 0), int(value.get("of") or 0))


def percent(value: float) -> str:
    """A share for people: no more digits than they can use, and never 100 % for less."""
    shown = f"{value * 100:.1f}"
    if shown == "100.0" and value < 1:
        shown = f"{value * 100:.2f}" if value < 0.9999 else "> 99.99"
    return f"{shown} %"


def gauges(report: Report) -> list[Gauge]:
    """The five, in the order of the page; those that were not asked for are left out."""
    asked = report["how"]["checks"]
    made = {"evasion": _evasion, "privacy": _privacy, "theft": _theft, "poison": _poison}
    found = [made[check](report) for check in made if check in asked]
    return [*found, *filter(None, [_ownership(report)])]


def _section(report: Report, check: str) -> Mapping[str, Any]:
    section = report.get(check)
    return section if isinstance(section, Mapping) else {}


def _gauge(report: Report, check: str, title: str, question: str, rate: Share | None, number: str, lead: str) -> Gauge:
    section, why = _section(report, check), report["not_measured"].get(check)
    trusted = section.get("trusted", True) is True
    return Gauge(
        check,
        title,
        question,
        number if why is None else "not measured",
        str(why if why is not None else section.get("sentence", "")),
        rate if why is None else None,
        worst(report, check),
        why is None,
        trusted,
        lead if why is None and number else "",
    )


def worst(report: Report, check: str) -> str:
    """The severity of the worst finding that a check led to; "" for none."""
    severities = ("info", "low", "medium", "high", "critical")
    families = {"poison": "poisoning"}
    family = families.get(check, check)
    found = [one["severity"] for one in report.get("findings", []) if one["risk"].partition(".")[0] == family]
    return max(found, key=severities.index, default="")


def measure(report: Report, check: str, name: str) -> float | None:
    """One of a check's numbers; None where it was not measured."""
    value = _section(report, check).get("measures", {}).get(name)
    return float(value) if isinstance(value, int | float) else None


def rate_in(section: Mapping[str, Any], *names: str) -> Share | None:
    """The first rate of one of these names. Not of what lies below: there it may be a rate of something else."""
    return next((found for name in names if (found := share_of(section.get(name))) is not None), None)


def _number(rate: Share | None, otherwise: float | None) -> str:
    if rate is not None:
        return percent(rate.share)
    return percent(otherwise) if otherwise is not None else ""


def _evasion(report: Report) -> Gauge:
    section, how = _section(report, "evasion"), report["how"]
    rate = rate_in(section, "robust", "robust_accuracy")
    number = _number(rate, measure(report, "evasion", "robust_accuracy"))
    where = f"of answers are right when {_changes(report, float(how['eps']), str(section.get('norm', how['norm'])))}"
    most = "" if section.get("trusted", True) is True else "at most "
    clean = measure(report, "evasion", "accuracy")
    rows = "texts" if report["data"].get("form") == "text" else "rows"
    lead = f"{most}{number} of its answers are right once somebody changes the {rows} a little"
    if clean is not None:
        lead += f", {percent(clean)} before"
    return _gauge(report, "evasion", "Evasion", where, rate, number, lead)


def _changes(report: Report, eps: float, norm: str) -> str:
    """What an attacker of this strength may do."""
    each = "pixel" if report["data"].get("form") == "images" else "value"
    ways = {
        "linf": f"every {each} may change by {eps:g}",
        "l2": f"all {each}s together may change by {eps:g} (L2)",
        "l0": f"{eps:g} {each}{'' if eps == 1 else 's'} may change",
        "share of words": f"{percent(eps).replace('.0 ', ' ')} of the words may be edited",
    }
    return ways.get(norm, f"changes of {eps:g} ({norm}) are allowed")


def _privacy(report: Report) -> Gauge:
    rate = rate_in(_section(report, "privacy"), "tpr_at_1pct", "membership_tpr_at_1pct")
    number = _number(rate, measure(report, "privacy", "membership_tpr_at_1pct"))
    question, lead = "of training rows are told, at 1 % false alarms", f"{number} of its training rows can be told"
    area = measure(report, "privacy", "membership_auc")
    if not number and area is not None:
        number, question = f"{area:.2f}", "area under the curve; guessing: 0.50"
        sure = "hardly better" if area < HARDLY else "somewhat better" if area < CLEARLY else "clearly better"
        lead = f"what it was trained on can be told {sure} than by guessing ({number}; guessing: 0.50)"
    elif not number and _section(report, "privacy"):
        number, question = "not known", "how many training rows are told: a weaker attack ranked the candidates"
        lead = "how many of its training rows can be told is not known"
    return _gauge(report, "privacy", "Privacy", question, rate, number, lead)


def _theft(report: Report) -> Gauge:
    rate = rate_in(_section(report, "theft"), "fidelity", "stolen_fidelity")
    queries = measure(report, "theft", "stolen_queries")
    number = _number(rate, measure(report, "theft", "stolen_fidelity"))
    asked = f" by {queries:,.0f} queries" if queries is not None else ""
    question = f"of new rows get the same answer from a copy made{asked}"
    lead = f"a copy made{asked} answers {number} of new rows as it does"
    return _gauge(report, "theft", "Theft", question, rate, number, lead)


def _poison(report: Report) -> Gauge:
    rows, of = measure(report, "poison", "backdoor_rows"), measure(report, "poison", "train_rows")
    number = "" if rows is None else "1 row" if rows == 1 else f"{rows:,.0f} rows"
    question = f"of {of:,.0f} training rows carry a confirmed trigger" if of else "carry a confirmed trigger"
    carry = "carries" if rows == 1 else "carry"
    lead = f"{number} of its training data {carry} a backdoor" if rows else "no backdoor was found in its training data"
    return _gauge(report, "poison", "Poison", question, None, number, lead)


def _ownership(report: Report) -> Gauge | None:
    """Whether a copy could be proved to be one; there only where that was measured."""
    section = _section(report, "theft")
    found = section.get("ownership")
    if not section:
        return None
    if isinstance(found, Mapping) and isinstance(found.get("keys"), int) and "p_value" not in found:
        told = str(found.get("sentence", ""))
        return Gauge("ownership", "Ownership", "that tell a copy from other models", f"{found['keys']} keys", told)
    if not isinstance(found, Mapping) or not isinstance(found.get("p_value"), int | float):
        how = "Make some before there is a dispute: bartizan assess own."
        return Gauge("ownership", "Ownership", "that tell a copy from other models", "no keys", how)
    p = float(found["p_value"])
    number = f"p = {p:.1g}" if p >= 1e-4 else "p < 0.0001"
    sentence = str(found.get("sentence", ""))
    return Gauge("ownership", "Ownership", "that a copy looks like one by chance", number, sentence)
