"""The one path of every POST: key, fingerprint, claim and effects in one transaction, a wait, the reply kept, sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from typing import Any, Final, Generic, TypeVar

import orjson
from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from shared.kernel.crash_points import crash_point
from shared.kernel.errors import InvariantViolation, Rejected
from shared.kernel.ids import Ids, UlidIds
from shared.persistence.idempotency import (
    CallerChanged,
    Claim,
    Principal,
    StoredReply,
    claim_key,
    claim_key_later,
    fingerprint_of,
    finish_own_key,
    name_resource,
    read_key,
)
from shared.persistence.key_repeats import Repeat
from shared.persistence.unit_of_work import Steps, Transactions, UnitOfWork, in_steps
from shared.runtime.completing import complete_each
from shared.runtime.group_commit import Apart, GroupCommit
from shared.runtime.http import idempotency_key, read_body, request_id
from shared.runtime.key_answers import KeyAnswers, Present, Render
from shared.runtime.key_refusals import KeyRefused
from shared.runtime.logs import logger
from shared.runtime.metric_names import IDEMPOTENCY_CLAIMS, IDEMPOTENCY_COMPLETED
from shared.runtime.metrics import counter
from shared.runtime.models import ApiModel, read_model
from shared.runtime.posts import Answered, Asked, Caller, Execute, Foresee, Outcome, Post
from shared.runtime.problems import PROBLEM_JSON, Problem
from shared.runtime.repeat_tally import RepeatTally
from shared.runtime.request_threads import RequestThreads
from shared.runtime.roles import PeriodicRole
from shared.runtime.waiting import DEFAULT_WAIT_S, Waiters, wait_seconds

__all__ = [
    "COMPLETE_BATCH", "IdempotentEndpoint", "IdempotentHttp", "NoBody", "Outcome", "Principal", "Reply", "json_answer",
]  # fmt: skip

LEASE_MARGIN_S: Final = 30.0
"""What a lease adds to the wait: storing a reply takes milliseconds, so a lease that ended had a dead owner."""
COMPLETE_EVERY_S: Final = 5.0
COMPLETE_BATCH: Final = 100
#: How a reply came about that was not its key's first.
_REPEATS: Final = frozenset(Repeat)
#: Refusals that are never kept, whatever their ``stored`` says; nor is anything from 500 up.
_FREE_STATUSES: Final = frozenset({400, 401, 403, 429})

U = TypeVar("U", bound=UnitOfWork)
M = TypeVar("M", bound=BaseModel)
_log = logger(__name__)

Reply = StoredReply


class NoBody(ApiModel):
    """The model of a POST that takes nothing: an absent body or an empty object."""


def json_answer(status: int, document: object, headers: Mapping[str, str] | None = None) -> Reply:
    """A JSON reply, kept as these bytes; times in UTC."""
    return Reply(
        status=status,
        body=orjson.dumps(document, option=orjson.OPT_UTC_Z),
        headers={"Content-Type": "application/json", **(headers or {})},
    )


def _no_present(_uow: Any, _resource_id: str) -> Mapping[str, str]:
    """For resources whose present state needs no header."""
    return {}


class IdempotentHttp(Generic[U]):
    """The idempotency layer of one service's API; makes endpoints and finishes what dead owners left.

    ``present`` tells the resource's state of now in headers, put on replays next to the bytes of then.
    """

    def __init__(
        self,
        transactions: Transactions[U],
        *,
        tally: RepeatTally,
        waiters: Waiters | None = None,
        present: Present[U] = _no_present,
        threads: RequestThreads | None = None,
        groups: GroupCommit[U] | None = None,
        ids: Ids | None = None,
        default_wait_s: float = DEFAULT_WAIT_S,
        lease_margin_s: float = LEASE_MARGIN_S,
    ) -> None:
        self.transactions = transactions
        self.waiters = waiters
        self.present = present
        self.threads = threads or RequestThreads()
        self.groups = groups
        self.ids = ids or UlidIds()
        self.tally = tally
        self.default_wait_s = default_wait_s
        self.lease_margin_s = lease_margin_s
        self._endpoints: dict[str, IdempotentEndpoint[U, Any]] = {}

    def endpoint(
        self,
        method: str,
        route: str,
        model: type[M],
        *,
        render: Render[U],
        present: Present[U] | None = None,
    ) -> IdempotentEndpoint[U, M]:
        """Register a POST. ``render`` gives its reply from the stored resource; it must not write."""
        made = IdempotentEndpoint(self, method, route, model, render, present or self.present)
        if self._endpoints.setdefault(made.name, made) is not made:
            raise InvariantViolation("endpoint_once", f"{made.name} is registered twice")
        return made

    def complete_abandoned(self, limit: int = COMPLETE_BATCH) -> int:
        """Store the replies of keys whose owner died; returns how many. Safe beside other completers and retries."""
        return complete_each(self.transactions, self._complete, limit)

    def endpoints(self) -> frozenset[str]:
        """The POSTs under this layer, as method and route."""
        return frozenset(self._endpoints)

    def bodies(self) -> dict[tuple[str, str], type[BaseModel]]:
        """What each of them takes, by method and route."""
        return {(made.method, made.route): made.model for made in self._endpoints.values()}

    def completer(self, every_s: float = COMPLETE_EVERY_S) -> PeriodicRole:
        """The role that runs ``complete_abandoned``; start it in every process that serves or works."""
        return PeriodicRole("completer", every_s, lambda: self.complete_abandoned() == COMPLETE_BATCH)

    def close(self) -> None:
        self.threads.close()
        if self.groups is not None:
            self.groups.close()
        if self.waiters is not None:
            self.waiters.close()

    def _complete(self, scope: str) -> bool:
        def attach(uow: U) -> bool:
            row = read_key(uow.connection, scope, locked=True)
            if row is None or row.state != "in_flight" or not row.lease_ended:
                return False
            endpoint = self._endpoints.get(row.endpoint)
            if endpoint is None or row.resource_id is None:
                _log.error("abandoned_key_without_endpoint", endpoint=row.endpoint, scope=scope)
                return False
            endpoint.key_says.kept(uow, scope, row.resource_id, "completer")
            return True

        if done := self.transactions.run(attach, name="complete_key"):
            counter(IDEMPOTENCY_COMPLETED)
        return done


class IdempotentEndpoint(Generic[U, M]):
    """One POST of a service."""

    def __init__(
        self,
        http: IdempotentHttp[U],
        method: str,
        route: str,
        model: type[M],
        render: Render[U],
        present: Present[U],
    ) -> None:
        self.name = f"{method} {route}"
        self._http = http
        self.method = method
        self.route = route
        self.model = model
        self.key_says = KeyAnswers(render, present)

    async def handle(
        self,
        request: Request,
        caller: Principal | Caller,
        execute: Execute[U, M],
        *,
        path_ids: Mapping[str, str] | None = None,
        resource_id: str | None = None,
        refused_about: Callable[[M], str] | None = None,
        foresee: Foresee[U, M] | None = None,
        together: bool = False,
    ) -> Response:
        """Answer one POST. A ``caller`` still to be asked for is asked in the claim's transaction, before all else.

        ``execute`` runs in the claim's transaction: it and the key row commit together or not at all. It may run
        again after a deadlock, so it must not reach outside the database. ``foresee`` may queue what ``execute`` will
        read, to travel with the claim; it is no promise that ``execute`` runs. ``resource_id``, where it is known
        before (a path id, or an id made beforehand), saves a statement; a refusal is kept as one about a path id, or
        about what ``refused_about`` finds named in the body. ``together`` lets it share a transaction:
        for what touches nothing that exists, by callers met before, because one that is refused makes all run again.
        """
        raw = await read_body(request)
        try:
            asked = self._read(request, raw, path_ids or {})
        except Rejected:
            if not isinstance(caller, Principal):
                await self._http.threads.run(caller)  # told only to those whom we know
            raise
        waiters = self._http.waiters
        waits = waiters is not None and asked.wait_s > 0 and waiters.try_reserve()
        post = Post(asked, caller, execute, foresee, path_ids or {}, resource_id, waits, refused_about)
        try:
            done = await self._begin(post, together=together)
            if isinstance(done, Outcome):
                if waits and waiters is not None and done.wait_for is not None:
                    await waiters.wait(done.wait_for, asked.wait_s)
                done = await self._http.threads.run(self._finish, post.claim, done.resource_id)
        except KeyRefused as refused:
            counter(IDEMPOTENCY_CLAIMS, self.name, refused.repeat.value)
            self._http.tally.note(refused.scope, refused.repeat, refused.mismatch)
            raise
        finally:
            if waits and waiters is not None:
                waiters.give_back()
        counter(IDEMPOTENCY_CLAIMS, self.name, done.result)
        if done.result in _REPEATS:
            self._http.tally.note(post.claim.scope, Repeat(done.result))
        crash_point("http.before_reply")
        return done.response()

    async def _begin(self, post: Post[U, M], *, together: bool) -> Outcome | Answered:
        if together and self._http.groups is not None:
            with suppress(Apart):
                done = await self._http.groups.run(lambda uow: self._in_company(post, uow))
                if done is not None:
                    return done
        return await self._http.threads.run(self._alone, post)

    def _in_company(self, post: Post[U, M], uow: U) -> Steps[Outcome | Answered | None]:
        """Execute under a key that is free, whose row goes in with the reply at the end; None where it is taken."""
        claim = self._prepared(post, uow)
        claimed = uow.keys.claim(claim)
        yield
        if not claimed.holds:
            return None
        outcome = post.execute(uow, post.asked.body)
        reply = _given_at_once(post, outcome)
        uow.keys.keep(claim, outcome.resource_id, reply)
        return outcome if reply is None else Answered(reply, "executed")

    def _steps(self, post: Post[U, M], uow: U) -> Steps[Outcome | Answered | None]:
        """Claim the key and execute, or return None where the key is taken."""
        claim = self._prepared(post, uow)
        claimed = claim_key_later(uow.connection, claim)
        yield
        if not claimed.holds:
            return None
        crash_point("idempotency.after_claim")
        outcome = post.execute(uow, post.asked.body)
        reply = _given_at_once(post, outcome)
        if reply is not None:
            finish_own_key(uow.connection, claim, reply, outcome.resource_id)
            return Answered(reply, "executed")
        if outcome.resource_id != claim.resource_id:
            name_resource(uow.connection, claim.scope, outcome.resource_id)
        return outcome

    def _prepared(self, post: Post[U, M], uow: U) -> Claim:
        """The claim of the one who asks; what they will read is queued."""
        caller = post.caller
        principal = caller if isinstance(caller, Principal) else caller(uow.connection)
        claim = post.claim = self._claim(post.asked, principal, post.resource_id)
        if post.foresee is not None:
            post.foresee(uow, post.asked.body)
        return claim

    def _alone(self, post: Post[U, M]) -> Outcome | Answered:
        def work(uow: U) -> Outcome | Answered:
            done = in_steps(uow, [(copy_context(), self._steps(post, uow))])[0]
            return self.key_says.answer(uow, post.claim) if done is None else done

        try:
            try:
                return self._http.transactions.run(work, name=self.name)
            except CallerChanged:
                return self._http.transactions.run(work, name=self.name)
        except Rejected as rejected:
            if not rejected.stored or rejected.status in _FREE_STATUSES or rejected.status >= 500:  # noqa: PLR2004
                raise
            return self._keep_refusal(post, rejected)

    def _read(self, request: Request, raw: bytes, path_ids: Mapping[str, str]) -> Asked[M]:
        key = idempotency_key(request)
        wait_s = wait_seconds(", ".join(request.headers.getlist("prefer")), self._http.default_wait_s)
        body = read_model(self.model, raw)
        fingerprint = fingerprint_of(self.method, self.route, path_ids, wish_of(body))
        return Asked(key, wait_s, body, fingerprint, request_id(request))

    def _claim(self, asked: Asked[M], principal: Principal, resource_id: str | None) -> Claim:
        return Claim(
            scope=principal.scope(asked.key), principal=principal, key=asked.key, fingerprint=asked.fingerprint,
            owner=asked.request_id, lease_s=asked.wait_s + self._http.lease_margin_s,
            resource_id=resource_id, request_id=asked.request_id,
        )  # fmt: skip

    def _keep_refusal(self, post: Post[U, M], rejected: Rejected) -> Answered:
        """The refused transaction is rolled back, key row and all; the refusal is then kept under the key."""
        claim = post.claim
        reply = Reply(
            status=rejected.status, body=Problem.of(rejected).body(), headers={"Content-Type": PROBLEM_JSON}
        )
        about = claim.resource_id if claim.resource_id in post.path_ids.values() else None
        if about is None and post.refused_about is not None:
            about = post.refused_about(post.asked.body)
        refusal = replace(claim, resource_id=about)

        def keep(uow: U) -> Answered:
            if claim_key(uow.connection, refusal, reply=reply):
                return Answered(reply, "executed")
            return self.key_says.answer(uow, claim)

        return self._http.transactions.run(keep, name=f"{self.name} refusal")

    def _finish(self, claim: Claim, resource_id: str) -> Answered:
        def store(uow: U) -> Answered:
            return Answered(self.key_says.kept(uow, claim.scope, resource_id, claim.owner), "executed")

        return self._http.transactions.run(store, name=f"{self.name} reply")


def wish_of(body: BaseModel) -> dict[str, Any]:
    """What the body asks for. A field that a later release adds, and an older client's retry leaves out, is no part of
    it: under its key the retry still gets its reply.
    """
    return body.model_dump(mode="json", exclude_defaults=True)


def _given_at_once(post: Post[Any, Any], outcome: Outcome) -> StoredReply | None:
    """The reply, where the client has nothing to wait for."""
    return None if post.waits and outcome.wait_for is not None else outcome.reply
