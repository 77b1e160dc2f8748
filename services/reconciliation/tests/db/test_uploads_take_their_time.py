"""A large file may take longer than a statement may: what is limited is how long some of it takes, not all of it."""

from __future__ import annotations

import hashlib
import io

import pytest

from services.reconciliation.adapters.files import CHUNKS_PER_STATEMENT
from services.reconciliation.app.receive_file import IncomingFile, receive_file
from services.reconciliation.domain.files import CHUNK_BYTES
from services.reconciliation.tests.reports import ADA, declare

pytestmark = pytest.mark.db
_BEGAN = """
SELECT DISTINCT query_start FROM pg_stat_activity
 WHERE datname = current_database() AND query LIKE 'COPY report_file_chunks%' AND state <> 'idle'
"""


class Watched(io.BytesIO):
    """Content that looks, each time that it is read, which statement takes it."""

    def __init__(self, content, look):
        super().__init__(content)
        self._look = look

    def read(self, size=-1):
        self._look()
        return super().read(size)


@pytest.mark.parametrize("chunks", [1, CHUNKS_PER_STATEMENT, 3 * CHUNKS_PER_STATEMENT + 1])
def test_a_file_is_kept_some_chunks_a_statement_and_whole(desk, chunks):
    declare(desk)
    content = b"x" * (chunks * CHUNK_BYTES - 1)
    began = set()
    incoming = IncomingFile(
        source="alpha", name="large.csv", sha256=hashlib.sha256(content).digest(), byte_count=len(content),
        content=lambda: Watched(content, lambda: began.update(row[0] for row in desk.rows(_BEGAN))),
    )  # fmt: skip
    kept = desk.run(lambda uow: receive_file(incoming, "ada", ADA, uow))
    assert desk.run(lambda uow: uow.files.content(kept.file.file_id).read()) == content
    numbers = desk.rows("SELECT chunk_number FROM report_file_chunks ORDER BY 1")
    assert numbers == [(number,) for number in range(chunks)]
    assert len(began) >= chunks // CHUNKS_PER_STATEMENT
