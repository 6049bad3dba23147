"""INV-6: whatever is invoiced, paid, credited and refunded, in any order, the books add up to the cent."""

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Sum
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Account
from accounts.refusals import Refused
from billing.corrections import correctable, credit_invoice, void_invoice
from billing.models import Invoice, InvoiceState, Payment, Refund, RefundState, Settlement
from billing.payments.foreseen import owed_by
from billing.payments.refunds import ask_refund, call_off, finish_by_hand, refundable
from billing.payments.statements import balance_before, statement_of
from billing.queries import balance_of
from tests.billing.world import an_account, on
from tests.paying import invoiced, transfer
from tests.properties import examples

CENT = Decimal("0.01")
amounts = st.integers(1, 30_000).map(lambda cents: cents * CENT)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ("invoice", "invoice", "transfer", "transfer", "below", "note", "void", "refund", "refund", "end")
        ),
        amounts,
        st.integers(0, 7),
    ),
    min_size=1,
    max_size=14,
)


class Books:
    """An account to which things happen, a day after the other."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.day = account.opened_on

    def step(self, what: str, amount: Decimal, which: int) -> None:
        self.day += timedelta(days=1)
        by = on(self.account, f"{self.day:%m-%d}")
        with suppress(Refused):
            getattr(self, f"do_{what}")(amount, which, by)

    def do_invoice(self, amount: Decimal, which: int, by: dict[str, Any]) -> None:
        invoiced(self.account, amount, self.day, **by)

    def do_below(self, amount: Decimal, which: int, by: dict[str, Any]) -> None:
        invoiced(self.account, -amount, self.day, **by)

    def do_transfer(self, amount: Decimal, which: int, by: dict[str, Any]) -> None:
        came_in = max(self.account.opened_on, self.day - timedelta(days=which % 3))
        transfer(self.account, amount, came_in, **by)

    def do_note(self, amount: Decimal, which: int, by: dict[str, Any]) -> None:
        found = list(Invoice.objects.filter(account=self.account, total__gt=0).order_by("pk"))
        if found:
            invoice = found[which % len(found)]
            left = correctable(invoice).left
            credit_invoice(invoice, {1: min(left, amount)}, reason="Too much", **by)

    def do_void(self, amount: Decimal, which: int, by: dict[str, Any]) -> None:
        found = list(Invoice.objects.filter(account=self.account).order_by("pk"))
        if found:
            void_invoice(found[which % len(found)], reason="Wrong", **by)

    def do_refund(self, amount: Decimal, which: int, by: dict[str, Any]) -> None:
        found = list(Payment.objects.filter(account=self.account).order_by("pk"))
        if found:
            payment = found[which % len(found)]
            can = refundable(payment)
            sources: list[Invoice | None] = [None, *can.credits]
            source = sources[which % len(sources)]
            left = can.own if source is None else -source.open_amount
            # Mostly what can be; now and then more, which is refused.
            asked = amount if which == 7 or not left else min(amount, left, can.most or amount)
            ask_refund(payment, asked, credit=source, reason="Asked for", **by)

    def do_end(self, amount: Decimal, which: int, by: dict[str, Any]) -> None:
        waiting = Refund.objects.filter(payment__account=self.account, state=RefundState.ASKED).first()
        if waiting is not None and which % 2:
            finish_by_hand(waiting, "Sent", **by)
        elif waiting is not None:
            call_off(waiting, "Not sent", **by)


def summed(rows: Any) -> Decimal:
    return (rows.aggregate(sum=Sum("amount"))["sum"] or Decimal(0)).quantize(CENT)


def check(books: Books) -> None:
    """What must hold after each step."""
    account = books.account
    kept = Refund.objects.exclude(state=RefundState.FAILED)
    for invoice in Invoice.objects.filter(account=account):
        used = summed(invoice.settlements) - summed(invoice.used_for) - summed(kept.filter(credit=invoice))
        assert used == invoice.settled, f"{invoice}: {used} is not {invoice.settled}"
        if invoice.state == InvoiceState.PAID:
            assert invoice.settled == invoice.total
    for payment in Payment.objects.filter(account=account):
        used = summed(payment.settlements) + summed(kept.filter(payment=payment, credit=None))
        assert payment.left == payment.amount - used >= 0
        assert summed(kept.filter(payment=payment)) <= payment.amount
    balance = balance_of(account, books.day)
    owed = owed_by(account).total
    credit = sum(Payment.objects.filter(account=account).values_list("left", flat=True), Decimal(0))
    open_credits = Invoice.objects.filter(account=account, state=InvoiceState.ISSUED, total__lt=0)
    credit -= sum((each.open_amount for each in open_credits), Decimal(0))
    assert min(owed, credit) == 0, "owed and credit are never both above zero"
    assert balance.owed == owed - credit
    assert balance.credit == credit
    whole = statement_of(account, account.opened_on, books.day)
    assert whole.closing == balance.owed
    assert whole.opening == 0
    assert whole.invoiced - whole.received == whole.closing
    middle = account.opened_on + (books.day - account.opened_on) / 2
    first, second = (
        statement_of(account, account.opened_on, middle),
        statement_of(account, middle + timedelta(days=1), books.day),
    )
    assert first.closing == second.opening == balance_before(account, middle + timedelta(days=1))
    assert second.closing == balance.owed


@pytest.mark.django_db
@examples(25)
@given(steps=STEPS)
def test_any_order_of_things_adds_up(steps: list[tuple[str, Decimal, int]]) -> None:
    """INV-6, INV-7: settlements are what is settled, nothing is used twice, and the statement tells the balance."""
    with transaction.atomic():
        books = Books(an_account())
        for what, amount, which in steps:
            books.step(what, amount, which)
            check(books)
        transaction.set_rollback(True)


@pytest.fixture
def account(db: None) -> Account:
    return an_account()


def test_a_refund_on_its_way_keeps_its_credit_open(account: Account) -> None:
    """INV-6: a credit of which the rest is used meanwhile is not closed before the refund is through."""
    first = invoiced(account, Decimal(100), account.opened_on, **on(account, "01-02"))
    payment = transfer(account, Decimal(100), account.opened_on, **on(account, "01-02"))
    note = credit_invoice(first, {1: Decimal(50)}, reason="Half", **on(account, "01-03"))
    refund = ask_refund(payment, Decimal(30), credit=note, reason="Asked for", **on(account, "01-04"))
    later = invoiced(account, Decimal(20), account.opened_on, **on(account, "01-05"))
    note = Invoice.objects.get(pk=note.pk)
    assert (note.state, note.open_amount, later.state) == ("issued", Decimal(0), "paid")
    call_off(refund, "The bank account is closed", **on(account, "01-06"))
    assert Invoice.objects.get(pk=note.pk).open_amount == -30
    assert balance_of(account, account.opened_on).credit == 30
    last = invoiced(account, Decimal(30), account.opened_on, **on(account, "01-07"))
    assert last.state == Invoice.objects.get(pk=note.pk).state == "paid"
    assert Settlement.objects.filter(credit=note).count() == 2


def test_what_is_void_stands_on_a_statement_with_nothing(account: Account) -> None:
    """INV-7: a credit note too, which is taken back with what it had paid."""
    first = invoiced(account, Decimal(100), account.opened_on, **on(account, "01-02"))
    note = credit_invoice(first, {1: Decimal(40)}, reason="Too much", **on(account, "01-03"))
    void_invoice(note, reason="It was right", **on(account, "01-04"))
    whole = statement_of(account, account.opened_on, account.opened_on + timedelta(days=9))
    assert [(entry.kind, entry.amount) for entry in whole.entries] == [
        ("invoice", Decimal(100)),
        ("credit-note", Decimal(0)),
    ]
    assert whole.closing == balance_of(account, account.opened_on).owed == 100


def test_a_note_that_was_refunded_stands(account: Account) -> None:
    """INV-1: what money was given back for is not made void."""
    first = invoiced(account, Decimal(100), account.opened_on, **on(account, "01-02"))
    payment = transfer(account, Decimal(100), account.opened_on, **on(account, "01-02"))
    note = credit_invoice(first, {1: Decimal(50)}, reason="Half", **on(account, "01-03"))
    ask_refund(payment, Decimal(30), credit=note, reason="Asked for", **on(account, "01-04"))
    with pytest.raises(Refused, match="given back"):
        void_invoice(note, reason="Wrong", **on(account, "01-05"))


def test_never_more_than_was_paid_or_is_left(account: Account) -> None:
    """INV-6: a refund is at most what is left as credit, and all refunds at most the payment."""

    def do(amount: str, credit: Invoice | None = None) -> Refund:
        asked = Decimal(amount)
        return ask_refund(payment, asked, credit=credit, reason="Asked for", **on(account, "01-04"))

    first = invoiced(account, Decimal(100), account.opened_on, **on(account, "01-02"))
    payment = transfer(account, Decimal(130), account.opened_on, **on(account, "01-02"))
    with pytest.raises(Refused, match=r"Only 30\.00 USD"):
        do("30.01")
    do("30")
    note = credit_invoice(first, {1: Decimal(100)}, reason="All", **on(account, "01-03"))
    with pytest.raises(Refused, match=r"at most 100\.00 USD"):
        do("100.01", credit=note)
    do("100", credit=note)
    with pytest.raises(Refused, match=r"at most 0\.00 USD"):
        do("0.01")


def test_a_form_that_is_sent_twice_refunds_once(account: Account) -> None:
    """INV-6: what somebody else has refunded since is looked at first."""
    payment = transfer(account, Decimal(100), account.opened_on, **on(account, "01-02"))
    seen = refundable(payment).refunded
    by = on(account, "01-03")
    ask_refund(payment, Decimal(10), reason="Asked for", seen=seen, **by)
    with pytest.raises(Refused, match="since you opened the page"):
        ask_refund(payment, Decimal(10), reason="Asked for", seen=seen, **by)
    payment.refresh_from_db()
    assert payment.left == 90


def test_another_accounts_credit_is_not_refunded(account: Account) -> None:
    """INV-6, ACC-4."""
    other = an_account()
    payment = transfer(account, Decimal(100), account.opened_on, **on(account, "01-02"))
    theirs = invoiced(other, Decimal(-50), other.opened_on, **on(other, "01-02"))
    with pytest.raises(Refused, match="not the account's"):
        ask_refund(payment, Decimal(10), credit=theirs, reason="x", **on(account, "01-03"))
