"""INV-1: what was issued never changes; corrections are credit notes that refer to it."""

import threading
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from accounts.models import Account, AuditEntry
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.corrections import correctable, credit_invoice, void_invoice
from billing.licences import add_licences, remove_licences
from billing.models import Invoice, InvoiceLine
from tests.billing.world import an_account, bill, invoices_of, on, price, product
from tests.paying import pay
from tests.properties import examples

PAGE = "/finance/invoices/CP-000001/credit/"
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)


def notes(invoice: Invoice) -> list[Invoice]:
    return list(Invoice.objects.filter(corrects=invoice).order_by("pk"))


def test_a_note_has_the_next_number_negative_amounts_and_refers_to_the_invoice(
    actor: Actor, invoice: Invoice
) -> None:
    before = list(Invoice.objects.filter(pk=invoice.pk).values())
    note = credit_invoice(
        invoice, {1: Decimal("30.00"), 2: Decimal("50.50")}, reason="Late delivery", actor=actor, at=NOW
    )
    assert (note.number, note.kind, note.state, note.corrects) == (
        "CP-000003",
        "credit-note",
        "issued",
        invoice,
    )
    assert (note.subtotal, note.tax, note.total, note.issued_on) == (
        Decimal("-80.50"),
        Decimal(0),
        Decimal("-80.50"),
        date(2026, 3, 2),
    )
    lines = list(note.lines.order_by("position"))
    assert [(line.amount, line.corrects_position, line.ledger_code, line.section) for line in lines] == [
        (-30, 1, "4010", "credit"),
        (Decimal("-50.50"), 2, "4010", "credit"),
    ]
    assert lines[0].why == "CP-000001, line 1: Late delivery"
    assert list(Invoice.objects.filter(pk=invoice.pk).values()) == [
        {**before[0], "settled": Decimal("80.50")}
    ]
    entry = AuditEntry.objects.get(action="issue-credit-note")
    assert entry.summary == "Credit note CP-000003 of -80.50 USD issued for CP-000001: Late delivery"


@pytest.mark.parametrize(
    ("amounts", "message", "field"),
    [
        ({}, "Say how much", None),
        ({1: Decimal(0)}, "Say how much", None),
        ({1: Decimal("30.01")}, "Of line 1 at most 30.00 USD", "line_1"),
        ({1: Decimal(-1)}, "above zero", "line_1"),
        ({1: Decimal("1.005")}, "whole steps of 0.01", "line_1"),
        ({9: Decimal(1)}, "nothing to credit on line 9", "line_9"),
    ],
)
def test_never_more_than_was_invoiced(
    actor: Actor, invoice: Invoice, amounts: dict[int, Decimal], message: str, field: str | None
) -> None:
    with pytest.raises(Refused, match=message) as refusal:
        credit_invoice(invoice, amounts, reason="x", actor=actor, at=NOW)
    assert (refusal.value.rule, refusal.value.field) == ("INV-1", field)
    assert notes(invoice) == []


def test_what_was_credited_before_counts(actor: Actor, invoice: Invoice) -> None:
    credit_invoice(invoice, {1: Decimal("20.00")}, reason="x", actor=actor, at=NOW)
    with pytest.raises(Refused, match=r"Of line 1 at most 10.00 USD"):
        credit_invoice(invoice, {1: Decimal("10.01")}, reason="x", actor=actor, at=NOW)
    credit_invoice(invoice, {1: Decimal("10.00")}, reason="x", actor=actor, at=NOW)
    can = correctable(invoice)
    assert [can.credited, can.left] == [30, 155]


def test_a_void_note_gives_its_amount_back(actor: Actor, invoice: Invoice) -> None:
    note = credit_invoice(invoice, {1: Decimal("30.00")}, reason="x", actor=actor, at=NOW)
    void_invoice(note, reason="Wrong invoice", actor=actor, at=NOW)
    assert correctable(invoice).credited == 0
    assert Invoice.objects.get(pk=invoice.pk).settled == 0
    credit_invoice(invoice, {1: Decimal("30.00")}, reason="x", actor=actor, at=NOW)


def test_credits_on_the_invoice_itself_count_too(account: Account, actor: Actor) -> None:
    """A line of 155.00 on an invoice of 93.00 is not credited beyond the 93.00 that were owed."""
    remove_licences(account, product("uc-licence"), 1, **on(account, "02-15"))
    bill(account, "03-15")
    march = invoices_of(account)[-1]
    assert march.total == 93
    (line,) = march.lines.filter(amount__gt=0)
    with pytest.raises(Refused, match=r"more than the 93.00 USD that is left"):
        credit_invoice(
            march, {line.position: Decimal("93.01")}, reason="x", actor=actor, at=on(account, "03-16")["at"]
        )


def test_credited_in_full_an_open_invoice_is_settled(actor: Actor, invoice: Invoice) -> None:
    first = credit_invoice(invoice, {1: Decimal("30.00")}, reason="x", actor=actor, at=NOW)
    second = credit_invoice(invoice, {2: Decimal("155.00")}, reason="x", actor=actor, at=NOW)
    states = {
        row.number: (row.state, row.payment_reference) for row in Invoice.objects.exclude(number="CP-000002")
    }
    assert states == {
        invoice.number: ("paid", "Credit note CP-000004"),
        first.number: ("paid", "Used with CP-000001"),
        second.number: ("paid", "Used with CP-000001"),
    }
    assert second.state == "paid"


