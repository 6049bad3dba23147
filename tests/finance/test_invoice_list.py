"""INV-5: the invoices of all accounts, by date, brand, account and state."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account
from accounts.trail import Actor
from billing import finance as reading
from billing.corrections import void_invoice
from billing.models import Invoice, InvoiceLine, InvoiceRun
from tests.billing.world import invoices_of, on
from tests.finance.conftest import copies
from tests.paying import pay

PAGE = "/finance/"


def numbers(client: Client, **query: Any) -> list[str]:
    response = client.get(PAGE, query)
    assert response.status_code == 200
    return [invoice.number for invoice, _, _ in response.context["rows"]]


@pytest.fixture
def three(account: Account, elsewhere: Account) -> None:
    """CP-000001 of January 15, CP-000002 of February 15, and HP-000001 of January 15 in EUR."""


def test_all_accounts_newest_first(finance: Client, three: None) -> None:
    assert numbers(finance) == ["CP-000002", "HP-000001", "CP-000001"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"q": "cp-000001"}, ["CP-000001"]),
        ({"q": "CP-"}, ["CP-000002", "CP-000001"]),
        ({"q": "1"}, ["HP-000001", "CP-000001"]),
        ({"q": "%"}, []),
        ({"first": "2026-02-15"}, ["CP-000002"]),
        ({"last": "2026-01-15"}, ["HP-000001", "CP-000001"]),
        ({"first": "2026-01-15", "last": "2026-01-15"}, ["HP-000001", "CP-000001"]),
        ({"account": "praha"}, ["HP-000001"]),
        ({"account": "WIND"}, ["CP-000002", "CP-000001"]),
        ({"currency": "EUR"}, ["HP-000001"]),
        ({"kind": "credit-note"}, []),
        ({"state": "paid"}, []),
        ({"state": "overdue"}, ["CP-000002", "HP-000001", "CP-000001"]),
        ({"sort": "number"}, ["CP-000001", "CP-000002", "HP-000001"]),
        ({"sort": "-total"}, ["CP-000001", "CP-000002", "HP-000001"]),
        ({"sort": "nonsense"}, ["CP-000002", "HP-000001", "CP-000001"]),
    ],
)
def test_filters_and_orders(finance: Client, three: None, query: dict[str, str], expected: list[str]) -> None:
    assert numbers(finance, **query) == expected


def test_filters_by_brand_run_and_payment(
    finance: Client, actor: Actor, account: Account, elsewhere: Account
) -> None:
    assert numbers(finance, brand=elsewhere.brand_id) == ["HP-000001"]
    first = InvoiceRun.objects.order_by("pk")[0]
    assert numbers(finance, run=first.pk) == ["CP-000001"]
    paid = invoices_of(account)[0]
    pay(paid, on=paid.issued_on, reference="Transfer 1", actor=actor, at=on(account, "03-02")["at"])
    assert numbers(finance, state="paid") == ["CP-000001"]
    assert numbers(finance, state="issued") == ["CP-000002", "HP-000001"]


@pytest.mark.parametrize(
    "query",
    [
        {"first": "yesterday"},
        {"first": "2026-02-02", "last": "2026-02-01"},
        {"brand": "999"},
        {"brand": "x"},
        {"state": "open"},
        {"currency": "BTC"},
        {"run": "-1"},
        {"run": "x"},
        {"q": "x" * 200},
        {"account": "a\0b"},
    ],
)
@pytest.mark.parametrize("page", ["", "totals/", "invoices.csv", "lines.csv"])
def test_a_malformed_address_is_400_with_what_was_wrong(
    finance: Client, account: Account, page: str, query: dict[str, str]
) -> None:
    response = finance.get(PAGE + page, query)
    assert response.status_code == 400
    assert "This address was not understood" in response.content.decode()


@pytest.mark.parametrize("rows", [1, 60])
def test_as_many_queries_for_one_row_as_for_sixty(
    finance: Client,
    invoice: Invoice,
    opens_cheaply: Callable[[Client, str], HttpResponseBase],
    rows: int,
) -> None:
    copies(invoice, rows)
    opens_cheaply(finance, PAGE)


def test_pages_by_key_show_each_invoice_once(finance: Client, invoice: Invoice) -> None:
    copies(invoice, 60)
    seen: list[str] = []
    query: dict[str, str] = {"sort": "number"}
    while True:
        response = finance.get(PAGE, query)
        seen += [row.number for row, _, _ in response.context["rows"]]
        if not response.context["page"].next:
            break
        query["after"] = response.context["page"].next
    assert len(seen) == len(set(seen)) == 62
    assert seen == sorted(seen)


def test_totals_are_of_all_that_the_filter_lets_through_and_equal_the_lines(
    finance: Client, account: Account, elsewhere: Account, invoice: Invoice
) -> None:
    """INV-5: not of the page alone; a row for each currency."""
    copies(invoice, 60)
    eur, usd = finance.get(PAGE).context["totals"]
    assert (eur.currency, eur.invoices, eur.invoiced, eur.lines, eur.difference) == (
        "EUR",
        1,
        Decimal("32.52"),
        Decimal("32.52"),
        0,
    )
    # 185.00 and 155.00, and sixty of 1.00.
    assert (usd.invoices, usd.open, usd.paid, usd.invoiced, usd.lines) == (62, 400, 0, 400, 400)
    (january,) = finance.get(PAGE, {"q": "CP-000001"}).context["totals"]
    assert (january.invoiced, january.difference) == (185, 0)


def test_what_is_void_is_owed_on_neither_side(finance: Client, actor: Actor, invoice: Invoice) -> None:
    """INV-5: it shows in its own column; invoices and lines still agree."""
    void_invoice(invoice, reason="Test account", actor=actor, at=on(invoice.account, "03-02")["at"])
    (usd,) = finance.get(PAGE).context["totals"]
    assert [usd.open, usd.paid, usd.void, usd.invoiced, usd.lines] == [155, 0, 185, 155, 155]
    assert usd.difference == 0


def test_totals_tell_when_the_lines_do_not_add_up(finance: Client, invoice: Invoice) -> None:
    """INV-5: the check is a check. A line that came in beside the panel is seen."""
    line = InvoiceLine.objects.filter(invoice=invoice).latest("position")
    line.pk, line.position, line.amount = None, 99, Decimal("0.01")
    line.save()
    (usd,) = finance.get(PAGE).context["totals"]
    assert usd.difference == Decimal("0.01")
    assert "Differs" in finance.get(PAGE).content.decode()


def test_very_many_invoices_are_added_up_on_their_own_page(
    finance: Client, invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list stays quick: above the cap of its count it asks for the totals apart."""
    copies(invoice, 5)
    monkeypatch.setattr("accounts.paging.page_of.__kwdefaults__", {"size": 50, "cap": 3})
    response = finance.get(PAGE, {"currency": "USD"})
    assert response.context["totals"] is None
    assert "/finance/totals/?currency=USD" in response.content.decode()
    (usd,) = finance.get("/finance/totals/", {"currency": "USD"}).context["totals"]
    assert (usd.invoices, usd.difference) == (7, 0)


def test_sums_are_exact_however_the_database_adds(finance: Client, invoice: Invoice) -> None:
    """BIL-12: SQLite adds in floats, where ten times 0.10 is not 1."""
    copies(invoice, 10)
    (usd,) = reading.totals_of(Invoice.objects.all())
    assert str(usd.invoiced) == "350.0000"


def test_support_and_customers_get_404(support: Client, account: Account) -> None:
    """ACC-3."""
    for page in ("", "totals/", "invoices.csv", "lines.csv", "invoices/CP-000001/"):
        assert support.get(PAGE + page).status_code == 404


def test_an_empty_list_says_what_will_be_there(finance: Client) -> None:
    assert "No invoices yet" in finance.get(PAGE).content.decode()
