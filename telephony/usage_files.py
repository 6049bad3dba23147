"""Reads files of call records and other usage (USE-1): CSV, streamed, in constant memory whatever their size.

UTF-8, with a byte order mark or without; commas between fields; fields in double quotes where they hold
a comma or a quote. Each record is one line, and each line ends in a line break: a file that ends in the
middle of a line may have been cut. The first line names the columns, in any order:

========================  ==================================================================================
``id``                    required: at most 64 characters, unique in the account; the same one counts once
``at``                    required: when it began, with its offset: ``2026-02-03T14:05:00-05:00`` or ``…Z``
``account``               the account's name in addresses; may be left out where a number is its alone
``from``, ``to``          of a call: its numbers; ``from`` may be empty or ``anonymous`` on an inbound call
``seconds``               of a call: how long it was, a whole number
``direction``             of a call, optional: ``inbound`` or ``outbound``; else the account's numbers tell it
``meter``, ``quantity``   of other usage: what was used, and how much, a whole number
``subscription``          of other usage, optional: the name of the subscription that it belongs to
``subject``               of other usage: who or what is counted, where different ones count
``currency``              optional: the account's; a record in another one is refused
========================  ==================================================================================

A file holds calls, other usage, or both: a line that names a meter is other usage.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import IO, Any, Final, NamedTuple

COLUMNS: Final = (
    "id",
    "at",
    "account",
    "from",
    "to",
    "seconds",
    "direction",
    "meter",
    "quantity",
    "subscription",
    "subject",
    "currency",
)
_CALL: Final = ("from", "to", "seconds")
_OTHER: Final = ("meter", "quantity")

SAMPLE: Final = """\
id,at,account,from,to,seconds,direction,meter,quantity,subscription,subject,currency
call-0001,2026-02-03T14:05:00-05:00,harbor-dental,+16175550120,+13105550188,125,outbound,,,,,USD
call-0002,2026-02-03T14:09:30-05:00,harbor-dental,anonymous,+18005550123,61,inbound,,,,,
agents-0203,2026-02-03T17:00:00-05:00,harbor-dental,,,,,agents,12,Front desk,,
"""
"""A file with one line of each kind: a call out, one in whose caller is withheld, and a day's agents."""

LONGEST_LINE: Final = 16 * 1024
"""No line has more bytes than so many; longer ones are refused."""

_TOO_LONG: Final = f"The line is longer than {LONGEST_LINE:,} bytes."
_BOM: Final = b"\xef\xbb\xbf"
_SHOWN: Final = 500
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")


class FileRefused(Exception):
    """A file that is refused as a whole, with a sentence for the person whose file it is."""


class Fault(NamedTuple):
    """A line that is refused: the column it is about ("" for the whole line), why, and the line as it came."""

    line: int
    field: str
    reason: str
    content: str


class Row(NamedTuple):
    """A line's fields as they were written, "" where the file has no such column."""

    id: str
    at: str
    account: str
    caller: str
    called: str
    seconds: str
    direction: str
    meter: str
    quantity: str
    subscription: str
    subject: str
    currency: str


