"""Lists as CSV files, streamed: the first row is on its way before the last one is read."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal

from django.http import StreamingHttpResponse

Cell = str | int | Decimal | date | datetime | None

# A spreadsheet runs what begins like this, unless it is plainly a number, or several.
_FORMULA = re.compile(r"^[=+\-@\t\r]")
_ONE = r"[+-]?\d[\d ().,-]*"
_NUMBER = re.compile(rf"^{_ONE}(?:; {_ONE})*$")


class _Echo:
    """A file whose `write` hands back what it was given."""

    def write(self, text: str) -> str:
        return text


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """The lines of a CSV file (RFC 4180), the header first. Text is kept from running as a formula."""
    writer = csv.writer(_Echo())
    yield writer.writerow(header)
    for row in rows:
        yield writer.writerow([cell_text(cell) for cell in row])


def csv_response(name: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> StreamingHttpResponse:
    """A download called `name` (without its ending), with a row for each of `rows`."""
    return StreamingHttpResponse(
        csv_lines(header, rows),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}.csv"',
            "X-Content-Type-Options": "nosniff",
        },
    )


def cell_text(cell: Cell) -> str:
    """A value as the file keeps it: ISO dates, decimals with a point, nothing for None."""
    if cell is None:
        return ""
    if isinstance(cell, date | datetime):
        return cell.isoformat()
    if isinstance(cell, Decimal):
        return format(cell, "f")
    text = str(cell)
    if _FORMULA.match(text) and not _NUMBER.match(text):
        return f"'{text}"
    return text
