"""Finding the file that an operator asks for."""

from __future__ import annotations

from services.reconciliation.app.ports import ReconciliationUnit
from services.reconciliation.domain.files import ReportFile
from shared.kernel.errors import Rejected


def found_file(file_id: str, work: ReconciliationUnit) -> ReportFile:
    """The file, or the caller's mistake."""
    found = work.files.get(file_id)
    if found is None:
        raise Rejected("file_not_found", f"there is no file {file_id}", status=404, stored=False)
    return found
