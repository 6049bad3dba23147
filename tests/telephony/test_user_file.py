"""The file of end users: what is read of it, and what is refused as a whole (LIC-2)."""

import pytest

from accounts.exporting import csv_lines
from accounts.refusals import Refused
from telephony.user_file import COLUMNS, MOST_BYTES, MOST_ROWS, SAMPLE, read_table


def refusal_of(content: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        read_table(content)
    assert (caught.value.field, caught.value.rule) == ("file", "LIC-2")
    return caught.value


@pytest.mark.parametrize(
    "content",
    [
        b"name,email\nAnn,ann@n.example\n",
        b"\xef\xbb\xbfname,email\r\nAnn,ann@n.example\r\n",
        b"Name;E-Mail\nAnn;ann@n.example",
        b"name\temail\nAnn\tann@n.example\n",
        b'"name", EMAIL,\n" Ann ",ann@n.example,\n',
        b"line,email,name,reason\n2,ann@n.example,Ann,email: taken\n",
    ],
)
def test_reads_what_spreadsheets_save(content: bytes) -> None:
    """LIC-2: with and without a byte order mark, any separator, any order; what the panel added is passed over."""
    (row,) = read_table(content).rows
    assert (row.line, row.cells["name"], row.cells["email"]) == (2, "Ann", "ann@n.example")
    assert set(row.cells) == {"name", "email"}


def test_letters_beyond_ascii() -> None:
    assert read_table("name\nZoë Ångström\n".encode()).rows[0].cells["name"] == "Zoë Ångström"


def test_empty_lines_are_passed_over_and_counted() -> None:
    table = read_table(b"name,email\n\nAnn,\n , \nBen,\n")
    assert [row.line for row in table.rows] == [3, 5]
    assert table.empty == 2


def test_a_cell_of_several_lines_counts_them() -> None:
    """A row is named by the line on which it begins."""
    rows = read_table(b'name,department\n"Ann\nField",Sales\nBen,\n').rows
    assert [(row.line, row.cells["name"]) for row in rows] == [(2, "Ann Field"), (4, "Ben")]


def test_more_cells_than_columns_are_noticed() -> None:
    rows = read_table(b"name,email\nAnn,a@n.example,,\nBen,b@n.example,Sales\n").rows
    assert [row.too_many for row in rows] == [False, True]


def test_comes_back_as_it_went_out() -> None:
    """What looks like a formula is kept from running in the file handed back, and is the same when read again."""
    typed = ("=1+1", "+Ann", "-Ben", "@Cleo", "'quoted'")
    lines = list(csv_lines(["name"], [[name] for name in typed]))
    assert lines[1].startswith("'=")
    assert [row.cells["name"] for row in read_table("".join(lines).encode()).rows] == list(typed)


def test_the_sample_is_a_file_that_is_taken() -> None:
    table = read_table("".join(csv_lines(COLUMNS, SAMPLE)).encode())
    assert tuple(table.columns) == COLUMNS
    assert len(table.rows) == len(SAMPLE)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "name the columns"),
        (b"email\na@n.example\n", "name the columns"),
        (b"Ann Field,ann@n.example\n", "name the columns"),
        (b"name,phone\nAnn,1\n", "no column “phone”"),
        (b"name,email,E-mail\nAnn,,\n", "“email” is there twice"),
        (b"name\n", "no rows"),
        (b"name\n\n  \n", "no rows"),
        ("name\nZoë\n".encode("utf-16"), "UTF-16"),
        ("name\nAnn\nZoë\n".encode("latin-1"), "Line 3 is not UTF-8"),
        (b"name\nA\0nn\n", "no text"),
        (b'name\n"Ann\n', "is not CSV"),
        (b"name\n" + b"Ann\n" * (MOST_ROWS + 1), "more than 1,000 rows"),
        (b"name\n" + b"A" * MOST_BYTES, "2 MB"),
    ],
)
def test_refuses_a_file_as_a_whole(content: bytes, words: str) -> None:
    assert words in refusal_of(content).message


def test_takes_a_thousand_rows() -> None:
    assert len(read_table(b"name\n" + b"Ann\n" * MOST_ROWS).rows) == MOST_ROWS
