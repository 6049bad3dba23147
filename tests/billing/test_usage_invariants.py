"""What holds of usage whatever happens: once, on one invoice, in time or late, as the preview had it."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection, transaction

from accounts.models import Account
from accounts.refusals import Refused
from billing import invoicing
from billing.catalogue import product_terms
from billing.engine import Section
from billing.models import (
    BillingSchedule,
    InvoiceLine,
    LicenceMode,
    MeterRate,
    TelephonyOption,
    UsageRecord,
)
from billing.opening import start_of_day
from billing.packages import set_package
from billing.preview import draw, next_invoice
from billing.queries import ahead_of
from billing.subscriptions import Terms, add_subscription, end_subscription, switch_tenancy
from billing.usage import NewUsage, UsageBook, record_usage, rerate
from telephony.call_records import record_call
from tests.billing.engine_facts import day
from tests.billing.world import ACTOR, an_account, bill, on, price, trail_of

TOLL_FREE, CALLER, ABROAD = "+18005550100", "+12125550199", "+442079460000"


@pytest.fixture
def account(db: None) -> Account:
    """An account with a package of 500 minutes at 31.00 from January 15 on, and a subscription for two agents."""
    price("toll-free-500", "31.00")
    found = an_account()
    prepare(found)
    return found


def prepare(account: Account) -> None:
    bill(account, "01-15")
    set_package(account, "toll-free-500", **on(account, "01-15"))
    terms = Terms(
        "Main",
        day("01-15"),
        day("12-15"),
        LicenceMode.CONCURRENT,
        TelephonyOption.VPOP,
        commitments={"agents": 2, "ai-agent": 10},
    )
    add_subscription(account, terms, **on(account, "01-15"))


def call(account: Account, key: str, told: str, minutes: int, happened: str | None = None) -> bool:
    """A toll-free call of so many minutes, told at noon of a day; it happened then, or on another day."""
    at = on(account, happened or told)["at"]
    by = on(account, told)
    return record_call(
        account, key, caller=CALLER, called=TOLL_FREE, seconds=minutes * 60, occurred_at=at, **by
    )


def use(account: Account, key: str, told: str, meter: str, quantity: int, **fields: Any) -> bool:
    """Usage at noon of a day."""
    by = on(account, told)
    return record_usage(account, key, meter, quantity, occurred_at=by["at"], **by, **fields)


def usage_on(account: Account, bdom: str) -> list[str]:
    """The usage lines of an issued invoice."""
    rows = InvoiceLine.objects.filter(
        invoice__account=account, invoice__issued_on=day(bdom), section=Section.USAGE
    )
    return [
        f"{line.product} {line.quantity} · {line.starts_on:%m-%d} · {line.amount:.2f}"
        for line in rows.order_by("position")
    ]


def drawn_usage(account: Account, bdom: str) -> list[tuple[object, ...]]:
    return [told(line) for line in draw(account, day(bdom)).lines]


def told(line: Any) -> tuple[object, ...]:
    """All of a line that a draft and an issued invoice have in common."""
    names = ("section", "product", "quantity", "unit_price", "starts_on", "ends_on", "days", "of_days")
    return (*(getattr(line, name) for name in (*names, "amount", "subscription", "rule", "why")),)


STORY: list[Callable[[Account], object]] = [
    lambda account: call(account, "c1", "01-16", 480),
    lambda account: use(account, "u1", "01-20", "agents", 3),
    lambda account: use(account, "u2", "02-14", "ai-agent", 9),
    # Told after the run of February 15.
    lambda account: call(account, "c2", "02-15", 30, "02-14"),
    lambda account: use(account, "u3", "02-20", "agents", 2),
    lambda account: call(account, "c3", "02-20", 600),
    lambda account: set_package(account, "pay-per-use", **on(account, "03-01")),
    lambda account: call(account, "c4", "03-02", 10, "01-20"),
    lambda account: call(account, "c5", "03-02", 10),
]
EXPECTED = {
    "02-15": ["agents 1 · 01-15 · 95.00"],
    # January: 480 and 30 of 500, then 10 more. February: 14 of 28 days, 250 of 600 minutes; then 10 per use.
    "03-15": [
        "toll-free-inbound 20 · 01-15 · 0.50",
        "toll-free-inbound 350 · 02-15 · 8.75",
        "toll-free-inbound 10 · 03-01 · 0.30",
    ],
}


def test_a_preview_is_what_is_issued_later_and_follows_each_record(account: Account) -> None:
    """BIL-10: line for line, usage too, and the one that is kept moves with every record."""
    seen = []
    for step in STORY[:3]:
        step(account)
        seen.append([told(line) for line in next_invoice(account).lines])
        assert seen[-1] == drawn_usage(account, "02-15")
    assert len(seen[0]) < len(seen[1])
    kept = [told(line) for line in next_invoice(account).lines]
    bill(account, "02-15")
    [invoice] = account.invoices.all()
    assert [told(line) for line in invoice.lines.order_by("position")] == kept
    assert usage_on(account, "02-15") == EXPECTED["02-15"]


def test_what_comes_in_for_several_accounts_at_once_shows_none_the_preview_of_another(
    account: Account,
) -> None:
    """ACC-4, BIL-10: a file's batch moves them together; each has the preview of its own usage."""
    other = an_account()
    bill(other, "01-15")
    by = on(account, "01-20")
    records = [
        NewUsage(one, "c1", "toll-free-inbound-canada", by["at"], minutes * 60)
        for one, minutes in ((account, 5), (other, 7))
    ]
    UsageBook(ACTOR, "a file").take(records, by["at"])
    for one, amount in ((account, "0.30"), (other, "0.42")):
        assert [told(line) for line in next_invoice(one).lines] == drawn_usage(one, "02-15")
        schedule = BillingSchedule.objects.get(account=one)
        ahead = ahead_of(one, schedule, product_terms(), last_invoice=None)
        assert ahead.usage_amount == Decimal(amount)


