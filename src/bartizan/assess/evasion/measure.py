"""Evasion: how far the answers of a model stand changes of the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bartizan.assess.data import Data, Form
from bartizan.core.errors import UsageError

if TYPE_CHECKING:
    from bartizan.assess.how import How, Result
    from bartizan.assess.target import Target


def measure(target: Target, data: Data, how: How) -> Result:
    """The first `how.rows` test rows under what fits the model: solved where it can be, attacked where not.

    Raises UsageError without test rows.
    """
    if data.x_test is None or data.y_test is None:
        raise UsageError("evasion is measured on rows with labels that no training saw: x_test and y_test in the data")
    if target.kind == "http":  # Where asking takes long, no question goes beyond the time.
        target.until = how.budget
    try:
        return _measured(target, data, how)
    finally:
        target.until = None


def _measured(target: Target, data: Data, how: How) -> Result:
    if data.form is Form.TEXT:
        from bartizan.assess.evasion.texts import texts

        return texts(target, data, how)
    from bartizan.assess.evasion.solved import solved

    exact = solved(target, data, how)
    if exact is not None:
        return exact
    from bartizan.assess.evasion.attacked import attacked

    return attacked(target, data, how, images=data.form is Form.IMAGES)
