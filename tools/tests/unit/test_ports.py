"""Ports of a stack: none where none is wanted, none twice, none that an outgoing connection could take."""

import os
import socket
import tempfile

import pytest

from tools.local_stack import layout


def test_as_many_as_asked_for_each_once_and_below_the_outgoing_ones():
    assert layout.free_ports(0) == []
    found = layout.free_ports(9)
    assert len(set(found)) == 9
    assert set(found) <= set(layout.PORTS)
    assert layout.PORTS.stop <= 32_768


def test_a_port_in_use_is_passed_over_and_too_few_are_an_error(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        used = taken.getsockname()[1]
        monkeypatch.setattr(layout, "PORTS", range(used, used + 1))
        with pytest.raises(layout.StackError, match="fewer than 1"):
            layout.free_ports(1)


@pytest.mark.parametrize(
    "found", ["no claims", "[]", '{"1": null}', '{"1": []}', '{"1": "never"}', '{"x": 1}']
)
def test_what_was_handed_out_is_not_handed_out_again_before_anybody_listens(monkeypatch, tmp_path, found):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"tieout-ports-{os.getuid()}.json").write_text(found)
    first = layout.free_ports(5)
    assert not set(first) & set(layout.free_ports(5))
    monkeypatch.setattr(layout, "CLAIM_S", 0.0)
    assert layout.free_ports(5) == first, "a claim that nobody used ends"