def test_a_run_that_comes_late_draws_the_usage_that_one_in_time_did(account: Account) -> None:
    """BIL-8: each from what had been recorded before its own date."""
    late = an_account()
    prepare(late)
    for number, step in enumerate(STORY):
        if number == 3:
            bill(account, "02-15")
        step(account)
        step(late)
    bill(account, "03-15")
    bill(late, "03-20")
    for bdom, lines in EXPECTED.items():
        assert usage_on(account, bdom) == lines
        assert usage_on(late, bdom) == lines


def test_each_record_is_on_one_invoice_and_one_that_was_ended_covers_what_it_did(account: Account) -> None:
    """BIL-9, SUB-6: in an outage a subscription is ended; the invoice from before does not know of it yet."""
    use(account, "u1", "02-10", "agents", 3)
    subscription = account.tenancy.subscriptions.get()
    end_subscription(subscription, **on(account, "02-20"))
    use(account, "u2", "02-20", "agents", 3)
    bill(account, "03-20")
    assert usage_on(account, "02-15") == ["agents 1 · 01-15 · 95.00"]
    assert usage_on(account, "03-15") == ["agents 3 · 02-15 · 285.00"]


def test_a_record_of_yesterday_that_waited_over_midnight_hides_none_of_today(account: Account) -> None:
    """BIL-9: who told of it took the time before the lock, and got the lock after a record of the next day."""
    use(account, "today", "02-15", "agents", 4)
    use(account, "waited", "02-14", "agents", 3)
    bill(account, "02-15")
    bill(account, "03-15")
    assert usage_on(account, "02-15") == ["agents 1 · 01-15 · 95.00"]
    assert usage_on(account, "03-15") == ["agents 2 · 02-15 · 190.00"]


# --- the same record again ---------------------------------------------------------------------


def test_a_record_that_comes_twice_is_no_refusal_even_if_it_would_be_refused_now(account: Account) -> None:
    """USE-1: since then the tenant counts agents by name, and the record named nobody."""
    assert use(account, "u1", "01-20", "agents", 3)
    switch_tenancy(account, licence_mode=LicenceMode.NAMED, **on(account, "01-21"))
    assert not use(account, "u1", "01-22", "agents", 3)
    with pytest.raises(Refused, match="Name who"):
        use(account, "u2", "01-22", "agents", 3)
    assert UsageRecord.objects.count() == 1


# --- rates that come later ---------------------------------------------------------------------


