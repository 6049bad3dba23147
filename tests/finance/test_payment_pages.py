"""INV-5, INV-6: the payments of all accounts, recording a transfer, giving money back, and who has credit."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.http.response import HttpResponseBase
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import Account
from accounts.trail import Actor
from billing.corrections import credit_invoice
from billing.models import Invoice, Payment, Refund
from billing.payments.reading import COLUMNS, PaymentFilters, payments_of_all, totals_of_payments
from billing.payments.refunds import ask_refund
from tests.billing.world import on
from tests.finance.conftest import Rows
from tests.paying import transfer

PAGE = "/finance/payments/"
RECORD = "/finance/transfers/northwind/"
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)

OpensCheaply = Callable[[Client, str], HttpResponseBase]


@pytest.fixture(autouse=True)
def clock() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


def text(response: Any) -> str:
    return str(response.content.decode())


def fields(response: Any) -> dict[str, str]:
    """What a review sends once more."""
    found = response.context.get("fields") or response.context["review"]["fields"]
    return dict(found)


@pytest.fixture
def paid(account: Account, actor: Actor) -> Payment:
    """400.00 of Northwind, which owed 340.00: 60.00 are left."""
    return transfer(account, Decimal(400), date(2026, 2, 20), reference="Ours 1", actor=actor, at=NOW)


@pytest.fixture
def elsewhere_paid(elsewhere: Account, actor: Actor) -> Payment:
    """10.00 EUR of Praha, all of it for an invoice."""
    return transfer(elsewhere, Decimal(10), date(2026, 3, 1), reference="Jejich", actor=actor, at=NOW)


class TestList:
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({}, ["Jejich", "Ours 1"]),
            ({"q": "ours"}, ["Ours 1"]),
            ({"q": "cp-000001"}, ["Ours 1"]),
            ({"first": "2026-03-01"}, ["Jejich"]),
            ({"last": "2026-02-28"}, ["Ours 1"]),
            ({"account": "praha"}, ["Jejich"]),
            ({"account": "WIND"}, ["Ours 1"]),
            ({"currency": "USD"}, ["Ours 1"]),
            ({"kind": "card"}, []),
            ({"kind": "transfer"}, ["Jejich", "Ours 1"]),
            ({"credit": "left"}, ["Ours 1"]),
            ({"sort": "amount"}, ["Jejich", "Ours 1"]),
            ({"sort": "-left"}, ["Ours 1", "Jejich"]),
        ],
    )
    def test_filters_and_orders(
        self,
        finance: Client,
        paid: Payment,
        elsewhere_paid: Payment,
        query: dict[str, str],
        expected: list[str],
    ) -> None:
        found = finance.get(PAGE, query).context["page"].rows
        assert [payment.reference for payment in found] == expected

    @pytest.mark.parametrize(
        "query",
        [{"first": "x"}, {"first": "2026-02-02", "last": "2026-02-01"}, {"brand": "9"}, {"kind": "gold"}],
    )
    @pytest.mark.parametrize("page", [PAGE, "/finance/payments.csv"])
    def test_an_address_that_is_not_understood(
        self, finance: Client, page: str, query: dict[str, str]
    ) -> None:
        assert finance.get(page, query).status_code == 400

    def test_totals_by_currency(
        self, finance: Client, paid: Payment, elsewhere_paid: Payment, actor: Actor
    ) -> None:
        ask_refund(paid, Decimal(15), reason="Too much", actor=actor, at=NOW)
        found = {
            row.currency: (row.received, row.refunded, row.left)
            for row in finance.get(PAGE).context["totals"]
        }
        assert found == {"EUR": (10, 0, 0), "USD": (400, 15, 45)}

    def test_the_file_adds_up(
        self, file_of: Callable[..., Rows], paid: Payment, elsewhere_paid: Payment, actor: Actor
    ) -> None:
        """What came in is what settled, went back and is left."""
        ask_refund(paid, Decimal(15), reason="Too much", actor=actor, at=NOW)
        rows = file_of("payments")
        assert list(rows[0]) == list(COLUMNS)
        for row in rows:
            parts = sum(Decimal(row[name]) for name in ("settled", "refunded", "left"))
            assert parts == Decimal(row["amount"])
        assert rows[1]["invoices"] == "CP-000001; CP-000002"
        assert [row["account"] for row in file_of("payments", currency="EUR")] == ["praha"]

    def test_a_long_file_is_read_in_batches(
        self,
        account: Account,
        actor: Actor,
        monkeypatch: pytest.MonkeyPatch,
        django_assert_max_num_queries: DjangoAssertNumQueries,
        file_of: Callable[..., Rows],
    ) -> None:
        for place in range(25):
            transfer(account, Decimal(1), date(2026, 2, 20), reference=str(place), actor=actor, at=NOW)
        monkeypatch.setattr("billing.payments.reading.BATCH", 10)
        with django_assert_max_num_queries(12):
            rows = file_of("payments")
        assert [row["reference"] for row in rows] == [str(place) for place in reversed(range(25))]

    def test_nobody_else_finds_them(self, support: Client, paid: Payment) -> None:
        """ACC-3."""
        for address in (PAGE, f"{PAGE}{paid.pk}/", f"{PAGE}{paid.pk}/refund/", "/finance/credit/", RECORD):
            assert support.get(address).status_code == 404

    def test_many_rows_cost_no_more_queries(
        self, finance: Client, account: Account, actor: Actor, opens_cheaply: OpensCheaply
    ) -> None:
        for _ in range(55):
            transfer(account, Decimal(10), date(2026, 2, 20), actor=actor, at=NOW)
        last = Payment.objects.latest("pk")
        for _ in range(5):
            ask_refund(last, Decimal(1), reason="x", actor=actor, at=NOW)
        opens_cheaply(finance, PAGE)
        opens_cheaply(finance, f"{PAGE}{last.pk}/")
        opens_cheaply(finance, f"{PAGE}{last.pk}/refund/")
        opens_cheaply(finance, "/finance/refunds/")
        opens_cheaply(finance, "/finance/credit/")
        opens_cheaply(finance, RECORD)
        opens_cheaply(finance, "/finance/transfers/?q=o")
        opens_cheaply(finance, "/finance/invoices/CP-000001/")

    def test_sums_are_exact(self, account: Account, actor: Actor) -> None:
        """BIL-12: SQLite sums in floats, and cents stay cents."""
        for _ in range(30):
            transfer(account, Decimal("0.10"), date(2026, 2, 20), actor=actor, at=NOW)
        (total,) = totals_of_payments(payments_of_all(PaymentFilters()))
        assert total.received == Decimal("3.00")


class TestRecord:
    data = {"amount": "200.00", "on": "2026-02-20", "reference": "Transfer 7"}

    def test_the_account_is_found_by_name_address_and_invoice(
        self, finance: Client, account: Account
    ) -> None:
        for search in ("north", "NORTHWIND", "northwind", "cp-000002"):
            found = finance.get("/finance/transfers/", {"q": search}).context["found"]
            assert [(each.account, each.owed.total) for each, _ in found] == [(account, 340)]
        assert finance.get("/finance/transfers/", {"q": "nobody"}).context["found"] == []
        assert finance.get("/finance/transfers/").context["found"] == []

    def test_what_it_would_settle_stands_before_the_button(self, finance: Client, account: Account) -> None:
        page = finance.get(RECORD, {"amount": "200.00"})
        assert [(str(share.invoice), share.amount) for share in page.context["foreseen"].shares] == [
            ("CP-000001", 185),
            ("CP-000002", 15),
        ]
        review = finance.post(RECORD, self.data)
        assert not Payment.objects.exists()
        done = finance.post(RECORD, fields(review))
        payment = Payment.objects.get()
        assert done.headers["Location"] == f"{PAGE}{payment.pk}/"
        assert (payment.amount, payment.on, payment.reference) == (
            Decimal(200),
            date(2026, 2, 20),
            "Transfer 7",
        )
        assert Invoice.objects.get(number="CP-000002").open_amount == 140

    def test_sending_it_twice_records_one(self, finance: Client, account: Account) -> None:
        """Also where nothing is owed, so that all of it is credit."""
        for _ in range(2):
            data = fields(finance.post(RECORD, {**self.data, "amount": "340.00"}))
            assert finance.post(RECORD, data).status_code == 302
            before = Payment.objects.count()
            again = finance.post(RECORD, data)
            assert "Something has come in or been invoiced since" in text(again)
            assert Payment.objects.count() == before

    @pytest.mark.parametrize(
        ("changes", "field", "words"),
        [
            ({"amount": ""}, "amount", "Enter an amount"),
            ({"amount": "x"}, "amount", "Enter an amount"),
            ({"amount": "0"}, "amount", "above zero"),
            ({"amount": "0.001"}, "amount", "above zero"),
            ({"on": "x"}, "on", "Enter a date"),
            ({"on": "2026-03-03"}, "on", "still to come"),
            ({"reference": ""}, "reference", "known by"),
        ],
    )
    def test_bad_input_is_told_by_its_field(
        self, finance: Client, account: Account, changes: dict[str, str], field: str, words: str
    ) -> None:
        answer = finance.post(RECORD, {**self.data, **changes})
        assert words in answer.context["form"].errors[field][0]
        assert not Payment.objects.exists()

    def test_from_an_invoice_that_is_not_the_oldest(self, finance: Client, account: Account) -> None:
        page = text(finance.get("/finance/invoices/CP-000002/pay/"))
        assert "CP-000002 is not the oldest that is open" in page
        assert "is not the oldest" not in text(finance.get("/finance/invoices/CP-000001/pay/"))
        review = finance.post("/finance/invoices/CP-000002/pay/", {**self.data, "amount": "155.00"})
        done = finance.post("/finance/invoices/CP-000002/pay/", fields(review))
        assert done.headers["Location"] == "/finance/invoices/CP-000002/"
        assert Invoice.objects.get(number="CP-000001").open_amount == 30

    def test_no_such_account(self, finance: Client, account: Account) -> None:
        assert finance.get("/finance/transfers/nobody/").status_code == 404


class TestRefund:
    def test_out_of_what_is_left_and_sent_by_hand(self, finance: Client, paid: Payment) -> None:
        url = f"{PAGE}{paid.pk}/refund/"
        review = finance.post(url, {"source": "own", "amount": "60.00", "reason": "Paid twice"})
        assert "Refund $60.00" in text(review)
        assert not Refund.objects.exists()
        finance.post(url, {**fields(review), "confirmed": "yes"})
        refund = Refund.objects.get()
        assert (refund.state, refund.amount, Payment.objects.get(pk=paid.pk).left) == (
            "asked",
            Decimal(60),
            Decimal(0),
        )
        assert "Record as sent" in text(finance.get(f"{PAGE}{paid.pk}/"))
        assert "Enter the reference" in text(finance.post(f"/finance/refunds/{refund.pk}/sent/", {}))
        finance.post(f"/finance/refunds/{refund.pk}/sent/", {"reference": "Out 9"})
        assert Refund.objects.get().state == "done"
        again = finance.post(f"/finance/refunds/{refund.pk}/off/", {"reason": "Wrong"})
        assert "refunded already" in text(again)

    def test_called_off_it_is_credit_again(self, finance: Client, paid: Payment, actor: Actor) -> None:
        refund = ask_refund(paid, Decimal(60), reason="x", actor=actor, at=NOW)
        finance.post(f"/finance/refunds/{refund.pk}/off/", {"reason": "The account is closed"})
        assert Refund.objects.get().failure == "The account is closed"
        assert Payment.objects.get(pk=paid.pk).left == 60

    def test_out_of_a_credit_note(self, finance: Client, paid: Payment, account: Account) -> None:
        invoice = Invoice.objects.get(number="CP-000001")
        note = credit_invoice(invoice, {2: Decimal(25)}, reason="Goodwill", **on(account, "03-01"))
        url = f"{PAGE}{paid.pk}/refund/"
        review = finance.post(url, {"source": str(note.pk), "amount": "25", "reason": "Goodwill"})
        finance.post(url, {**fields(review), "confirmed": "yes"})
        assert Invoice.objects.get(pk=note.pk).open_amount == 0
        finance.post(f"/finance/refunds/{Refund.objects.get().pk}/sent/", {"reference": "Out 1"})
        assert Invoice.objects.get(pk=note.pk).state == "paid"
        assert "Refunded" in text(finance.get(f"/finance/invoices/{note}/"))

    @pytest.mark.parametrize(
        ("data", "field", "words"),
        [
            ({"source": ""}, "source", "Choose which credit"),
            ({"source": "999"}, "source", "Select a valid choice"),
            ({"amount": "60.01"}, "amount", "At most $60.00"),
            ({"amount": "0"}, "amount", "above zero"),
            ({"amount": "x"}, "amount", "Enter an amount"),
            ({"reason": ""}, "reason", "Say why"),
        ],
    )
    def test_bad_input_is_told_by_its_field(
        self, finance: Client, paid: Payment, data: dict[str, str], field: str, words: str
    ) -> None:
        asked = {"source": "own", "amount": "5", "reason": "Too much", **data}
        answer = finance.post(f"{PAGE}{paid.pk}/refund/", asked)
        assert words in answer.context["form"].errors[field][0]
        assert not Refund.objects.exists()

    def test_sending_it_twice_refunds_once(self, finance: Client, paid: Payment) -> None:
        url = f"{PAGE}{paid.pk}/refund/"
        review = finance.post(url, {"source": "own", "amount": "20.00", "reason": "Too much"})
        data = {**fields(review), "confirmed": "yes"}
        finance.post(url, data)
        assert "since you opened the page" in text(finance.post(url, data))
        assert Refund.objects.count() == 1

    def test_nothing_is_refunded_of_what_has_settled_invoices(
        self, finance: Client, elsewhere_paid: Payment
    ) -> None:
        assert "Nothing can be refunded" in text(finance.get(f"{PAGE}{elsewhere_paid.pk}/refund/"))
        answer = finance.post(
            f"{PAGE}{elsewhere_paid.pk}/refund/", {"source": "own", "amount": "1", "reason": "x"}
        )
        assert answer.status_code == 200
        assert not Refund.objects.exists()

    def test_the_list_and_its_file(
        self, finance: Client, paid: Payment, actor: Actor, file_of: Callable[..., Rows]
    ) -> None:
        ask_refund(paid, Decimal(20), reason="Paid twice", actor=actor, at=NOW)
        for query in ({}, {"q": "north"}, {"q": "twice"}, {"state": "asked"}, {"first": "2026-03-02"}):
            assert len(finance.get("/finance/refunds/", query).context["page"].rows) == 1
        for query in ({"q": "nobody"}, {"state": "done"}, {"last": "2026-03-01"}):
            assert not finance.get("/finance/refunds/", query).context["page"].rows
        (row,) = file_of("refunds")
        assert (row["account"], row["amount"], row["state"]) == ("northwind", "20.00", "asked")


def test_accounts_with_credit(
    finance: Client,
    paid: Payment,
    elsewhere_paid: Payment,
    account: Account,
    file_of: Callable[..., Rows],
) -> None:
    """Of payments and of credit notes together."""
    invoice = Invoice.objects.get(number="CP-000001")
    credit_invoice(invoice, {2: Decimal(25)}, reason="Goodwill", **on(account, "03-01"))
    found = finance.get("/finance/credit/").context["page"].rows
    assert [(each, each.credit) for each in found] == [(account, 85)]
    assert not finance.get("/finance/credit/", {"q": "praha"}).context["page"].rows
    assert [(row["account"], row["credit"]) for row in file_of("credit")] == [("northwind", "85.00")]


def test_invoices_lists_and_files_have_what_is_open(
    finance: Client, account: Account, actor: Actor, file_of: Callable[..., Rows]
) -> None:
    """INV-5: receivables are what is open, not what was invoiced."""
    transfer(account, Decimal(200), date(2026, 2, 20), actor=actor, at=NOW)
    assert [(row["paid"], row["open"]) for row in file_of("invoices")] == [
        ("15.00", "140.00"),
        ("185.00", "0.00"),
    ]
    assert "$140.00" in text(finance.get("/finance/"))
    page = text(finance.get("/finance/invoices/CP-000002/"))
    assert "Paid so far" in page
    assert "$140.00" in page
