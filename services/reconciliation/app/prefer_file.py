"""A person says which of two files that contradict each other holds, where neither says when it was made."""

from __future__ import annotations

from services.reconciliation.app.declare_source import declared_source
from services.reconciliation.app.find_file import found_file
from services.reconciliation.app.ports import ReconciliationUnit
from services.reconciliation.domain.files import FileState, InDoubt, ReportFile
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor, OperatorAct


def prefer_file(file_id: str, reason: str, actor: Actor, work: ReconciliationUnit) -> ReportFile:
    """Let what the file says stand as if it had come just now; what was told is amended, nothing is forgotten."""
    source = declared_source(found_file(file_id, work).source, work)
    # Nothing of the source is staged or told meanwhile: what comes behind it, comes behind it.
    work.sources.hold_alone(source.source)
    file = found_file(file_id, work)
    if file.state is not FileState.STAGED:
        raise Rejected(
            "file_not_staged", f"file {file_id} is {file.state}: only what was read can hold", stored=False
        )
    work.staging.be_patient()
    _check_in_doubt(file_id, work.staging.in_doubt(file_id))
    work.staging.prefer(source, file_id, actor.name, reason)
    work.announce(OperatorAct(actor=actor, action="file_preferred", target=f"file:{file_id}", reason=reason))
    return file


def _check_in_doubt(file_id: str, found: InDoubt) -> None:
    """Refuse what nobody asked about, and what two people decided: one does not overturn it."""
    if found.is_overtaken:
        raise Rejected(
            "file_overtaken",
            f"every statement of {file_id} has a newer one, by the bank's own times",
            stored=False,
        )
    if not found.is_contradicted:
        raise Rejected(
            "file_not_contradicted", f"no file contradicts {file_id}, nor is contradicted by it", stored=False
        )
    if found.is_decided:
        raise Rejected(
            "file_order_decided",
            f"two people accepted, or one proposed, that a file holds which came later than {file_id}",
            stored=False,
        )
