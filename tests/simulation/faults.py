"""What goes wrong, by chance and by name: each seed draws which faults exist in its world and how often they strike.

Every world has other weather (some have no crashes, some hardly anything else): faults that are always all there hide
each other. After ``end`` nothing goes wrong any more, and everything has to come to rest.
"""

import random
import select
import socket
import threading
from dataclasses import dataclass

from psycopg import pq

from shared.messaging.weather import Fate
from tests.simulation.history import History

LIKELIHOODS = {
    "crash": 0.006,
    "commit_answer_lost": 0.01,
    "commit_request_lost": 0.006,
    "record_copied": 0.06,
    "record_delayed": 0.15,
    "record_unacknowledged": 0.01,
    "record_refused": 0.004,
    "reports_wait": 0.1,
    "offsets_lost": 0.06,
    "member_evicted": 0.02,
    "offsets_forgotten": 0.003,
    "thread_slow": 0.05,
    "thread_stopped": 0.006,
    "call_refused": 0.03,
    "reply_lost": 0.04,
    "call_slow": 0.1,
    "request_late": 0.08,
    "wake_up_lost": 0.2,
    "bad_deployment": 0.004,
    "webhook_copied": 0.1,
    "webhook_late": 0.15,
    "webhook_forged": 0.05,
}
"""How often each strikes where it can, in a world that has it at full strength."""
STRENGTHS = (0.0, 0.0, 0.5, 1.0, 1.0, 2.5)
STOPPED_S_MAX = 20.0
"""Longer than every lease: whoever wakes from it has been replaced."""
_COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"
_CHUNK_BYTES = 65_536


class SimulatedCrash(BaseException):
    """The process is gone. No handler of ours catches it, as none outlives a SIGKILL."""


@dataclass(slots=True)
class Faults:
    """The weather of one world."""

    chance: random.Random
    history: History
    likelihoods: dict[str, float]
    raging: bool = True

    @classmethod
    def drawn(cls, chance: random.Random, history: History) -> "Faults":
        """Draw the weather of a seed."""
        likelihoods = {name: usual * chance.choice(STRENGTHS) for name, usual in LIKELIHOODS.items()}
        return cls(chance, history, likelihoods)

    def strikes(self, name: str, who: str = "weather") -> bool:
        """Draw whether a fault strikes now. Drawn always, so that healing does not shift later draws."""
        drawn = self.chance.random()
        if not self.raging or drawn >= self.likelihoods[name]:
            return False
        self.history.tell(who, f"fault:{name}")
        return True

    def end(self) -> None:
        """From now on all is well."""
        self.raging = False
        self.history.tell("world", "faults end")

    def latency_s(self) -> float:
        """How long a thread takes to come to its work: hardly ever, it is stopped past every lease."""
        if self.strikes("thread_stopped"):
            return self.chance.uniform(1.0, STOPPED_S_MAX)
        if self.strikes("thread_slow"):
            return self.chance.uniform(0.01, 1.0)
        return self.chance.uniform(0.0, 0.002)

    def fate(self, topic: str, key: bytes) -> Fate:
        """The broker's weather."""
        who = f"{topic}/{key.decode()}"
        copies = 2 if self.strikes("record_copied", who) else 1
        delay_s = self.chance.uniform(0.0, 6.0) if self.strikes("record_delayed", who) else 0.0
        refused = "refused for good" if self.strikes("record_refused", who) else None
        unacknowledged = "timed out" if self.strikes("record_unacknowledged", who) else None
        return Fate(copies=copies, delay_s=delay_s, refused=refused, unacknowledged=unacknowledged)

    def reports_wait(self) -> bool:
        return self.strikes("reports_wait")

    def commit_lost(self, group: str) -> bool:
        return self.strikes("offsets_lost", group)


def lose_answer(connection: pq.abc.PGconn) -> None:
    """Let the next COMMIT of a session be carried out and its answer be lost.

    The session's socket is exchanged, under the client's hands, for one end of a pair; what lies at the other end
    forwards everything both ways and hangs up instead of saying that the transaction was committed.
    """
    import os

    ours, theirs = socket.socketpair()
    server = socket.socket(fileno=os.dup(connection.socket))
    with theirs:  # one open end more, and nobody ever hears that the session was closed
        os.dup2(theirs.fileno(), connection.socket)
    threading.Thread(target=_forward_until_committed, args=(ours, server), daemon=True).start()


def _forward_until_committed(client: socket.socket, server: socket.socket) -> None:
    with client, server:
        while True:
            readable, _, _ = select.select([client, server], [], [])
            for source, target in ((client, server), (server, client)):
                if source not in readable:
                    continue
                chunk = source.recv(_CHUNK_BYTES)
                if not chunk or (source is server and _COMMITTED in chunk):
                    return
                target.sendall(chunk)
