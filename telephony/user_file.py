"""Reads a file of end users: CSV in UTF-8 of up to 1,000 rows and 2 MB (LIC-2).

The first line names the columns, in any order; only `name` is needed. Columns that the panel itself adds
when it hands a file back (`line`, `reason`) are passed over, so a mended file can be chosen again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from accounts.refusals import Refused

if TYPE_CHECKING:
    from _csv import Reader

COLUMNS: Final = (
    "name",
    "email",
    "extension",
    "department",
    "location",
    "licence",
    "subscription",
    "number",
)
OWN_COLUMNS: Final = ("line", "reason")
MOST_ROWS: Final = 1_000
MOST_BYTES: Final = 2 * 1024 * 1024
RULE: Final = "LIC-2"

SAMPLE: Final = (
    ("Ann Field", "ann.field@example.com", "1001", "Sales", "", "UC licence", "", "212"),
    ("Ben Stone", "ben.stone@example.com", "1002", "Support", "", "UC licence", "", ""),
    ("Cleo Marsh", "", "", "", "", "", "", ""),
)

_ALIASES: Final = {"e-mail": "email", "e-mail address": "email", "license": "licence"}
_SEPARATORS: Final = (",", ";", "\t")
_BOM: Final = b"\xef\xbb\xbf"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_FORMULA_STARTS: Final = ("'=", "'+", "'-", "'@")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the file: the line it begins on, and its cells by column, "" where there is none.

    `too_many`: it has more cells than the first line names.
    """

    line: int
    cells: Mapping[str, str]
    too_many: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A file's rows. `columns`: those it has, in its own order; `empty`: how many rows hold nothing."""

    columns: Sequence[str]
    rows: Sequence[Row]
    empty: int


def read_table(content: bytes) -> Table:
    """The rows of a file. Raises Refused, by the field `file`, where the file as a whole cannot be taken."""
    if len(content) > MOST_BYTES:
        raise _refused(
            f"The file has {len(content):,} bytes. At most {MOST_BYTES:,} (2 MB) are taken at once."
        )
    text = _decoded(content)
    first = text.split("\n", 1)[0]
    separator = max(_SEPARATORS, key=first.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        header = next(lines, [])
        columns = _columns(header)
        rows, empty = _rows(lines, columns)
    except csv.Error as error:
        raise _refused(
            f"Line {lines.line_num} is not CSV: {error}. A quote that is opened has to be closed."
        ) from error
    if not rows:
        raise _refused("The file has no rows below its first line.")
    return Table([column for column in columns if column not in OWN_COLUMNS], rows, empty)


def _decoded(content: bytes) -> str:
    if content.startswith(_UTF_16) or b"\0" in content:
        raise _refused("The file is not UTF-8 but UTF-16 or no text at all. Save it as “CSV UTF-8”.")
    try:
        return content.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _refused(
            f"Line {line:,} is not UTF-8. Save the file as “CSV UTF-8” and choose it again."
        ) from error


def _columns(header: Sequence[str]) -> list[str]:
    """The columns by the names that the first line gives."""
    names = [" ".join(name.split()).lower() for name in header]
    while names and not names[-1]:
        names.pop()
    columns = [_ALIASES.get(name, name) for name in names]
    if "name" not in columns:
        raise _refused("The first line has to name the columns, and one of them is “name”.")
    for place, column in enumerate(columns):
        if column not in COLUMNS and column not in OWN_COLUMNS:
            raise _refused(f"There is no column “{header[place][:60]}”. A file has: {', '.join(COLUMNS)}.")
        if column in columns[:place]:
            raise _refused(f"The column “{column}” is there twice.")
    return columns


def _rows(lines: Reader, columns: Sequence[str]) -> tuple[list[Row], int]:
    rows: list[Row] = []
    empty = 0
    begins = lines.line_num + 1
    for cells in lines:
        line, begins = begins, lines.line_num + 1
        # What came back from the panel has a line and a reason even where nothing else is left.
        own = [place for place, column in enumerate(columns) if column in OWN_COLUMNS]
        if not any(cell.strip() for place, cell in enumerate(cells) if place not in own):
            empty += 1
            continue
        if len(rows) == MOST_ROWS:
            raise _refused(f"The file has more than {MOST_ROWS:,} rows. Split it into several files.")
        found = {column: _cell(cell) for column, cell in zip(columns, cells, strict=False)}
        kept = {column: found.get(column, "") for column in columns if column not in OWN_COLUMNS}
        rows.append(Row(line, kept, too_many=any(cell.strip() for cell in cells[len(columns) :])))
    return rows, empty


def _cell(text: str) -> str:
    """A cell on one line, without the quote that keeps a spreadsheet from running it as a formula."""
    found = " ".join(text.split())
    return found[1:] if found.startswith(_FORMULA_STARTS) else found


def _refused(message: str) -> Refused:
    return Refused(f"{message} Nothing was changed.", rule=RULE, field="file")
