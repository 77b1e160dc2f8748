"""How a piece of a feed is taken in, by whichever way it came, and what is said of each of its lines."""

from __future__ import annotations

import io
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from services.reconciliation.adapters.readers import READERS
from services.reconciliation.adapters.readers.tieout_feed import piece_of
from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from services.reconciliation.app.feed_lines import feed_lines
from services.reconciliation.app.receive_file import IncomingFile, Received
from services.reconciliation.domain.feeds import FEED_FORMAT, piece_name
from services.reconciliation.domain.lines import QuarantinedLine, SettlementLine, UnreadableFileError
from services.reconciliation.domain.readers import ReadingContext
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor
from shared.persistence.unit_of_work import Transactions
from shared.runtime.metric_names import RECONCILIATION_FILES
from shared.runtime.metrics import counter


@dataclass(frozen=True, slots=True)
class Fed:
    """The piece as it is kept, and what became of each line."""

    sequence: int
    received: Received
    lines: list[dict[str, Any]]

    def view(self) -> dict[str, Any]:
        """As the API shows it."""
        quarantined = sum(line["outcome"] == "quarantined" for line in self.lines)
        return {
            "source": self.received.file.source,
            "sequence": self.sequence,
            "file_id": self.received.file.file_id,
            "is_new": self.received.is_new,
            "accepted": len(self.lines) - quarantined,
            "quarantined": quarantined,
            "lines": self.lines,
        }


def feed(transactions: Transactions[ReconciliationUnitOfWork], source: str, raw: bytes, actor: Actor) -> Fed:
    """Make it durable; what is said of its lines is what staging finds, as a reader says the same of the same bytes."""
    try:
        sequence = piece_of(raw).sequence
        lines = _outcomes(raw, source)
    except UnreadableFileError as refused:
        raise Rejected(
            refused.code, f"{refused.field}: expected {refused.expected}", status=422, param=refused.field,
            stored=False,
        ) from refused  # fmt: skip
    piece = IncomingFile(
        source=source,
        name=piece_name(sequence),
        sha256=sha256(raw).digest(),
        byte_count=len(raw),
        content=lambda: io.BytesIO(raw),
        feed_sequence=sequence,
    )
    received = transactions.run(lambda uow: feed_lines(piece, sequence, actor, uow), name="feed lines")
    if received.is_new:
        counter(RECONCILIATION_FILES, "received")
    return Fed(sequence, received, lines)


def _outcomes(raw: bytes, source: str) -> list[dict[str, Any]]:
    said = READERS[FEED_FORMAT].read(io.BytesIO(raw), ReadingContext(source=source))
    return [_outcome(record) for record in said if isinstance(record, SettlementLine | QuarantinedLine)]


def _outcome(record: SettlementLine | QuarantinedLine) -> dict[str, Any]:
    if isinstance(record, SettlementLine):
        return {"line_number": record.line_number, "outcome": "accepted", "line_id": record.line_id}
    return {
        "line_number": record.line_number,
        "outcome": "quarantined",
        "code": record.code,
        "field": record.field,
        "expected": record.expected,
    }