def test_the_note_of_a_paid_invoice_is_credit_for_the_next(actor: Actor, invoice: Invoice) -> None:
    """INV-6: it goes to what is open, the oldest first."""
    pay(invoice, on=date(2026, 1, 20), reference="x", actor=actor, at=NOW)
    note = credit_invoice(invoice, {2: Decimal("155.00")}, reason="x", actor=actor, at=NOW)
    following = Invoice.objects.get(number="CP-000002")
    assert (note.state, note.payment_reference) == ("paid", "Used with CP-000002")
    assert (following.state, following.settled) == ("paid", following.total)
    with pytest.raises(Refused, match="is paid, so it cannot be made void"):
        void_invoice(note, reason="x", actor=actor, at=NOW)


def test_no_note_for_a_note_or_for_what_is_void(actor: Actor, invoice: Invoice) -> None:
    note = credit_invoice(invoice, {1: Decimal("1.00")}, reason="x", actor=actor, at=NOW)
    other = Invoice.objects.get(number="CP-000002")
    void_invoice(other, reason="x", actor=actor, at=NOW)
    for cannot in (note, other):
        with pytest.raises(Refused, match="issued or paid"):
            credit_invoice(cannot, {1: Decimal("1.00")}, reason="x", actor=actor, at=NOW)


def test_a_note_decided_on_by_an_old_page_is_refused(actor: Actor, invoice: Invoice) -> None:
    """A form sent twice credits once."""
    credit_invoice(invoice, {1: Decimal("1.00")}, reason="x", actor=actor, at=NOW, seen=Decimal(0))
    with pytest.raises(Refused, match="has been credited since"):
        credit_invoice(invoice, {1: Decimal("1.00")}, reason="x", actor=actor, at=NOW, seen=Decimal(0))


# --- the page ------------------------------------------------------------------------------------


def test_choose_look_issue(finance: Client, invoice: Invoice) -> None:
    chosen = {"line_1": "12.50", "line_2": "", "reason": "Late delivery"}
    review = finance.post(PAGE, chosen)
    assert review.context["review"]["total"] == Decimal("-12.50")
    assert notes(invoice) == []
    fields = dict(review.context["review"]["fields"])
    edit = finance.post(PAGE, {**fields, "edit": "yes"})
    assert 'value="12.50"' in edit.content.decode()
    done = finance.post(PAGE, {**fields, "confirmed": "yes"})
    (note,) = notes(invoice)
    assert done.headers["Location"] == f"/finance/invoices/{note.number}/"
    assert note.total == Decimal("-12.50")
    twice = finance.post(PAGE, {**fields, "confirmed": "yes"})
    assert "has been credited since" in twice.content.decode()
    assert len(notes(invoice)) == 1


def test_everything_at_once(finance: Client, invoice: Invoice) -> None:
    review = finance.post(PAGE, {"everything": "on", "reason": "Never delivered"})
    fields = dict(review.context["review"]["fields"])
    finance.post(PAGE, {**fields, "confirmed": "yes"})
    assert [note.total for note in notes(invoice)] == [-185]
    assert "Nothing is left to credit" in finance.get(PAGE).content.decode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"reason": "x"}, "Say how much of which line"),
        ({"reason": "", "line_1": "1"}, "Say why it is credited"),
        ({"reason": "x", "line_1": "a lot"}, "Enter an amount"),
        ({"reason": "x", "line_1": "-1"}, "greater than or equal to 0"),
        ({"reason": "x", "line_1": "0.001"}, "no more than 2 decimal places"),
        ({"reason": "x", "line_1": "31"}, "at most 30.00 USD"),
        ({"reason": "x", "line_1": "NaN"}, "Enter an amount"),
        ({"reason": "x", "line_1": "1", "confirmed": "yes", "seen": "NaN"}, "has been credited since"),
    ],
)
def test_what_cannot_be_is_said_by_its_field(
    finance: Client, invoice: Invoice, data: dict[str, str], message: str
) -> None:
    response = finance.post(PAGE, data)
    assert response.status_code == 200
    assert message in response.content.decode()
    assert notes(invoice) == []


# --- at the same instant -------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_at_the_same_instant_do_not_credit_a_line_twice() -> None:
    price("uc-licence", "31.00")
    account = an_account()
    add_licences(account, product("uc-licence"), 5, **on(account, "01-02"))
    bill(account, "01-15")
    (invoice,) = invoices_of(account)
    actor = Actor.for_command("tests")
    outcomes: list[str] = []
    barrier = threading.Barrier(2)

    def credit() -> None:
        try:
            barrier.wait(10)
            outcomes.append(
                str(credit_invoice(invoice, {1: Decimal("30.00")}, reason="x", actor=actor, at=NOW))
            )
        except Refused:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=credit) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes)[1:] == ["refused"]
    assert correctable(invoice).credited == 30


class TestAnyNotes(TestCase):
    """Whatever is asked for, in any order: never more than was invoiced, by line and in all."""

    @given(st.lists(st.tuples(st.integers(1, 2), st.integers(1, 20000)), max_size=6))
    @examples(30)
    def test_never_more_than_was_invoiced(self, asked: list[tuple[int, int]]) -> None:
        price("uc-licence", "31.00")
        account = an_account()
        add_licences(account, product("uc-licence"), 5, **on(account, "01-02"))
        bill(account, "01-15")
        (invoice,) = invoices_of(account)
        for position, cents in asked:
            amount = Decimal(cents) / 100
            try:
                credit_invoice(
                    invoice, {position: amount}, reason="x", actor=Actor.for_command("tests"), at=NOW
                )
            except Refused:
                can = correctable(invoice)
                left = {each.line.position: each.left for each in can.lines}
                assert amount > min(left[position], can.left)
        for position, most in ((1, 30), (2, 155)):
            of_line = InvoiceLine.objects.filter(invoice__corrects=invoice, corrects_position=position)
            assert -sum((line.amount for line in of_line), Decimal(0)) <= most
        sequence = list(Invoice.objects.order_by("sequence").values_list("sequence", flat=True))
        assert sequence == list(range(1, len(sequence) + 1))
