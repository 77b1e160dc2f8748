"""Memory while reading does not grow with the file: a line leaves at most the digest of its id behind."""

from __future__ import annotations

import io
import subprocess
import sys
import tracemalloc

import pytest

from services.reconciliation.adapters.readers import READERS
from services.reconciliation.domain.readers import ReadingContext
from services.reconciliation.tests import writers

pytestmark = pytest.mark.unit
TEXT = "x" * 1_000
LINE_BYTES_MAX = 400
"""A digest in a set that has just doubled; a line or its record that was kept would be over a thousand."""
CAMT_GROWTH_KIB_MAX = 16_384


class Stream(io.RawIOBase):
    """A file that is made while it is read."""

    def __init__(self, pieces):
        self._pieces, self._left = iter(pieces), b""

    def readable(self):
        return True

    def readinto(self, buffer):
        while len(self._left) < len(buffer):
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._left += piece
        taken, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


def csv_pieces(row_of, count, **more):
    yield writers.csv_bytes([row_of(0, **more)])
    for number in range(1, count):
        yield writers.csv_bytes([row_of(number, **more)]).split(b"\n", 1)[1]


def camt_pieces(count):
    head, tail = writers.camt_file(writers.camt_statement("S1", ["|"], 0, count)).split(b"|")
    yield head
    for number in range(count):
        yield writers.camt_entry(1, reference=f"B{number}", text=TEXT).encode()
    yield tail


def mt940_pieces(count):
    head, tail = writers.mt940_statement(1, ["|"], 0, count).encode().split(b"|")
    yield head
    for number in range(count):
        yield writers.mt940_entry(1, reference=f"B{number}", text=TEXT).encode()
    yield tail


def bai2_pieces(count):
    # The trailers count other records than these, which is told and changes nothing here.
    head, tail = (
        writers.bai2_file([writers.bai2_group([writers.bai2_account([(["|"], 0)], 0, count)])])
        .encode()
        .split(b"|\n")
    )
    yield head
    for number in range(count):
        yield (writers.bai2_entry(1, reference=f"B{number}", text=TEXT)[0][0] + "\n").encode()
    yield tail


PIECES = {
    "tieout_csv": lambda count: csv_pieces(writers.tieout_row, count, description=TEXT),
    "stripe_payout_csv": lambda count: csv_pieces(writers.stripe_row, count, description=TEXT),
    "adyen_settlement_csv": lambda count: csv_pieces(writers.adyen_row, count, Reserved5=TEXT),
    "mt940": mt940_pieces,
    "bai2": bai2_pieces,
}


def peak_bytes(name, count):
    content = io.BufferedReader(Stream(PIECES[name](count)))
    tracemalloc.start()
    try:
        read = sum(1 for _ in READERS[name].read(content, ReadingContext(source="test")))
        assert read >= count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", sorted(PIECES))
def test_a_longer_file_takes_no_more_memory(name):
    few, many = 500, 3_500
    peak_bytes(name, few)  # what is made once and kept
    assert (peak_bytes(name, many) - peak_bytes(name, few)) / (many - few) < LINE_BYTES_MAX


READ_CAMT = """
import io
from services.reconciliation.adapters.readers import READERS
from services.reconciliation.domain.readers import ReadingContext
from services.reconciliation.tests.unit.test_reading_is_bounded import Stream, camt_pieces

def peak_kib(count):
    content = io.BufferedReader(Stream(camt_pieces(count)))
    assert sum(1 for _ in READERS["camt053"].read(content, ReadingContext(source="test"))) == count + 2
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

print(-peak_kib(500) + peak_kib(20_000))
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="asks /proc what libxml2 took, which Python cannot trace"
)
def test_a_longer_statement_in_xml_takes_no_more_memory():
    done = subprocess.run(
        [sys.executable, "-c", READ_CAMT], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < CAMT_GROWTH_KIB_MAX
