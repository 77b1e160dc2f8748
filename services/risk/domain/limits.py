"""What any rule set is bounded by, wherever it comes from."""

from datetime import timedelta
from typing import Final

#: Attempts older than this are forgotten, so no rule may look back further.
WINDOW_MAX: Final = timedelta(days=31)
RULES_MAX: Final = 100
BLOCKED_MAX: Final = 10_000
COUNT_MAX: Final = 100_000
NAME_PATTERN: Final = r"^[a-z][a-z0-9_]{0,39}$"
