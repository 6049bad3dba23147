"""Invoices are collected from the saved card on the day they are due, and on a few days after it (INV-6)."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import Account
from billing.corrections import void_invoice
from billing.licences import add_licences
from billing.models import Chase, Collection, Invoice, InvoiceState, Payment, PaymentMethod
from billing.payments import due as due_module
from billing.payments.collecting import begin_collection, reconcile
from billing.payments.due import begin_due, by_due_day, collect_due
from billing.payments.gateways.base import GatewayDown
from billing.payments.gateways.test_gateway import TestGateway, new_card
from billing.tasks import collect_invoices
from controlpanel.celery import app
from tests.billing.world import an_account, bill, on, product
from tests.dunning.conftest import collected, goes, mails, noon, told, trail
from tests.factories import TESTS
from tests.paying import a_card, transfer

EVERYBODY_FOR_MONEY = ["owner@northwind.example", "admin@northwind.example", "billing@northwind.example"]


def card(account: Account, code: str = "succeeds") -> PaymentMethod:
    return a_card(account, code, at=noon(account, "01-10"))


def test_is_collected_on_the_day_it_is_due(account: Account, invoice: Invoice) -> None:
    """INV-6: not before that day, once however often it is tried, and its receipt goes out."""
    card(account)
    assert collected(account, "01-28") == 0
    assert [collected(account, "01-29") for _ in range(3)] == [1, 0, 0]
    assert goes() == [("01-29", "185.00", "succeeded")]
    invoice = Invoice.objects.get(pk=invoice.pk)
    assert (invoice.state, invoice.paid_on) == (InvoiceState.PAID, date(2026, 1, 29))
    receipts = mails("payment-received")
    assert [mail.to for mail in receipts] == EVERYBODY_FOR_MONEY
    assert "CP-000001: $185.00" in receipts[0].text
    assert trail("begin-collection")[0].by == "invoice-collection"


def test_the_day_is_the_account_s_own(account: Account) -> None:
    """At 3:00 UTC of January 29 it is still the day before in New York."""
    card(account)
    early = noon(account, "01-29").replace(hour=3) - timedelta(hours=5)
    assert collect_due(lambda: early) == 0
    assert collect_due(lambda: early + timedelta(hours=3)) == 1


def test_declined_it_is_tried_3_5_and_7_days_later(account: Account, invoice: Invoice) -> None:
    """INV-6: each time once, with a message of why and when it is tried next; then not by itself any more."""
    card(account, "no-funds")
    for day in ("01-29", "01-30", "01-31", "02-01", "02-02", "02-03", "02-04", "02-05", "02-06", "02-10"):
        for _ in range(2):
            collected(account, day)
    assert [day for day, _, _ in goes()] == ["01-29", "02-01", "02-03", "02-05"]
    assert {state for _, _, state in goes()} == {"failed"}
    assert told("invoice-payment-failed") == ["01-29", "02-01", "02-03", "02-05"]
    first, last = mails("invoice-payment-failed")[0], mails("invoice-payment-failed")[-1]
    assert first.subject == "$185.00 could not be collected"
    assert "there is too little money on it" in first.text
    assert "It is tried again on Feb. 1, 2026." in first.text
    assert "It is not tried again by itself." in last.text
    assert [mail.to for mail in mails("invoice-payment-failed")[:3]] == EVERYBODY_FOR_MONEY
    invoice = Invoice.objects.get(pk=invoice.pk)
    assert invoice.settled == 0


def test_another_card_is_asked_on_the_next_day_of_the_schedule(account: Account, invoice: Invoice) -> None:
    """INV-6."""
    declined = card(account, "declined")
    collected(account, "01-29")
    PaymentMethod.objects.filter(pk=declined.pk).update(gateway_id=new_card("succeeds").token)
    collected(account, "01-31")
    assert len(goes()) == 1
    collected(account, "02-01")
    invoice = Invoice.objects.get(pk=invoice.pk)
    assert invoice.state == InvoiceState.PAID


def test_a_card_that_comes_later_is_asked_from_then_on(account: Account) -> None:
    """INV-6: its days count from the first attempt."""
    assert collected(account, "01-29") == 0
    card(account, "declined")
    for day in range(5, 20):
        collected(account, f"02-{day:02}")
    assert [day for day, _, _ in goes()] == ["02-05", "02-08", "02-10", "02-12"]


def test_after_an_outage_no_two_attempts_are_on_one_day(account: Account) -> None:
    """BIL-8: a worker that was off for the second and third goes on, a day apart."""
    card(account, "declined")
    collected(account, "01-29")
    for day in ("02-06", "02-06", "02-07", "02-08", "02-09"):
        collected(account, day)
    assert [day for day, _, _ in goes()] == ["01-29", "02-06", "02-07", "02-08"]


def test_all_that_is_due_is_collected_at_once(account: Account, invoice: Invoice) -> None:
    """INV-6: a payment settles the oldest first, so the second invoice's day takes both; what is due later stays."""
    declined = card(account, "declined")
    for day in ("01-29", "02-01", "02-03", "02-05"):
        collected(account, day)
    bill(account, "02-15")
    PaymentMethod.objects.filter(pk=declined.pk).update(gateway_id=new_card("succeeds").token)
    bill(account, "03-15")
    collected(account, "03-15")
    assert goes()[-1] == ("03-15", "340.00", "succeeded")
    states = Invoice.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["paid", "paid", "issued"]


