"""BIL-7 and BIL-8: the hourly tick begins charges and gets runs going; due is what the rows say, not the messages."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from celery.exceptions import Retry
from celery.signals import worker_ready
from django.db import OperationalError, connection

from accounts.models import Account
from billing import invoicing, tasks
from billing.models import BillingSchedule, Charge, Invoice, InvoiceRun
from tests.billing.world import invoices_of
from tests.staff.conftest import licensed

Capture = Callable[..., Any]


def tick(moment: str) -> None:
    with time_machine.travel(datetime.fromisoformat(moment).replace(tzinfo=UTC), tick=False):
        tasks.tick.delay()


def billed() -> list[str]:
    return list(Invoice.objects.order_by("pk").values_list("account__name", flat=True))


@pytest.fixture
def commits(db: None, django_capture_on_commit_callbacks: Capture) -> Capture:
    """Tasks go out on commit; here the commit of the test's own transaction is made up."""
    return django_capture_on_commit_callbacks


def ticked(commits: Capture, moment: str) -> int:
    """Tick, and let what it sent out run; returns how many messages went out."""
    with commits(execute=True) as sent:
        tick(moment)
    return len(sent)


def test_each_account_is_billed_at_its_own_midnight(commits: Capture, accounts: list[Account]) -> None:
    """BIL-7: 11:00, 23:00 and 05:00 in UTC."""
    assert ticked(commits, "2026-01-14T10:00") == 0
    assert not InvoiceRun.objects.exists()
    ticked(commits, "2026-01-14T11:00")
    assert billed() == ["Auckland"]
    ticked(commits, "2026-01-14T23:00")
    assert billed() == ["Auckland", "Prague"]
    ticked(commits, "2026-01-15T05:00")
    assert billed() == ["Auckland", "Prague", "York"]


def test_tick_again_and_again_bills_once(commits: Capture, accounts: list[Account]) -> None:
    """BIL-9."""
    for _ in range(3):
        ticked(commits, "2026-01-15T06:00")
    assert sorted(billed()) == ["Auckland", "Prague", "York"]
    assert InvoiceRun.objects.count() == 1
    run = InvoiceRun.objects.get()
    assert (run.trigger, run.by, run.invoices, run.failures) == ("schedule", "invoice-run", 3, 0)
    assert run.finished_at is not None


def test_charges_begin_with_the_date_that_was_due(commits: Capture, accounts: list[Account]) -> None:
    """BIL-8: however late the trigger fires."""
    ticked(commits, "2026-01-12T00:00")
    states = Charge.objects.values_list("state", "billing_starts_on")
    assert {(state, str(on)) for state, on in states} == {("billing", "2026-01-09")}


def test_a_panel_that_was_off_for_months_catches_up(commits: Capture, accounts: list[Account]) -> None:
    """BIL-8: every invoice with its own date."""
    ticked(commits, "2026-04-20T00:00")
    for account in accounts:
        dates = [str(invoice.issued_on) for invoice in invoices_of(account)]
        assert dates == ["2026-01-15", "2026-02-15", "2026-03-15", "2026-04-15"]


def test_a_lost_message_is_made_up_for(commits: Capture, accounts: list[Account]) -> None:
    """A task may be lost with the broker; the next tick takes the same run up again."""
    with commits(execute=False) as sent:
        tick("2026-01-15T06:00")
    assert len(sent) == 1
    assert billed() == []
    ticked(commits, "2026-01-15T07:00")
    assert sorted(billed()) == ["Auckland", "Prague", "York"]
    assert InvoiceRun.objects.count() == 1


def test_what_is_due_after_an_unfinished_run_gets_a_run_of_its_own(
    commits: Capture, accounts: list[Account]
) -> None:
    with commits(execute=False):
        tick("2026-01-14T11:00")
    ticked(commits, "2026-01-15T06:00")
    first, second = InvoiceRun.objects.order_by("pk")
    assert (first.invoices, second.invoices) == (1, 2)
    assert first.finished_at is not None
    assert second.finished_at is not None


def test_a_run_that_was_for_one_account_is_finished_for_that_one(
    commits: Capture, accounts: list[Account]
) -> None:
    """Who takes a run over does what was asked and no more."""
    at = datetime(2026, 1, 15, 6, tzinfo=UTC)
    alone = InvoiceRun.objects.create(
        trigger="command", as_of=at, started_at=at, by="manage.py bill", only=accounts[2]
    )
    ahead = InvoiceRun.objects.create(
        trigger="command", as_of=datetime(2027, 1, 1, tzinfo=UTC), started_at=at, by="manage.py bill"
    )
    ticked(commits, "2026-01-15T07:00")
    alone.refresh_from_db()
    ahead.refresh_from_db()
    assert (alone.invoices, alone.finished_at is not None) == (1, True)
    assert (ahead.invoices, ahead.finished_at) == (0, None)
    assert Invoice.objects.count() == 3


def test_an_account_that_is_held_starts_no_run(commits: Capture, broken: Account) -> None:
    ticked(commits, "2026-01-15T06:00")
    assert InvoiceRun.objects.get().failures == 1
    assert ticked(commits, "2026-01-15T07:00") == 0
    assert InvoiceRun.objects.count() == 1


def test_as_many_workers_are_asked_as_there_are_chunks(
    commits: Capture, accounts: list[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "CHUNK", 1)
    assert ticked(commits, "2026-01-15T06:00") == 3
    monkeypatch.setattr(tasks, "MOST_WORKERS", 2)
    assert ticked(commits, "2026-02-15T06:00") == 2
    assert Invoice.objects.count() == 6


def test_a_fault_of_the_database_holds_nobody(
    commits: Capture, accounts: list[Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that was not given is no account's fault: the task asks to be tried again, and all are billed."""
    real, failures = invoicing.bill_due, iter([OperationalError("database is locked")])

    def bill_due(*args: Any, **kwargs: Any) -> None:
        for failure in failures:
            raise failure
        real(*args, **kwargs)

    monkeypatch.setattr(tasks, "bill_due", bill_due)
    with pytest.raises(Retry, match="database is locked"):
        ticked(commits, "2026-01-15T06:00")
    ticked(commits, "2026-01-15T07:00")
    assert Invoice.objects.count() == 3
    assert not BillingSchedule.objects.exclude(held_at=None).exists()


def test_a_worker_that_starts_ticks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beat comes at the full hour; a panel that was off catches up when it is started."""
    asked: list[bool] = []
    monkeypatch.setattr(tasks.tick, "delay", lambda: asked.append(True))
    worker_ready.send(sender=None)
    assert asked == [True]


@pytest.mark.django_db(transaction=True)
def test_two_ticks_at_once_make_one_run_and_one_invoice_an_account() -> None:
    """BIL-9: two beats, or a beat and a worker that starts."""
    for name in ("York", "Prague", "Lisbon"):
        licensed(name)
    barrier = threading.Barrier(2)
    done: list[bool] = []

    def go() -> None:
        try:
            barrier.wait(10)
            tasks.tick.delay()
            done.append(True)
        finally:
            connection.close()

    with time_machine.travel(datetime(2026, 1, 15, 6, tzinfo=UTC), tick=False):
        threads = [threading.Thread(target=go) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert done == [True, True]
    assert sorted(billed()) == ["Lisbon", "Prague", "York"]
    assert InvoiceRun.objects.count() == 1
    assert InvoiceRun.objects.get().finished_at is not None
