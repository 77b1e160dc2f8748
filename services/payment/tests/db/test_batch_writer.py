"""Rows that are written together: counted now or with the next statement, a row that is not there is refused either way."""

import pytest
import sqlalchemy as sa

from services.payment.adapters.batch_writer import BatchWriter
from services.payment.tests.db.shop import Shop
from shared.kernel.errors import InvariantViolation
from shared.persistence.statements import send_queued


def writes(connection: sa.Connection, *, known: bool) -> BatchWriter:
    writer = BatchWriter(connection)
    name = {"merchant_id": "mer_known" if known else "mer_unknown", "name": "renamed"}
    writer.update("merchants", ("merchant_id",), ("merchant_id", "name"), [name])
    return writer


@pytest.mark.parametrize("later", [False, True])
def test_an_update_of_a_row_that_is_not_there_is_refused(shop: Shop, later: bool) -> None:
    def write(connection: sa.Connection, *, known: bool) -> None:
        writer = writes(connection, known=known)
        if later:
            writer.run_later()
            send_queued(connection)
        else:
            writer.run()

    with shop.parts.common.engine.connect() as connection:
        connection.exec_driver_sql("INSERT INTO merchants (merchant_id, name) VALUES ('mer_known', 'before')")
        write(connection, known=True)
        assert (
            connection.exec_driver_sql("SELECT name FROM merchants WHERE merchant_id = 'mer_known'").scalar()
            == "renamed"
        )
        with pytest.raises(InvariantViolation, match="0 of 1 rows"):
            write(connection, known=False)
        connection.rollback()
