"""What the database will not have is one record's fault: it parks its own key, and the consumer goes on."""

import pytest

from shared.messaging.memory import MemoryBroker
from shared.testing.messaging_bench import messaging_bench
from shared.tests.db.test_consumer import Member, _redrive, _skip, dead_letters, parked

TOO_MUCH = 666
REFUSALS = {
    "a constraint, as it is written": f"ALTER TABLE effects ADD CONSTRAINT fits CHECK (number <> {TOO_MUCH})",
    "a constraint that is asked at COMMIT": f"""
        CREATE FUNCTION fits() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.number = {TOO_MUCH} THEN
                RAISE EXCEPTION 'does not fit' USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'fits';
            END IF;
            RETURN NULL;
        END $$;
        CREATE CONSTRAINT TRIGGER fits AFTER INSERT ON effects
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fits()""",
    "a value that no column takes": f"""
        CREATE FUNCTION fits() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.number = {TOO_MUCH} THEN NEW.number = 'none'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER fits BEFORE INSERT ON effects FOR EACH ROW EXECUTE FUNCTION fits()""",
}


@pytest.fixture
def bench(postgres_admin_url):
    with messaging_bench(postgres_admin_url, MemoryBroker()) as made:
        yield made


@pytest.fixture
def member(bench):
    return Member(bench)


@pytest.fixture(params=REFUSALS)
def refused(request, bench):
    with bench.owner_engine.begin() as connection:
        connection.exec_driver_sql(REFUSALS[request.param])
    return bench


def test_it_parks_its_own_key_only_and_says_what_was_refused(refused, member):
    refused.send("a", 1)
    refused.send("a", 2, number=TOO_MUCH)
    refused.send("a", 3)
    refused.send("b", 1)
    member.settle()
    assert (refused.effects("a"), refused.effects("b")) == ([1], [1])
    assert parked(refused) == [("a", "poison", 2)]
    assert [row["cause_id"] for row in dead_letters(refused)] == ["evt_a_2"]
    (detail,) = (row["detail"] for row in refused.rows("SELECT detail FROM parked_keys"))
    assert detail.startswith("database_refused: 2")
    assert str(TOO_MUCH) not in detail
    _skip(refused, "a", 2)
    member.settle()
    assert refused.effects("a") == [1, 3]


def test_alone_in_its_batch_it_is_parked_as_well(refused, member):
    refused.send("a", 1, number=TOO_MUCH)
    member.settle()
    refused.send("b", 1)
    member.settle()
    assert parked(refused) == [("a", "poison", 1)]
    assert refused.effects("b") == [1]


def test_in_a_queue_that_is_healed_the_right_record_is_blamed(refused, member):
    for version in (2, 3, 5):
        refused.send("a", version)
    refused.send("a", 4, number=TOO_MUCH)
    member.settle()
    refused.send("a", 1)
    for _ in range(8):  # the queue goes on record by record, each in a turn of its own
        member.settle()
    assert refused.effects("a") == [1, 2, 3]
    assert parked(refused) == [("a", "poison", 4)]


def test_once_it_is_not_refused_any_more_a_redrive_applies_it_in_order(bench, member):
    with bench.owner_engine.begin() as connection:
        connection.exec_driver_sql(REFUSALS["a constraint, as it is written"])
    bench.send("a", 1, number=TOO_MUCH)
    bench.send("a", 2)
    member.settle()
    assert _redrive(bench, "a")
    member.settle()
    assert (bench.effects("a"), parked(bench)) == ([], [("a", "poison", 1)])
    with bench.owner_engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE effects DROP CONSTRAINT fits")
    assert _redrive(bench, "a")
    member.settle()
    assert (bench.effects("a"), parked(bench)) == ([TOO_MUCH, 2], [])
