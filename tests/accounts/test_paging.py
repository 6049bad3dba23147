"""Paging by key: every row once, whatever the order, and no cursor that breaks the page."""

import csv
import datetime as dt
import io
from base64 import urlsafe_b64encode

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from accounts.exporting import cell_text, csv_lines
from accounts.models import Account, EndUser, Location
from accounts.paging import chosen_order, page_of
from tests import factories

ORDERS = {"name": ("name", "pk"), "newest": ("-added_on", "name", "pk")}


def walk(account: Account, order: tuple[str, ...], size: int) -> list[int]:
    """The keys of all pages, forwards."""
    keys: list[int] = []
    query: dict[str, str] = {}
    while True:
        page = page_of(EndUser.objects.filter(account=account), order=order, query=query, size=size)
        keys += [row.pk for row in page.rows]
        if page.next is None:
            return keys
        query = {"after": page.next}


@pytest.mark.parametrize("asked", ["name", "-name", "newest", "-newest"])
@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_every_row_is_on_one_page(account: Account, asked: str, size: int) -> None:
    day = dt.date(2026, 3, 1)
    for number in range(11):
        EndUser.objects.create(
            account=account, name=f"N{number % 3}", added_on=day + dt.timedelta(days=number % 4)
        )
    order = chosen_order({"sort": asked}, ORDERS, default="name")
    expected = list(EndUser.objects.order_by(*order).values_list("pk", flat=True))
    assert walk(account, order, size) == expected


def test_unknown_order_is_the_default() -> None:
    assert chosen_order({"sort": "password"}, ORDERS, default="-newest") == ("added_on", "-name", "-pk")
    assert chosen_order({}, ORDERS, default="name") == ("name", "pk")


def cursor(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "x",
        "====",
        "\x00",
        "é",
        cursor("[]"),
        cursor("{}"),
        cursor("null"),
        cursor('["a"]'),
        cursor('["a", "b", "c", "d"]'),
        cursor('["not a date", "a", 1]'),
        cursor('["2026-13-45", "a", 1]'),
        cursor('["2026-03-01", "a", "x"]'),
        cursor('["2026-03-01", "a\\u0000", 1]'),
        cursor('["2026-03-01", null, 1]'),
        cursor("[" * 900),
        cursor("[" * 1400),
        cursor('["2026-03-01", "\\ud800", 1]'),
        cursor('[5, "a", 1]'),
        cursor('[true, "a", 1]'),
        "A" * 5000,
    ],
)
def test_bad_cursor_is_the_first_page(account: Account, asked: str) -> None:
    factories.EndUserFactory(account=account)
    order = ORDERS["newest"]
    for name in ("after", "before"):
        query = QueryDict(mutable=True)
        query[name] = asked
        page = page_of(EndUser.objects.all(), order=order, query=query)
        assert len(page.rows) == 1
        assert (page.previous, page.next) == (None, None)


def test_huge_key_in_a_cursor_is_no_error(account: Account) -> None:
    factories.EndUserFactory(account=account)
    page = page_of(
        EndUser.objects.all(),
        order=ORDERS["newest"],
        query={"after": cursor(f'["2026-03-01", "a", {10**30}]')},
    )
    assert page.total == 1


def test_total_is_counted_up_to_a_cap(account: Account) -> None:
    Location.objects.bulk_create(Location(account=account, name=f"L{number}") for number in range(7))
    page = page_of(Location.objects.all(), order=("name", "pk"), query={}, size=2, cap=5)
    assert (page.total, page.is_capped, len(page.rows)) == (5, True, 2)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ("@cmd", "'@cmd"),
        ("+cmd|x", "'+cmd|x"),
        ("-2+3", "'-2+3"),
        ("+12125550100", "+12125550100"),
        ("+12125550100; +12125550101", "+12125550100; +12125550101"),
        ("+12125550100; =1+1", "'+12125550100; =1+1"),
        ("-12.50", "-12.50"),
        ("Ann", "Ann"),
        (None, ""),
    ],
)
def test_export_never_runs_as_a_formula(text: str | None, written: str) -> None:
    """Numbers of phones and money stay numbers; what a spreadsheet would run is kept from it."""
    assert cell_text(text) == written


@given(
    st.lists(
        st.text(alphabet=st.characters(exclude_characters="\x00", exclude_categories=["Cs"])), min_size=1
    )
)
def test_export_is_read_back_as_it_was(cells: list[str]) -> None:
    """Quotes, commas and line ends survive, but for the guard against formulas."""
    lines = "".join(csv_lines(["header"], [cells]))
    (_, row) = csv.reader(io.StringIO(lines, newline=""))
    assert [cell.removeprefix("'") for cell in row] == [cell.removeprefix("'") for cell in cells]
