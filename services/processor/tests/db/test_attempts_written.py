"""An attempt that was not written as it was decided takes its whole transaction back."""

import psycopg
import pytest

from services.processor.tests.db.test_attempts_stored import authorize, event, opened
from shared.kernel.errors import InvariantViolation

SWALLOWS = "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"


def swallow(service, when, table):
    """From now on rows of the table vanish on their way in."""
    with psycopg.connect(service.urls.owner) as owner:
        owner.execute(SWALLOWS)
        owner.execute(
            f"CREATE TRIGGER swallowed BEFORE {when} ON {table} FOR EACH ROW EXECUTE FUNCTION swallow()".encode()
        )


@pytest.mark.parametrize("table", ["attempts", "attempt_log"])
def test_a_command_whose_attempt_is_not_written_is_not_taken_in(service, table):
    swallow(service, "INSERT", table)
    with pytest.raises(InvariantViolation, match="0 of 1 rows were written"):
        service.deliver(event(authorize()))
    assert service.query("SELECT count(*) FROM attempts") == [(0,)]
    assert service.published() == []


def test_an_attempt_whose_claim_is_not_written_is_not_sent(service):
    opened(service)
    swallow(service, "UPDATE", "attempts")
    with pytest.raises(InvariantViolation, match="0 of 1 rows were written"):
        service.claim()
    assert service.query("SELECT state FROM attempts WHERE lease_epoch > 0") == []
