"""How long what was sent stays in the database."""

from typing import Final

# Topics keep 30 days; a week on top, so that refill from rows and retention in the broker overlap.
KEEP_DAYS: Final = 37
