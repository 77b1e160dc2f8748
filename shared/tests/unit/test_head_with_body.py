"""A reply's head waits for the first piece of its body, and for nothing else."""

import pytest

from shared.runtime.server import _HeadWithBody

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Wire:
    def __init__(self):
        self.sent = []

    def write(self, data):
        self.sent.append(data)

    def is_closing(self):
        return self.sent[-1:] == ["closed"]

    def close(self):
        self.sent.append("closed")

    def abort(self):
        self.sent.append("dropped")


@pytest.fixture
def wire():
    return Wire()


def test_head_and_body_are_one_packet_and_what_follows_is_sent_as_it_comes(wire):
    reply = _HeadWithBody(wire)
    reply.write(HEAD)
    assert wire.sent == []
    reply.write(b"a")
    reply.write(b"HTTP/1.1 is what this document is about")
    assert wire.sent == [HEAD + b"a", b"HTTP/1.1 is what this document is about"]


def test_who_asks_whether_to_send_the_body_is_told_at_once(wire):
    reply = _HeadWithBody(wire)
    reply.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    reply.write(HEAD)
    assert wire.sent == [b"HTTP/1.1 100 Continue\r\n\r\n"]
    reply.write(b"")
    assert wire.sent[1:] == [HEAD]


def test_a_head_whose_body_never_comes_is_sent_before_hanging_up(wire):
    reply = _HeadWithBody(wire)
    reply.write(HEAD)
    reply.close()
    assert wire.sent == [HEAD, "closed"]
    assert reply.is_closing()


def test_nothing_is_sent_twice_at_the_end(wire):
    reply = _HeadWithBody(wire)
    reply.write(HEAD)
    reply.write(b"a")
    reply.close()
    assert wire.sent == [HEAD + b"a", "closed"]


def test_who_drops_the_connection_sends_nothing_first(wire):
    reply = _HeadWithBody(wire)
    reply.write(HEAD)
    reply.abort()
    assert wire.sent == ["dropped"]