@pytest.mark.parametrize("why", ["off", "no card", "paid", "void", "simulation"])
def test_nothing_is_collected(account: Account, invoice: Invoice, why: str) -> None:
    """INV-6: never what is paid or void, and never where the account did not want it."""
    if why != "no card":
        card(account)
    at = noon(account, "01-20")
    if why == "off":
        Account.objects.update(collects_by_card=False)
    if why == "paid":
        transfer(account, Decimal(185), at.date(), actor=TESTS, at=at)
    if why == "void":
        void_invoice(invoice, reason="A mistake", actor=TESTS, at=at)
    if why == "simulation":
        Account.objects.update(is_simulation=True)
    assert collected(account, "01-29") == 0
    assert begin_due(account, actor=TESTS, at=noon(account, "01-29")) is None
    assert not Collection.objects.exists()
    assert not Chase.objects.exists()


def test_a_part_that_was_paid_is_not_collected_again(account: Account, invoice: Invoice) -> None:
    """INV-6."""
    card(account)
    transfer(account, Decimal("85.00"), date(2026, 1, 20), actor=TESTS, at=noon(account, "01-20"))
    collected(account, "01-29")
    assert goes() == [("01-29", "100.00", "succeeded")]


def test_nothing_is_collected_while_another_payment_is_on_its_way(account: Account) -> None:
    """INV-6: somebody pays by hand, and the bank waits for the confirmation."""
    asking = card(account, "asks")
    at = noon(account, "01-29")
    begin_collection(account, Decimal(185), asking, off_session=False, actor=TESTS, at=at)
    assert collected(account, "01-29") == 0
    assert len(goes()) == 1
    assert not Chase.objects.exists()


@pytest.mark.parametrize("dies", ["before the gateway", "after the gateway"])
def test_a_worker_that_dies_leaves_an_attempt_that_another_ends(
    account: Account, invoice: Invoice, dies: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-6: one charge, whether the first worker died before or after it, and one attempt of the schedule."""
    card(account, "succeeds")
    at = noon(account, "01-29")

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    if dies == "before the gateway":
        monkeypatch.setattr(due_module, "drive", die)
    else:
        confirm = TestGateway.confirm

        def charge_and_die(self: TestGateway, intent: str, **asked: object) -> object:
            confirm(self, intent, key="", off_session=True, return_url="")
            raise KeyboardInterrupt

        monkeypatch.setattr(TestGateway, "confirm", charge_and_die)
    with pytest.raises(KeyboardInterrupt):
        collected(account, "01-29")
    monkeypatch.undo()
    assert collected(account, "01-29") == 0
    reconcile(lambda: at + timedelta(minutes=5))
    assert goes() == [("01-29", "185.00", "succeeded")]
    assert Payment.objects.get().amount == 185
    assert Chase.objects.get().tries == 1


def test_a_gateway_that_is_away_delays_the_attempt(
    account: Account, invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-6: it is the same attempt that is made when the gateway answers again; nobody is told of a decline."""
    card(account)

    def away(*_: object, **__: object) -> None:
        raise GatewayDown("no answer")

    monkeypatch.setattr(TestGateway, "prepare", away)
    for _ in range(3):
        collected(account, "01-29")
    monkeypatch.undo()
    reconcile(lambda: noon(account, "01-30"))
    invoice = Invoice.objects.get(pk=invoice.pk)
    assert (len(goes()), invoice.state) == (1, InvoiceState.PAID)
    assert told("invoice-payment-failed") == []


def test_what_was_paid_before_the_card_was_asked_is_not_charged(account: Account, invoice: Invoice) -> None:
    """INV-6: the worker died with the attempt written; a transfer came in before another took it up."""
    card(account)
    at = noon(account, "01-29")
    bill(account, "02-15")
    begin_due(account, actor=TESTS, at=at)
    transfer(account, Decimal(185), at.date(), actor=TESTS, at=at)
    reconcile(lambda: at + timedelta(minutes=5))
    assert goes() == [("01-29", "185.00", "cancelled")]
    assert Payment.objects.get().left == 0


def test_one_account_s_fault_does_not_stop_the_others(account: Account, invoice: Invoice) -> None:
    """INV-6: a card of a gateway that nobody speaks to any more."""
    lost = card(account)
    PaymentMethod.objects.filter(pk=lost.pk).update(gateway="gone")
    other = an_account(slug="other", name="Other", brand=account.brand)
    add_licences(other, product("uc-licence"), 1, **on(other, "01-02"))
    bill(other, "01-15")
    a_card(other, "silent", at=noon(account, "01-10"))
    assert collected(account, "01-29") == 2
    assert goes() == [("01-29", "185.00", "new"), ("01-29", "37.00", "sent")]
    reconcile(lambda: noon(account, "01-29") + timedelta(minutes=5))
    assert goes()[1] == ("01-29", "37.00", "succeeded")


def test_only_what_is_due_is_looked_at(
    account: Account, invoice: Invoice, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """INV-6: however many invoices are open and not due, one query asks for those that are, by batches."""
    card(account)
    with django_assert_num_queries(1):
        assert collected(account, "01-20") == 0


def test_batches_go_on_where_the_last_one_ended(
    account: Account, invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INV-6: each invoice once, with one of the same day at the edge."""
    monkeypatch.setattr(due_module, "BATCH", 2)
    Invoice.objects.bulk_create(
        Invoice(
            account=account,
            brand=account.brand,
            kind="plan",
            state="issued",
            number=f"CP-{100 + place}",
            sequence=100 + place,
            issued_on=invoice.issued_on,
            due_on=invoice.due_on + timedelta(days=place // 3),
            period_start=invoice.period_start,
            period_end=invoice.period_end,
            currency="USD",
            subtotal=1,
            tax=0,
            total=1,
        )
        for place in range(5)
    )
    found = [each.pk for each in by_due_day(Invoice.objects.all())]
    assert len(found) == len(set(found)) == 6


def test_beat_sends_for_it() -> None:
    """INV-6."""
    assert collect_invoices.name in {entry["task"] for entry in app.conf.beat_schedule.values()}