def test_rates_that_were_set_later_are_taken_by_what_is_not_invoiced_yet(account: Account) -> None:
    """USE-5: at the rates of its day, from a day on, and never what an invoice holds."""
    MeterRate.objects.filter(meter="agents").delete()
    for key, told_on in (("u1", "01-16"), ("u2", "02-15"), ("u3", "02-20"), ("u4", "03-02")):
        use(account, key, told_on, "agents", 2 if key == "u1" else 3)
    bill(account, "02-15")
    assert usage_on(account, "02-15") == []
    MeterRate.objects.create(
        meter_id="agents", per_unit=Decimal(70), per_unit_currency="USD", effective_on=day("2020-01-01")
    )
    assert rerate(account, from_on=day("02-20"), **on(account, "03-03")) == 2
    prices = dict(UsageRecord.objects.values_list("record_id", "unit_price"))
    assert prices == {"u1": None, "u2": None, "u3": Decimal(70), "u4": Decimal(70)}
    before = BillingSchedule.objects.get(account=account).stamp
    assert rerate(account, from_on=day("01-01"), **on(account, "03-03")) == 1
    assert BillingSchedule.objects.get(account=account).stamp != before
    assert UsageRecord.objects.get(record_id="u1").unit_price is None
    assert trail_of(account).count("rerate-usage") == 2
    assert rerate(account, from_on=day("01-01"), **on(account, "03-03")) == 0
    assert trail_of(account).count("rerate-usage") == 2
    bill(account, "03-15")
    assert usage_on(account, "03-15") == ["agents 1 · 02-15 · 70.00"]


# --- a run and a record at once ----------------------------------------------------------------


def at_once(*works: Callable[[], object]) -> None:
    """Let each work go on in a thread of its own; what one of them raises fails the test."""
    faults: list[BaseException] = []

    def go(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as fault:
            faults.append(fault)
            raise
        finally:
            connection.close()

    crew = [threading.Thread(target=go, args=[work]) for work in works]
    for worker in crew:
        worker.start()
    for worker in crew:
        worker.join(60)
        assert not worker.is_alive()
    assert faults == []


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_record_that_comes_while_a_run_holds_the_account_is_on_the_next_invoice() -> None:
    """BIL-7, USE-5: it waits for the run, and is late then; told on the day before, it is not lost for that."""
    account = an_account()
    bill(account, "01-15")
    call(account, "c1", "01-20", 1)
    is_held, advance = threading.Event(), invoicing._advance

    def hold(schedules: list[BillingSchedule]) -> None:
        is_held.set()
        # The record is on its way now, and cannot come in before this run is done.
        taken.wait(1)
        assert not taken.is_set()
        advance(schedules)

    taken = threading.Event()

    def take() -> None:
        assert is_held.wait(20)
        assert call(account, "c2", "02-14", 1)
        taken.set()

    with patch.object(invoicing, "_advance", hold):
        at_once(lambda: bill(account, "02-15"), take)
    assert usage_on(account, "02-15") == ["toll-free-inbound 1 · 01-15 · 0.03"]
    assert UsageRecord.objects.get(record_id="c2").recorded_on == day("02-15")
    bill(account, "03-15")
    assert usage_on(account, "03-15") == ["toll-free-inbound 1 · 01-15 · 0.03"]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_run_passes_over_an_account_whose_usage_is_coming_in() -> None:
    """BIL-9: and bills it the next time, with that usage."""
    account = an_account()
    ready, is_over = threading.Event(), threading.Event()

    def take() -> None:
        with transaction.atomic():
            call(account, "c1", "02-14", 1)
            ready.set()
            assert is_over.wait(20)

    def run() -> None:
        assert ready.wait(20)
        assert bill(account, "02-15").accounts == 0
        is_over.set()

    at_once(take, run)
    assert usage_on(account, "02-15") == []
    bill(account, "02-15")
    assert usage_on(account, "02-15") == ["toll-free-inbound 1 · 01-15 · 0.03"]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_records_that_race_with_runs_are_billed_once_each() -> None:
    """BIL-9, USE-1: two sources with the same records, and a run after the other; none is lost, none comes twice."""
    account = an_account()
    by = on(account, "01-20")

    def take() -> None:
        for number in range(40):
            record_call(
                account,
                f"c{number}",
                caller=CALLER,
                called=TOLL_FREE,
                seconds=60,
                occurred_at=by["at"] + timedelta(minutes=number),
                actor=ACTOR,
                at=datetime.fromisoformat("2026-01-20T18:00:00+00:00"),
            )

    def run() -> None:
        for month in range(2, 9):
            invoicing_at = start_of_day(account, day(f"2026-{month:02}-15"))
            started = invoicing.start_run(
                invoicing_at, trigger="schedule", by="tests", at=invoicing_at, only=account
            )
            while invoicing.due(started).exists():
                invoicing.bill_due(started, at=invoicing_at)

    at_once(take, take, run)
    bill(account, "09-15")
    assert UsageRecord.objects.count() == 40
    lines = InvoiceLine.objects.filter(invoice__account=account, product="toll-free-inbound")
    assert sum(line.quantity for line in lines) == 40
    assert {line.starts_on for line in lines} == {day("01-15")}
