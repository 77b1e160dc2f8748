"""Bank statements in ISO 20022 camt.053, versions 001.02 and 001.08: one entry at a time, whatever the file's size.

One booked ``Ntry`` is one line, also where it stands for many payments; all their references are kept with it. What is
pending or for information is no line. A document type definition is refused and no entity is ever expanded.
``line_number`` is the entry's position in the file, as XML need not have lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final, Literal

from lxml import etree

from services.reconciliation.adapters.readers.bank_lines import BANK_OPTIONS
from services.reconciliation.adapters.readers.camt053_elements import children, local_name, text_at
from services.reconciliation.adapters.readers.camt053_entries import BOOKED, Details, bank_line, status_of
from services.reconciliation.adapters.readers.camt053_statements import Statement
from services.reconciliation.adapters.readers.line_ids import LineIds
from services.reconciliation.adapters.readers.text_lines import raw_text
from services.reconciliation.domain.lines import QuarantinedLine, ReportRecord, UnreadableFileError
from services.reconciliation.domain.readers import ReadingContext
from services.reconciliation.domain.report_values import FieldError

NAMESPACES: Final = tuple(
    f"urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}" for version in ("02", "08")
)
_WATCHED: Final = ("{*}Stmt", "{*}Acct", "{*}Bal", "{*}TxsSummry", "{*}TxDtls", "{*}Ntry")


class Camt053:
    """The reader."""

    name: str = "camt053"
    kind: Literal["bank"] = "bank"
    options: Mapping[str, str] = BANK_OPTIONS

    def read(self, content: BinaryIO, context: ReadingContext) -> Iterator[ReportRecord]:  # noqa: ARG002 - all is stated
        """Entries in the order of the file, and after each statement whether its balances hold."""
        try:
            yield from _Document().records(content)
        except etree.XMLSyntaxError as malformed:
            expected = "well-formed XML to the end of the document"
            raise UnreadableFileError("xml_malformed", f"line {malformed.lineno}", expected) from None


class _Document:
    """One file on its way through."""

    def __init__(self) -> None:
        self._ids = LineIds()
        self._statement: Statement | None = None
        self._details = Details()
        self._position = 0
        self._checked = False

    def records(self, content: BinaryIO) -> Iterator[ReportRecord]:
        events = etree.iterparse(
            content, events=("start", "end"), tag=_WATCHED, resolve_entities=False, load_dtd=False, no_network=True,
            huge_tree=False, remove_comments=True, remove_pis=True,
        )  # fmt: skip
        for event, element in events:
            if not self._checked:
                _check_root(element)
                self._checked = True
            if event == "end":
                yield from self._ended(local_name(element), element)
            elif local_name(element) == "Stmt":
                if self._statement is not None:
                    raise UnreadableFileError("element_misplaced", "Stmt", "no statement within a statement")
                self._statement = Statement(self._position + 1)
        if not self._checked:
            raise UnreadableFileError("wrong_format", "Document", "a statement in camt.053")

    def _ended(self, name: str, element: Any) -> Iterator[ReportRecord]:
        statement = self._statement
        if statement is None:
            raise UnreadableFileError("element_misplaced", name, "a place within a statement")
        if name == "TxDtls":
            self._details.add(element)
            element.clear()
        elif name == "Ntry":
            yield from self._entry(statement, element)
            _forget(element)
        elif name == "Stmt":
            self._statement = None
            yield from statement.control_totals()
            yield statement.head(self._position)
            _forget(element)
        elif local_name(element.getparent()) == "Stmt":
            statement.take(name, element)

    def _entry(self, statement: Statement, element: Any) -> Iterator[ReportRecord]:
        self._position += 1
        details, self._details = self._details, Details()
        statement.begin_entries()
        try:
            parts = children(element)
            if status_of(parts) != BOOKED:
                statement.pass_over()
                return
            line = bank_line(self._position, parts, details, statement, self._ids)
        except FieldError as refused:
            # It is in no sum, so the balances show it as well.
            raw = raw_text(etree.tostring(element, encoding="unicode", with_tail=False))
            yield QuarantinedLine(self._position, refused.code, refused.field, refused.expected, raw)
            return
        statement.add(line)
        yield line


def _check_root(element: Any) -> None:
    tree = element.getroottree()
    if tree.docinfo.doctype:
        raise UnreadableFileError("doctype_refused", "DOCTYPE", "no document type definition")
    root = tree.getroot()
    # Not etree.QName, which raises ValueError at names that the parser itself lets through.
    namespace = root.tag.rpartition("}")[0].removeprefix("{")
    if local_name(root) != "Document" or not namespace.startswith(NAMESPACES[0][: -len("001.02")]):
        raise UnreadableFileError("wrong_format", local_name(root)[:128], "a Document in camt.053")
    if namespace not in NAMESPACES:
        raise UnreadableFileError("version_unknown", namespace[-128:], "camt.053.001.02 or camt.053.001.08")
    if text_at(root, "BkToCstmrStmt") is None:
        raise UnreadableFileError("element_missing", "BkToCstmrStmt", "a bank's statement to its customer")


def _forget(element: Any) -> None:
    """Free an element that was read, and all that stood before it."""
    element.clear(keep_tail=False)
    parent = element.getparent()
    while element.getprevious() is not None:
        del parent[0]
