"""Where the auditor cannot look, it says in one line why and what to do."""

import psycopg
import pytest

from tools.auditor.addresses import AUDITED_SERVICES, Addresses, reader_variable
from tools.auditor.model import AuditImpossible
from tools.local_stack.stack import LocalStack


def test_a_stack_that_does_not_run_is_said_in_one_line(monkeypatch):
    for service in AUDITED_SERVICES:
        monkeypatch.delenv(reader_variable(service), raising=False)

    def refuse(_stack):
        raise psycopg.OperationalError("connection refused\n\tIs the server running?")

    monkeypatch.setattr(LocalStack, "reader_urls", refuse)
    with pytest.raises(AuditImpossible, match="start it with `make up`") as said:
        Addresses.found()
    assert "\n" not in str(said.value)
