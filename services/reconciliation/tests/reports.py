"""Reports in our own CSV for tests of what is done with them, and the desk's ways to take them in."""

from __future__ import annotations

import hashlib
import io

from services.reconciliation.adapters.preferences import preferences_of
from services.reconciliation.adapters.readers import FORMATS, READERS
from services.reconciliation.app.declare_source import declare_source
from services.reconciliation.app.prefer_file import ask_to_prefer
from services.reconciliation.app.receive_file import IncomingFile, receive_file
from services.reconciliation.domain.sources import Source, SourceKind
from services.reconciliation.entrypoints.worker import prefer_one, stage_one
from services.reconciliation.tests.writers import csv_bytes, tieout_payout, tieout_row
from shared.kernel.operators import Actor

ADA = Actor(name="ada", role="operator")
ALPHA = Source(
    source="alpha", kind=SourceKind.SETTLEMENT, format="tieout_csv", processor="alpha", account="acct_1", options={}
)  # fmt: skip


def payout(name, *rows, net=None, **more):
    """Rows of one payout and its own row, which takes what they come to."""
    said = [tieout_row(number, name, **more, **said) for number, said in rows]
    sum_minor = sum(round(float(row["net"]) * 100) for row in said) if net is None else net
    return [*said, tieout_payout(f"{name}_total", name, sum_minor)]


def report(*parts):
    """A file of these rows."""
    return csv_bytes([row for part in parts for row in (part if isinstance(part, list) else [part])])


def declare(desk, source=ALPHA):
    return desk.run(lambda uow: declare_source(source, "a test", ADA, FORMATS, uow))


def receive(desk, content, source="alpha", name="report.csv"):
    incoming = IncomingFile(
        source=source, name=name, sha256=hashlib.sha256(content).digest(), byte_count=len(content),
        content=lambda: io.BytesIO(content),
    )  # fmt: skip
    return desk.run(lambda uow: receive_file(incoming, "ada", ADA, uow))


def take_in(desk, content, **more):
    """Receive a file and stage it; returns it as it is then."""
    received = receive(desk, content, **more)
    while stage_one(READERS, desk.transactions):
        pass
    return desk.run(lambda uow: uow.files.get(received.file.file_id))


def prefer(desk, file, reason="a correction"):
    """A person has the file hold, and the worker does it; returns what became of it."""
    asked = desk.run(lambda uow: ask_to_prefer(file.file_id, reason, ADA, uow))
    while prefer_one(desk.transactions):
        pass
    of_file = desk.run(lambda uow: preferences_of(uow.connection, file.file_id))
    return next(one for one in of_file if one.nth == asked.nth)
