"""The decisions of a home as an index: to page through, to filter, to group and to count.

Derived from the ledger into HOME/events.sqlite, and thrown away and made again whenever in doubt. It holds pseudonyms
and no content; what it says is what the logs say, and a proof is theirs.
"""

from bartizan.events.filter import FIELDS, Filter, Term
from bartizan.events.index import VALUE_FIELDS, Index
from bartizan.events.row import DISCIPLINES, OUTCOMES, Bucket, Change, Group, Page, Row, Status

__all__ = [
    "DISCIPLINES",
    "FIELDS",
    "OUTCOMES",
    "VALUE_FIELDS",
    "Bucket",
    "Change",
    "Filter",
    "Group",
    "Index",
    "Page",
    "Row",
    "Status",
    "Term",
]
