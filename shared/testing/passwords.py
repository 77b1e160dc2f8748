"""The one password of throw-away roles: roles belong to the server, so tests that run side by side must agree."""

from typing import Final

TEST_PASSWORD: Final = "tieout-test"  # noqa: S105  # of roles that live as long as a test run
