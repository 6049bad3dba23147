"""The staff's pages of the invoice runs: counts, totals, who was set aside, and running them again (BIL-9)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import Account, AuditEntry, User
from billing.models import BillingSchedule, Charge, Invoice, InvoiceRun, RunFailure
from billing.views.runs import duration
from tests import factories
from tests.billing.world import invoices_of, run_at

PAGE = "/staff/runs/"
AT = datetime(2026, 1, 15, 6, tzinfo=UTC)


@pytest.fixture
def run(broken: Account) -> InvoiceRun:
    """Two invoices and one account set aside."""
    return run_at(AT)


def text_of(response: HttpResponseBase) -> str:
    return bytes(getattr(response, "content", b"")).decode()


def mend(account: Account) -> None:
    Charge.objects.filter(account=account).update(unit_price=31)


def test_runs_with_counts_and_held_accounts(finance: Client, run: InvoiceRun) -> None:
    response = finance.get(PAGE)
    ((row, state, _, took),) = response.context["rows"]
    assert (row.invoices, row.failures, state, took) == (2, 1, "With failures", "0.0 s")
    assert [(held.account.name, held.run) for held in response.context["held"]] == [("Prague", run)]
    assert "No price is set for UC licence" in text_of(response)
    assert '<a href="/a/prague/">Prague</a>' in text_of(response)


def test_one_run_with_totals_and_the_way_to_its_invoices(finance: Client, run: InvoiceRun) -> None:
    response = finance.get(f"{PAGE}{run.pk}/")
    (total,) = response.context["totals"]
    assert (total.currency, total.amount) == ("USD", 74)
    assert f"/finance/?run={run.pk}" in text_of(response)
    (failure,) = response.context["page"].rows
    assert (failure.account.name, failure.bdom_on.isoformat()) == ("Prague", "2026-01-15")
    assert '<a href="/a/prague/">Prague</a>' in text_of(response)


def test_support_looks_and_does_not_run_again(support: Client, run: InvoiceRun) -> None:
    """ACC-3."""
    for page in (PAGE, f"{PAGE}{run.pk}/"):
        response = support.get(page)
        assert response.status_code == 200
        assert "Run again" not in text_of(response)
        assert "/finance/" not in text_of(response)
    for action in (f"{PAGE}{run.pk}/again/", f"{PAGE}again/"):
        assert support.post(action).status_code == 404
    assert RunFailure.objects.filter(resolved_at=None).count() == 1


def test_customers_get_404(run: InvoiceRun, accounts: list[Account]) -> None:
    client = Client()
    client.force_login(factories.member(accounts[0]))
    for page in (PAGE, f"{PAGE}{run.pk}/"):
        assert client.get(page).status_code == 404


@pytest.mark.parametrize("pk", ["0", "999999", "9" * 30])
def test_no_such_run_is_404(finance: Client, run: InvoiceRun, pk: str) -> None:
    assert finance.get(f"{PAGE}{pk}/").status_code == 404
    assert finance.post(f"{PAGE}{pk}/again/").status_code == 404


def again(client: Client, url: str, commits: Any, **data: str) -> str:
    """Press the button, let what it sent out run; the page that one is led to."""
    with time_machine.travel(AT + timedelta(hours=3), tick=False), commits(execute=True):
        response = client.post(url, data)
    assert response.status_code == 302
    return str(response.headers["Location"])


def test_run_again_makes_up_what_was_missed(
    finance: Client,
    accountant: User,
    run: InvoiceRun,
    broken: Account,
    django_capture_on_commit_callbacks: Any,
) -> None:
    """BIL-8: with its own date, by a run of its own that says who asked for it."""
    mend(broken)
    failure = RunFailure.objects.get()
    to = again(finance, f"{PAGE}{run.pk}/again/", django_capture_on_commit_callbacks, failure=str(failure.pk))
    new = InvoiceRun.objects.latest("pk")
    assert to == f"{PAGE}{new.pk}/"
    assert (new.trigger, new.by, new.only, new.invoices) == ("staff", accountant.email, broken, 1)
    assert new.finished_at is not None
    (invoice,) = invoices_of(broken)
    assert (invoice.issued_on.isoformat(), invoice.run) == ("2026-01-15", new)
    entry = AuditEntry.objects.get(action="run-again")
    assert (entry.account, entry.user) == (broken, accountant)
    assert "Released" in text_of(finance.get(f"{PAGE}{run.pk}/"))


def test_what_still_fails_is_held_again(
    finance: Client, run: InvoiceRun, broken: Account, django_capture_on_commit_callbacks: Any
) -> None:
    again(finance, f"{PAGE}{run.pk}/again/", django_capture_on_commit_callbacks)
    assert [failure.resolved_at is None for failure in RunFailure.objects.order_by("pk")] == [False, True]
    assert BillingSchedule.objects.get(account=broken).held_at is not None


def test_run_all_again(
    finance: Client, run: InvoiceRun, broken: Account, django_capture_on_commit_callbacks: Any
) -> None:
    mend(broken)
    again(finance, f"{PAGE}again/", django_capture_on_commit_callbacks)
    assert Invoice.objects.count() == 3
    assert "Held accounts" not in text_of(finance.get(PAGE))


@pytest.mark.parametrize("failure", ["999", "x", "9" * 40, "-1"])
def test_nobody_to_run_again_starts_no_run(
    finance: Client, run: InvoiceRun, failure: str, django_capture_on_commit_callbacks: Any
) -> None:
    to = again(finance, f"{PAGE}{run.pk}/again/", django_capture_on_commit_callbacks, failure=failure)
    assert to == f"{PAGE}{run.pk}/"
    assert InvoiceRun.objects.count() == 1
    assert "nothing to run again" in text_of(finance.get(to))


def test_a_second_click_starts_no_second_run(
    finance: Client, run: InvoiceRun, broken: Account, django_capture_on_commit_callbacks: Any
) -> None:
    mend(broken)
    for _ in range(2):
        again(finance, f"{PAGE}{run.pk}/again/", django_capture_on_commit_callbacks)
    assert InvoiceRun.objects.count() == 2
    assert Invoice.objects.count() == 3


@pytest.mark.parametrize("rows", [1, 60])
def test_as_many_queries_for_one_row_as_for_sixty(
    finance: Client, run: InvoiceRun, rows: int, opens_cheaply: Callable[[Client, str], HttpResponseBase]
) -> None:
    failure = RunFailure.objects.get()
    runs = InvoiceRun.objects.bulk_create(
        InvoiceRun(trigger="schedule", as_of=AT, started_at=AT, by="x") for _ in range(rows)
    )
    RunFailure.objects.bulk_create(
        RunFailure(run=each, account=failure.account, bdom_on=failure.bdom_on, reason="x")
        for each in [run] * rows + runs
    )
    opens_cheaply(finance, PAGE)
    opens_cheaply(finance, f"{PAGE}{run.pk}/")


def test_a_run_under_way_looks_again_by_itself(finance: Client, run: InvoiceRun) -> None:
    InvoiceRun.objects.filter(pk=run.pk).update(finished_at=None)
    text = text_of(finance.get(f"{PAGE}{run.pk}/"))
    assert 'hx-trigger="every 3s"' in text
    assert "Running" in text


@pytest.mark.parametrize(
    ("took", "told"),
    [
        (0.04, "0.0 s"),
        (9.96, "10.0 s"),
        (12, "12 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (-5, "0.0 s"),
    ],
)
def test_durations(took: float, told: str) -> None:
    run = InvoiceRun(started_at=AT, finished_at=AT + timedelta(seconds=took))
    assert duration(run, AT) == told