@dataclass(slots=True)
class Batch:
    """Some lines of a file: `rows` with their line's number and text, the lines refused already, and where it ends."""

    rows: list[tuple[int, str, Row]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    lines_done: int = 0
    bytes_done: int = 0


@dataclass(frozen=True, slots=True)
class Header:
    """Which columns a file has, and where. `size` is the first line's length in bytes."""

    columns: tuple[str, ...]
    size: int

    @property
    def pick(self) -> Callable[[list[str]], tuple[Any, ...]]:
        """Takes the fields of a row from a line's; what has no column is taken from one beyond the last."""
        places = {column: place for place, column in enumerate(self.columns)}
        return itemgetter(*(places.get(column, len(places)) for column in COLUMNS))


def read_header(file: IO[bytes]) -> Header:
    """The first line of a file that stands at its beginning. Raises FileRefused where it is none."""
    line = file.readline(LONGEST_LINE)
    if not line:
        raise FileRefused("The file is empty.")
    if line[:2] == b"PK":
        raise FileRefused("This is a workbook or an archive, not text. Save it as CSV, UTF-8, and send that.")
    try:
        text = line.removeprefix(_BOM).decode()
    except UnicodeDecodeError:
        raise FileRefused("The first line is not UTF-8 text. Save the file as CSV, UTF-8.") from None
    if not line.endswith(b"\n"):
        if file.read(1):
            raise FileRefused("The first line is too long to be a header; this may not be a CSV file.")
        raise FileRefused("The file ends in its first line, before its line break: it may have been cut.")
    if _CONTROLS.search(text.rstrip("\r\n")):
        raise FileRefused("The first line holds characters that are no text. Save the file as CSV, UTF-8.")
    return Header(_columns(text.rstrip("\r\n")), len(line))


def _columns(text: str) -> tuple[str, ...]:
    """The names of the columns in a header, checked."""
    try:
        names = tuple(name.strip().lower() for name in _split(text))
    except csv.Error:
        raise FileRefused("The first line has a quote that is not closed.") from None
    if "id" not in names and (";" in text or "\t" in text):
        raise FileRefused("The columns have to be separated by commas.")
    for name in names:
        if name not in COLUMNS:
            raise FileRefused(f"There is no column “{name[:40]}”. The columns are {', '.join(COLUMNS)}.")
        if names.count(name) > 1:
            raise FileRefused(f"The column “{name}” is there twice.")
    for name in ("id", "at"):
        if name not in names:
            raise FileRefused(f"The column “{name}” is missing. The first line names the columns.")
    for needed in (_CALL, _OTHER):
        missing = [name for name in needed if name not in names]
        if missing and len(missing) < len(needed):
            raise FileRefused(f"Columns are missing: {', '.join(missing)}.")
    if not {"to", "meter"} & set(names):
        raise FileRefused(f"Calls need the columns {', '.join(_CALL)}; other usage needs meter and quantity.")
    return names


def read_batches(
    file: IO[bytes], header: Header, size: int, *, lines_done: int, bytes_done: int
) -> Iterator[Batch]:
    """The lines of a file from where `lines_done` and `bytes_done` say, about `size` bytes of it at a time."""
    done = bytes_done or header.size
    line = lines_done or 1
    file.seek(done)
    reader = _LineReader(header)
    while block := file.read(size):
        if not block.endswith(b"\n"):
            block += file.readline(LONGEST_LINE)
        whole, has_break, rest = block.rpartition(b"\n")
        batch = reader.read(whole, line) if has_break else Batch(lines_done=line)
        line, done = batch.lines_done, done + len(block)
        if rest:
            line += 1
            batch.lines_done = line
            done += _refuse_unended(file, batch, line, rest)
        batch.bytes_done = done
        yield batch


class _LineReader:
    """Splits lines into the fields of rows."""

    def __init__(self, header: Header) -> None:
        self._pick = header.pick
        self._width = len(header.columns)

    def read(self, block: bytes, line: int) -> Batch:
        """The lines of a block, the last one's break left out; they follow on `line`."""
        batch = Batch()
        try:
            text = block.decode().replace("\r\n", "\n").removesuffix("\r")
        except UnicodeDecodeError:
            text = ""
        lines = text.split("\n")
        # Quotes, spaces, and what no page shows, are rare: whole blocks are without.
        if text and '"' not in text and " " not in text and "".join(lines).isprintable():
            self._read_plain(batch, lines, line)
            batch.lines_done = line + len(lines)
            return batch
        for raw in block.split(b"\n"):
            line += 1
            self._read_line(batch, line, raw)
        batch.lines_done = line
        return batch

    def _read_plain(self, batch: Batch, lines: list[str], line: int) -> None:
        """Lines with nothing between their commas that has to be looked at."""
        pick, width, rows = self._pick, self._width, batch.rows
        for text in lines:
            line += 1
            fields = text.split(",")
            if len(fields) == width and len(text) < LONGEST_LINE:
                fields.append("")
                rows.append((line, text, Row._make(pick(fields))))
            else:
                self._read_line(batch, line, text.encode())

    def _read_line(self, batch: Batch, line: int, raw: bytes) -> None:
        """Any line."""
        reason = ""
        fields: list[str] = []
        text = _shown(raw)
        if not text or text.isspace():
            return
        if len(raw) >= LONGEST_LINE:
            reason = _TOO_LONG
        # What no page shows is rare, and some of it is text: spaces that do not break, for one.
        elif not text.isprintable() and _CONTROLS.search(text):
            reason = "This line holds characters that are no text."
        elif "�" in text and not _is_utf8(raw):
            reason = "This line is not UTF-8 text."
        else:
            try:
                fields = text.split(",") if '"' not in text else _split(text)
            except csv.Error:
                reason = "A quote is not closed, or stands in the wrong place."
        if not reason and len(fields) != self._width:
            many = "many" if len(fields) > self._width else "few"
            reason = f"Too {many} fields: {len(fields)}, where the first line names {self._width} columns."
        if reason:
            batch.faults.append(fault(line, "", reason, text))
            return
        fields.append("")
        batch.rows.append((line, text, Row._make(map(str.strip, self._pick(fields)))))


def _refuse_unended(file: IO[bytes], batch: Batch, line: int, raw: bytes) -> int:
    """Refuse a line without a line break; how many bytes more it had."""
    skipped = 0
    while rest := file.readline(LONGEST_LINE):
        skipped += len(rest)
        if rest.endswith(b"\n"):
            break
    is_long = len(raw) + skipped >= LONGEST_LINE
    reason = (
        _TOO_LONG if is_long else "The file ends in this line, before its line break: it may have been cut."
    )
    batch.faults.append(fault(line, "", reason, _shown(raw)))
    return skipped


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _split(text: str) -> list[str]:
    """The fields of one line with quotes in it. Raises csv.Error where they do not match."""
    return next(csv.reader([text], strict=True), [])


def _shown(raw: bytes) -> str:
    return raw.decode(errors="replace").rstrip("\r\n")


def fault(line: int, field: str, reason: str, content: str) -> Fault:
    """A fault as it can be kept: cut where it is long, and without what no database takes."""
    return Fault(line, field, _CONTROLS.sub("�", reason)[:300], _CONTROLS.sub("�", content[:_SHOWN]))
