"""INV-5: invoices and lines as CSV, streamed at any size."""

import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import Account
from billing import finance as reading
from billing.models import Invoice
from tests.billing.world import invoices_of
from tests.finance.conftest import Rows, copies


def test_invoices_with_documented_columns(
    file_of: Callable[..., Rows], account: Account, elsewhere: Account
) -> None:
    rows = file_of("invoices")
    assert [row["number"] for row in rows] == ["CP-000002", "HP-000001", "CP-000001"]
    assert list(rows[0]) == list(reading.INVOICE_COLUMNS)
    first = rows[-1]
    assert (first["date"], first["due"], first["account"], first["currency"], first["total"]) == (
        "2026-01-15",
        "2026-01-29",
        "northwind",
        "USD",
        "185.00",
    )


def test_lines_with_ledger_codes_add_up_to_the_invoices(
    file_of: Callable[..., Rows], account: Account, elsewhere: Account
) -> None:
    lines, invoices = file_of("lines"), file_of("invoices")
    assert list(lines[0]) == list(reading.LINE_COLUMNS)
    for invoice in invoices:
        own = [line for line in lines if line["invoice"] == invoice["number"]]
        assert sum(Decimal(line["amount"]) for line in own) == Decimal(invoice["total"])
        assert [line["position"] for line in own] == [str(place + 1) for place in range(len(own))]
    assert {line["ledger_code"] for line in lines} == {"4010"}
    partial = lines[-2]
    assert [partial[name] for name in ("days", "of_days", "quantity", "unit_price", "amount")] == [
        "6",
        "31",
        "5",
        "31.00",
        "30.00",
    ]


def test_the_file_follows_the_filter(file_of: Callable[..., Rows], elsewhere: Account) -> None:
    assert [row["number"] for row in file_of("invoices", currency="EUR")] == ["HP-000001"]
    assert {row["invoice"] for row in file_of("lines", account="north", first="2026-02-01")} == {"CP-000002"}


def test_nothing_in_the_file_runs_as_a_formula(file_of: Callable[..., Rows], account: Account) -> None:
    Account.objects.filter(pk=account.pk).update(name="=HYPERLINK(1)")
    assert {row["account_name"] for row in file_of("invoices")} == {"'=HYPERLINK(1)"}


def test_five_thousand_lines_come_in_pieces(
    finance: Client, invoice: Invoice, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    """Streamed: the first row is on its way before the last is read, and memory does not grow with the file."""
    copies(invoice, 2500, lines=2)
    with django_assert_max_num_queries(16):
        response: Any = finance.get("/finance/lines.csv")
        assert response.streaming
        pieces = iter(response.streaming_content)
        assert bytes(next(pieces)).startswith(b"invoice,state,date")
        tracemalloc.start()
        count = sum(1 for _ in pieces)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert count == 5003
    # A batch of a thousand invoices with their lines, and no more.
    assert peak < 16 * 2**20


def test_batches_meet_without_a_gap_or_a_double(
    file_of: Callable[..., Rows], invoice: Invoice, account: Account
) -> None:
    copies(invoice, 2500)
    numbers = [row["number"] for row in file_of("invoices")]
    assert len(numbers) == len(set(numbers)) == 2502
    assert numbers[0] == invoices_of(account)[-1].number
