"""Reads CSV files that people upload: with a comma or a semicolon, in UTF-8, refused with the line where they break."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator

from accounts.refusals import Refused

Unreadable = Callable[[str], Refused]
"""Makes the refusal of a whole file out of what is wrong with it."""


def cells_of(lines: Iterable[bytes], unreadable: Unreadable) -> Iterator[tuple[int, list[str]]]:
    """The rows of a file as cells, each with the number of the line on which it ends; empty rows are passed over.

    The first line says by which of comma and semicolon cells are divided. Raises what `unreadable` makes for
    another encoding, a NUL character, and a quote that nothing closes.
    """
    source = iter(_texts(lines, unreadable))
    first = next(source, "")
    delimiter = ";" if ";" in first and "," not in first else ","

    def all_lines() -> Iterator[str]:
        yield first
        yield from source

    reader = csv.reader(all_lines(), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise unreadable(
            f"Line {reader.line_num} cannot be read: {error}. Perhaps the file is only half of it."
        ) from None


def _texts(lines: Iterable[bytes], unreadable: Unreadable) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise unreadable(f"Line {number} is not in UTF-8. Save the file as CSV in UTF-8.") from None
        if "\0" in text:
            raise unreadable(f"Line {number} holds a NUL character: this is no CSV file.")
        yield text
