"""An example of a clause about models: what an assessment measured.

    - assessment: {robust_accuracy: 0.31}
    - assessment: {accuracy: 0.92, robust_accuracy: 0.9}

Numbers that are left out were not measured; but a model is right in 98 of 100 cases unless the example says otherwise.
"""

from __future__ import annotations

from bartizan.policy.document import Node
from bartizan.policy.fields import Fields, shown
from bartizan.readers.assessment import CHECKS, MEASURES, Assessed, Checked

ORDINARY = {"accuracy": 0.98}


def assessment_of(fields: Fields, node: Node, where: str) -> Assessed | None:
    """The assessment that an example tells of; None with a complaint where it does not."""
    got = fields.members(node, where, tuple(MEASURES))
    if got is None:
        return None
    numbers = dict(ORDINARY)
    for name, value in got.items():
        said = fields.text(value, f"{where}, {name}", plain=True)
        try:
            number = float(said) if said else 0.0
        except ValueError:
            number = float("nan")
        if abs(number) < 1e15:
            numbers[name] = number
        else:
            fields.no(value, f"{where}, {name}", f"{shown(said)} is not a number", "For example: 0.5")
    checks = {name: [one for one in numbers.items() if MEASURES[one[0]] == name] for name in CHECKS}
    return Assessed(checks=tuple(Checked(name, tuple(sorted(ones))) for name, ones in checks.items() if ones))


def told(content: Assessed) -> str:
    """An assessment in a line, for people who read a clause's examples."""
    numbers = [f"{name} {value:g}" for one in content.checks for name, value in one.measures]
    return f"assessment of a model: {', '.join(numbers)}"
