"""What waits for a person, and the grants that come of it.

A clause that says `justify` or `review` opens a case. The person gives a reason, or somebody else approves; then a
grant lets the same matched values pass the same clause to the same destination for a while, and nothing else.
Whatever was decided, people say whether it was right (`Feedback`).
"""

from bartizan.cases.case import Case, Opened, State, Wanted
from bartizan.cases.desk import Desk
from bartizan.cases.feedback import Feedback, Said, Verdict
from bartizan.cases.grants import Granted

__all__ = ["Case", "Desk", "Feedback", "Granted", "Opened", "Said", "State", "Verdict", "Wanted"]
