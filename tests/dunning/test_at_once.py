"""Several workers and a payment at one instant: one charge, one message, one outcome (INV-6)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial

import pytest
from django.db import connection

from accounts.models import Account, AuditEntry, OutgoingMail
from billing.dunning.reminding import remind_due
from billing.dunning.suspending import suspend_due
from billing.models import Chase, Collection, Invoice, Payment
from billing.payments.due import collect_due
from tests.dunning.conftest import dun, noon
from tests.factories import TESTS
from tests.paying import a_card, pay

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


def at_once(*tasks: Callable[[], object]) -> None:
    """Have each done by a worker of its own, all beginning together; a fault of one is one of the test."""
    gate = threading.Barrier(len(tasks))

    def go(task: Callable[[], object]) -> None:
        try:
            gate.wait()
            task()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(tasks)) as crew:
        for done in [crew.submit(go, task) for task in tasks]:
            done.result()


def test_six_workers_ask_a_card_once(account: Account) -> None:
    """INV-6."""
    at = noon(account, "01-29")
    a_card(account, "succeeds", at=at)
    at_once(*[lambda: collect_due(lambda: at)] * 6)
    assert Collection.objects.count() == 1
    assert Payment.objects.get().amount == 185
    assert Chase.objects.get().tries == 1


def test_six_workers_remind_and_suspend_once(account: Account) -> None:
    """INV-6."""
    for day in ("02-01", "02-08"):
        at_once(*[partial(remind_due, noon(account, day))] * 6)
    assert AuditEntry.objects.filter(action="remind-of-invoices").count() == 2
    assert OutgoingMail.objects.filter(kind="invoice-reminder").count() == 6
    late = noon(account, "02-28")
    at_once(*[lambda: suspend_due(late)] * 6)
    assert AuditEntry.objects.filter(action="suspend-account").count() == 1


def test_a_payment_and_the_suspension_at_one_instant(account: Account, invoice: Invoice) -> None:
    """INV-6: whichever is first, what has been paid does not stay suspended."""
    for day in ("02-01", "02-08", "02-18"):
        dun(account, day)
    at = noon(account, "02-28")
    at_once(
        lambda: suspend_due(at),
        lambda: pay(invoice, date(2026, 2, 28), actor=TESTS, at=at),
        lambda: suspend_due(at),
    )
    found = Account.objects.get()
    assert (found.suspended_on, Invoice.objects.get().state) == (None, "paid")
    actions = AuditEntry.objects.filter(action__in=("suspend-account", "lift-suspension")).order_by("pk")
    assert [entry.action for entry in actions] in ([], ["suspend-account", "lift-suspension"])
