"""One invoice for finance, and marking it as paid or void (INV-1)."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import AuditEntry, User
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.corrections import credit_invoice, void_invoice
from billing.models import Invoice, InvoiceLine, InvoiceState
from tests.finance.conftest import copies
from tests.paying import pay

PAGE = "/finance/invoices/CP-000001/"
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)


def again(invoice: Invoice) -> Invoice:
    return Invoice.objects.get(pk=invoice.pk)


def messages_of(response: HttpResponseBase) -> str:
    content = getattr(response, "content", b"")
    return bytes(content).decode()


def test_shows_the_document_and_that_its_lines_add_up(finance: Client, invoice: Invoice) -> None:
    response = finance.get(PAGE)
    assert response.context["document"]["total"] == 185
    assert response.context["line_sum"] == 185
    text = messages_of(response)
    assert "Record payment" in text
    assert "Issue credit note" in text
    assert f"/staff/runs/{invoice.run_id}/" in text


@pytest.mark.parametrize("lines", [1, 60])
def test_as_many_queries_for_any_number_of_lines(
    finance: Client,
    invoice: Invoice,
    opens_cheaply: Callable[[Client, str], HttpResponseBase],
    lines: int,
) -> None:
    copies(invoice, 1, lines=lines)
    opens_cheaply(finance, "/finance/invoices/CP-001001/")


def test_five_hundred_lines_come_in_pages(finance: Client, invoice: Invoice) -> None:
    copies(invoice, 1, lines=500)
    page = "/finance/invoices/CP-001001/"
    response = finance.get(page, {"from": "401"})
    (section,) = [each for each in response.context["document"]["sections"] if each["lines"]]
    assert len(section["lines"]) == 100
    part = response.context["part"]
    assert (part["first"], part["last"], part["previous"], part["next"]) == (401, 500, 201, None)
    for nonsense in ("-1", "x", "999999", "9" * 30):
        assert finance.get(page, {"from": nonsense}).context["part"]["first"] == 1


@pytest.mark.parametrize("number", ["CP-000009", "nonsense", "%00"])
def test_no_such_invoice_is_404(finance: Client, invoice: Invoice, number: str) -> None:
    for tail in ("", "pay/", "void/", "credit/"):
        assert finance.get(f"/finance/invoices/{number}/{tail}").status_code == 404


def test_support_and_customers_get_404_and_change_nothing(support: Client, invoice: Invoice) -> None:
    """ACC-3."""
    for tail in ("pay/", "void/", "credit/"):
        data = {"on": "2026-02-01", "reference": "x", "reason": "x", "confirm_name": invoice.number}
        assert support.post(PAGE + tail, data).status_code == 404
    assert again(invoice).state == InvoiceState.ISSUED


# --- paid ----------------------------------------------------------------------------------------


def record(finance: Client, **data: str) -> Any:
    """Record a payment of the whole invoice, and confirm it where it can be."""
    review = finance.post(PAGE + "pay/", {"amount": "185.00", **data})
    fields = review.context.get("fields") if review.context else None
    return finance.post(PAGE + "pay/", dict(fields)) if fields else review


def test_marking_as_paid_is_kept_with_date_and_reference_and_in_the_trail(
    finance: Client, accountant: User, invoice: Invoice
) -> None:
    response = record(finance, on="2026-01-20", reference="Transfer 77")
    assert response.headers["Location"] == PAGE
    paid = again(invoice)
    assert (paid.state, paid.paid_on, paid.payment_reference) == ("paid", date(2026, 1, 20), "Transfer 77")
    entry = AuditEntry.objects.get(action="settle-invoice")
    assert (entry.account, entry.user, entry.address) == (invoice.account, accountant, "203.0.113.9")
    assert entry.after == {"state": "paid", "paid_on": "2026-01-20", "reference": "Transfer 77"}
    assert "Record payment" not in messages_of(finance.get(PAGE))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"on": "", "reference": "x"}, "Enter a date"),
        ({"on": "soon", "reference": "x"}, "Enter a date"),
        ({"on": "2026-01-20", "reference": ""}, "Enter what the payment is known by"),
        ({"on": "2026-01-20", "reference": "x" * 81}, "at most 80 characters"),
        ({"on": "2099-01-01", "reference": "x"}, "still to come"),
        ({"on": "2026-01-20", "reference": "x", "amount": ""}, "Enter an amount"),
        ({"on": "2026-01-20", "reference": "x", "amount": "-1"}, "above zero"),
        ({"on": "2026-01-20", "reference": "x", "amount": "0.001"}, "above zero"),
    ],
)
def test_a_payment_that_cannot_be_changes_nothing(
    finance: Client, invoice: Invoice, data: dict[str, str], message: str
) -> None:
    response = finance.post(PAGE + "pay/", {"amount": "185.00", **data})
    assert message in messages_of(response)
    assert again(invoice).state == InvoiceState.ISSUED
    assert not AuditEntry.objects.filter(action="settle-invoice").exists()


@pytest.mark.parametrize("action", ["pay/", "void/"])
def test_what_is_paid_stays_paid(finance: Client, actor: Actor, invoice: Invoice, action: str) -> None:
    """INV-1: a refusal with the rule, in words."""
    pay(invoice, on=date(2026, 1, 20), reference="First", actor=actor, at=NOW)
    data = {
        "amount": "1.00",
        "on": "2026-01-21",
        "reference": "Again",
        "reason": "Oops",
        "confirm_name": invoice.number,
    }
    response = finance.post(PAGE + action, data, follow=True)
    assert "Invoice CP-000001 is paid" in messages_of(response)
    assert (again(invoice).state, again(invoice).payment_reference) == ("paid", "First")


def test_a_payment_uses_up_the_open_credit_notes_of_the_invoice(actor: Actor, invoice: Invoice) -> None:
    """The customer paid what was left; nothing of either stays open."""
    note = credit_invoice(invoice, {2: Decimal("55.00")}, reason="Goodwill", actor=actor, at=NOW)
    pay(invoice, on=date(2026, 1, 20), reference="130 by transfer", actor=actor, at=NOW)
    assert (again(note).state, again(note).payment_reference) == ("paid", "Used with CP-000001")
    assert Invoice.objects.filter(state="issued").count() == 1  # that of February


# --- void ----------------------------------------------------------------------------------------


def test_void_asks_for_the_number_and_a_reason(finance: Client, invoice: Invoice) -> None:
    wrong = finance.post(PAGE + "void/", {"reason": "Test account", "confirm_name": "CP-000002"})
    assert "Type CP-000001 to confirm" in messages_of(wrong)
    unsaid = finance.post(PAGE + "void/", {"reason": "", "confirm_name": invoice.number})
    assert "Say why it is no longer owed" in messages_of(unsaid)
    assert again(invoice).state == InvoiceState.ISSUED
    done = finance.post(PAGE + "void/", {"reason": "Test account", "confirm_name": " CP-000001 "})
    assert done.status_code == 302
    assert (again(invoice).state, again(invoice).void_reason) == ("void", "Test account")
    assert (
        AuditEntry.objects.get(action="void-invoice").summary == "Invoice CP-000001 made void: Test account"
    )


def test_void_keeps_number_lines_and_amounts(actor: Actor, invoice: Invoice) -> None:
    """INV-1."""
    lines = list(InvoiceLine.objects.filter(invoice=invoice).values())
    void_invoice(invoice, reason="Test account", actor=actor, at=NOW)
    after = again(invoice)
    assert (after.number, after.total) == (invoice.number, invoice.total)
    assert list(InvoiceLine.objects.filter(invoice=invoice).values()) == lines


def test_what_a_credit_note_corrects_is_not_made_void(actor: Actor, invoice: Invoice) -> None:
    credit_invoice(invoice, {1: Decimal("1.00")}, reason="Goodwill", actor=actor, at=NOW)
    with pytest.raises(Refused, match="Credit the rest of it instead"):
        void_invoice(invoice, reason="Test account", actor=actor, at=NOW)


def test_a_day_is_the_account_s_own(finance: Client, invoice: Invoice) -> None:
    """Late in the evening in New York it is tomorrow in UTC already; the account's today is no day to come."""
    with time_machine.travel(datetime(2026, 3, 3, 3, tzinfo=UTC), tick=False):
        tomorrow = record(finance, on="2026-03-03", reference="x")
        assert "still to come" in messages_of(tomorrow)
        today = record(finance, on="2026-03-02", reference="x")
    assert today.status_code == 302
    assert again(invoice).paid_on == date(2026, 3, 2)
    assert again(invoice).paid_on == NOW.date() + timedelta(0)
