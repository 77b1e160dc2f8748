"""Two people who bring files of journals over in tests, by the use cases and by plain SQL."""

from __future__ import annotations

from services.ledger.adapters.import_files import ImportFile
from services.ledger.adapters.importing import book_file, propose_file
from services.ledger.app.propose_import import approve_import, reject_import
from shared.kernel.operators import Actor

CAROL = Actor(name="carol", role="operator")
DAVE = Actor(name="dave", role="approver")
PROPOSE = (
    "INSERT INTO import_proposals (import_id, file_sha256, file_name, lines, journals, totals, reason, state,"
    " proposed_by, proposed_at) VALUES ('imp_2', decode(repeat('00', 32), 'hex'), 'f', 3, 3, '{\"EUR\": 5}', 'why',"
    " 'PROPOSED', 'me', now())"
)
APPROVE = (
    "UPDATE import_proposals SET state = 'APPROVED', decided_by = 'you', decided_at = now(), decision_reason = 'seen'"
    " WHERE import_id = 'imp_2'"
)
BEGIN = "INSERT INTO imports VALUES ('imp_2', decode(repeat('00', 32), 'hex'), 'f', 3, 'me', 'why', now())"


def approve_in_sql(connection):
    """A proposal that stands approved, as the application role may write it."""
    for statement in (PROPOSE, APPROVE):
        connection.execute(statement)


def propose(ledger, path, *, who=CAROL, reason="moving", **wanted):
    return propose_file(ledger.transactions, ImportFile(path, 10), actor=who, reason=reason, **wanted)


def decide(ledger, sha256, *, who=DAVE, step=approve_import):
    return ledger.transactions.run(
        lambda uow: step(bytes.fromhex(sha256), "seen", who, uow), name="decide import"
    )


def reject(ledger, sha256, *, who=DAVE):
    return decide(ledger, sha256, who=who, step=reject_import)


def agreed(ledger, path):
    """Proposed by Carol and approved by Dave, unless it was before; what came of proposing it."""
    proposed = propose(ledger, path)
    if proposed.state == "proposed":
        decide(ledger, proposed.sha256)
    return proposed


def bring(ledger, path, *, batch=10, **wanted):
    """Agreed by two people and booked; a file that is refused is not even proposed."""
    proposed = agreed(ledger, path)
    if proposed.state == "refused":
        return proposed
    return book_file(ledger.transactions, ImportFile(path, batch), actor=CAROL, reason="moving", **wanted)
