"""A person says which of two files that contradict each other holds, where neither says when it was made."""

from __future__ import annotations

from services.reconciliation.app.declare_source import declared_source
from services.reconciliation.app.find_file import found_file
from services.reconciliation.app.ports import ReconciliationUnit
from services.reconciliation.domain.files import FileState, ReportFile
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
    work.staging.prefer(source, file_id, actor.name, reason)
    work.announce(OperatorAct(actor=actor, action="file_preferred", target=f"file:{file_id}", reason=reason))
    return file
