"""A service in miniature with POSTs under the idempotency layer, on a database of its own."""

import threading
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa
from fastapi import Request

from shared.kernel.clock import SystemClock
from shared.kernel.errors import Rejected
from shared.kernel.ids import UlidIds
from shared.persistence.mechanism import create_v1, create_v2, create_v3
from shared.persistence.provision import provision
from shared.persistence.unit_of_work import Transactions, UnitOfWork
from shared.runtime.http import ApiModel, api
from shared.runtime.idempotent_http import IdempotentHttp, Outcome, Principal, json_answer
from shared.runtime.repeat_tally import RepeatTally
from shared.runtime.waiting import Waiters
from shared.testing.passwords import TEST_PASSWORD

TABLE = "CREATE TABLE things (thing_id text PRIMARY KEY, amount bigint NOT NULL, state text NOT NULL)"


class MakeThing(ApiModel):
    amount: int
    colour: str = "red"


class Change(ApiModel):
    amount: int | None = None


class Shop:
    """A service in miniature: things, a POST that makes one, a POST that changes one, and what a test may turn."""

    def __init__(self, engine, lease_margin_s=30.0, groups=None):
        self.engine = engine
        self.ids = UlidIds()
        self.executions = 0
        self.refuse: Rejected | None = None
        self.gate: threading.Event | None = None
        self.waiters = Waiters(self.find_decided)
        self.transactions = Transactions(
            engine, UnitOfWork, source="/tieout/shop", clock=SystemClock(), ids=self.ids
        )
        self.tally = RepeatTally(self.transactions)
        self.http = IdempotentHttp(
            self.transactions, tally=self.tally, waiters=self.waiters, present=self.present, ids=self.ids,
            default_wait_s=0.2, lease_margin_s=lease_margin_s, groups=groups,
        )  # fmt: skip
        self.make = self.http.endpoint("POST", "/things", MakeThing, render=self.render_made)
        self.change = self.http.endpoint("POST", "/things/{thing_id}/change", Change, render=self.render)
        self.app = api(title="shop", log_requests=False)
        self.app.post("/things")(self.post_thing)
        self.app.post("/things/{thing_id}/change")(self.post_change)

    def find_decided(self, ids):
        with self.engine.connect() as connection:
            query = sa.text("SELECT thing_id FROM things WHERE thing_id = ANY(:ids) AND state <> 'new'")
            return list(connection.execute(query, {"ids": list(ids)}).scalars())

    async def post_thing(self, request: Request):
        return await self.make.handle(request, self.principal(request), self.insert, together=True)

    async def post_change(self, request: Request, thing_id: str):
        return await self.change.handle(
            request, self.principal(request), lambda uow, _body: self.insert(uow, MakeThing(amount=1)),
            path_ids={"thing_id": thing_id}, resource_id=thing_id,
        )  # fmt: skip

    def principal(self, request):
        return Principal(
            owner_id=request.headers.get("owner", "mer_1"), mode=request.headers.get("mode", "test")
        )

    def insert(self, uow, body):
        self.executions += 1
        if self.gate is not None:
            self.gate.wait(10)
        thing_id = uow.ids.new("th_")
        values = {"id": thing_id, "amount": body.amount}
        uow.connection.execute(sa.text("INSERT INTO things VALUES (:id, :amount, 'new')"), values)
        if self.refuse is not None:
            raise self.refuse
        return Outcome(resource_id=thing_id, wait_for=thing_id)

    def row(self, uow, thing_id):
        query = sa.text("SELECT amount, state FROM things WHERE thing_id = :id")
        return uow.connection.execute(query, {"id": thing_id}).one()

    def render(self, uow, thing_id, status=200):
        amount, state = self.row(uow, thing_id)
        return json_answer(status, {"id": thing_id, "amount": amount, "state": state})

    def render_made(self, uow, thing_id):
        return self.render(uow, thing_id, 201)

    def present(self, uow, thing_id):
        query = sa.text("SELECT state FROM things WHERE thing_id = :id")
        return {"Thing-State": uow.connection.execute(query, {"id": thing_id}).scalar() or "unknown"}

    def close(self):
        self.http.close()
        self.engine.dispose()


@contextmanager
def thing_database(postgres_admin_url):
    name = f"d_idempotency_{UlidIds().new('')[-12:]}"
    made = provision(postgres_admin_url, "mechanism", name, password=TEST_PASSWORD)
    with psycopg.connect(made.owner) as connection:
        create_v1(connection, service="mechanism")
        create_v2(connection, service="mechanism")
        create_v3(connection)
        connection.execute(TABLE)
    yield made
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
