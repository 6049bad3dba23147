"""The invoice run: once, in order, for everybody who can be billed (BIL-7 to BIL-9, INV-1)."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Account, Brand
from billing.charges import open_ledger
from billing.invoicing import bill_chunk, bill_due, run_again, start_run
from billing.licences import add_licences, remove_licences
from billing.models import (
    BillingSchedule,
    Charge,
    ChargeState,
    Invoice,
    InvoiceLine,
    InvoiceRun,
    RunFailure,
)
from billing.opening import start_of_day
from billing.preview import draw, following, next_invoice
from billing.triggers import begin_due_charges
from tests.billing.engine_facts import day
from tests.billing.world import (
    ACTOR,
    an_account,
    bill,
    charges_of,
    invoices_of,
    issued_lines,
    on,
    price,
    product,
    run_at,
    told,
    trail_of,
)
from tests.factories import BrandFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _prices(db: None) -> None:
    price("uc-licence", "31.00")


def buy(account: Account, quantity: int = 1, at: str = "01-02") -> Charge:
    return add_licences(account, product("uc-licence"), quantity, **on(account, at))


def accounts_with_licences(count: int, brand: Brand | None = None) -> list[Account]:
    accounts = [an_account(brand=brand or BrandFactory()) for _ in range(count)]
    for account in accounts:
        buy(account)
    return accounts


# --- once --------------------------------------------------------------------------------------


def test_an_invoice_is_made_once_however_often_the_run_comes() -> None:
    """BIL-9."""
    account = an_account()
    buy(account)
    first = bill(account, "01-15")
    for _ in range(3):
        again = bill(account, "01-15")
        assert (again.accounts, again.invoices, again.lines) == (0, 0, 0)
    assert (first.accounts, first.invoices, first.lines, first.failures) == (1, 1, 2, 0)
    assert first.finished_at is not None
    [invoice] = invoices_of(account)
    assert (invoice.issued_on, invoice.total, invoice.state) == (day("01-15"), Decimal(37), "issued")


def test_the_database_has_the_last_word_on_once() -> None:
    """BIL-9: even a schedule that was set back by hand makes no second invoice."""
    account = an_account()
    buy(account)
    bill(account, "01-15")
    BillingSchedule.objects.filter(account=account).update(
        next_bdom_on=day("01-15"), next_run_at=start_of_day(account, day("01-15"))
    )
    again = bill(account, "01-15")
    assert (again.invoices, again.failures) == (0, 1)
    assert len(invoices_of(account)) == 1
    issued = invoices_of(account)[0]
    left_out = {"id", "number", "sequence", "state"}
    fields = [field.attname for field in Invoice._meta.concrete_fields if field.attname not in left_out]
    second = Invoice(**{name: getattr(issued, name) for name in fields})
    with pytest.raises(IntegrityError), transaction.atomic():
        second.save()


def test_an_invoice_with_nothing_on_it_is_not_issued() -> None:
    """SIM-1: and takes no number; the account moves on all the same."""
    account = an_account()
    run = bill(account, "01-15")
    assert (run.accounts, run.invoices) == (1, 0)
    assert invoices_of(account) == []
    schedule = BillingSchedule.objects.get(account=account)
    assert (schedule.last_bdom_on, schedule.next_bdom_on) == (day("01-15"), day("02-15"))
    buy(account, at="01-16")
    bill(account, "02-15")
    assert [invoice.sequence for invoice in invoices_of(account)] == [1]


def test_an_invoice_is_as_its_preview_was() -> None:
    """BIL-10: line for line, at any moment before, if nothing else happens."""
    account = an_account()
    buy(account, 5)
    preview = draw(account, day("01-15"))
    kept = next_invoice(account)
    bill(account, "01-15")
    [invoice] = invoices_of(account)
    lines = list(invoice.lines.order_by("position"))
    assert preview == kept
    assert [told(line) for line in lines] == [told(line) for line in preview.lines]
    for line, drawn in zip(lines, preview.lines, strict=True):
        for name in ("section", "unit_price", "subject_label", "holder", "rule", "why", "subscription"):
            assert getattr(line, name) == getattr(drawn, name), name
        assert tuple(line.charges) == drawn.charges
    assert (invoice.subtotal, invoice.tax, invoice.total) == (preview.subtotal, Decimal(0), preview.total)
    assert (invoice.period_start, invoice.period_end) == preview.period


def test_the_preview_moves_with_the_ledger() -> None:
    """BIL-10: what is kept of it is not kept too long."""
    account = an_account()
    buy(account)
    assert next_invoice(account).total == 37
    buy(account)
    assert next_invoice(account).total == 74
    remove_licences(account, product("uc-licence"), 2, **on(account, "01-05"))
    assert next_invoice(account).total == 0
    assert [draft.total for draft in following(account, 3)] == [0, 0, 0]
    bill(account, "01-15")
    assert next_invoice(account).on == day("02-15")


# --- when --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "zone",
    [
        "Pacific/Honolulu",
        "America/New_York",
        "UTC",
        "Asia/Kolkata",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "Pacific/Auckland",
        "Pacific/Kiritimati",
    ],
)
def test_an_account_reaches_its_bdom_at_its_own_midnight(zone: str) -> None:
    """BIL-7: not a second before, wherever it is."""
    account = an_account(timezone=zone)
    buy(account)
    midnight = datetime(2026, 1, 15, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    assert run_at(midnight - timedelta(seconds=1)).accounts == 0
    assert run_at(midnight).invoices == 1
    assert invoices_of(account)[0].issued_on == day("01-15")


@pytest.mark.parametrize(
    ("zone", "bdom", "opened", "date", "midnight"),
    [
        # Clocks go forward, back, and forward at midnight itself, so that the day begins at one o'clock.
        ("America/New_York", 8, "2026-02-10", "2026-03-08", "2026-03-08T05:00+00:00"),
        ("America/New_York", 9, "2026-02-10", "2026-03-09", "2026-03-09T04:00+00:00"),
        ("America/New_York", 1, "2026-10-10", "2026-11-01", "2026-11-01T04:00+00:00"),
        ("Pacific/Auckland", 5, "2026-03-10", "2026-04-05", "2026-04-04T11:00+00:00"),
        ("Africa/Cairo", 24, "2026-04-01", "2026-04-24", "2026-04-23T22:00+00:00"),
        ("America/Havana", 1, "2026-10-10", "2026-11-01", "2026-11-01T04:00+00:00"),
    ],
)
def test_days_of_changing_clocks_begin_when_they_begin(
    zone: str, bdom: int, opened: str, date: str, midnight: str
) -> None:
    """BIL-7."""
    account = an_account(bdom, opened, timezone=zone)
    begins = datetime.fromisoformat(midnight)
    # Python calls no two instants equal where one is at an hour that clocks leave out or repeat.
    assert start_of_day(account, day(date)).astimezone(UTC) == begins
    assert account.local_date(begins) == day(date)
    assert account.local_date(begins - timedelta(seconds=1)) == day(date) - timedelta(days=1)
    buy(account, at=opened)
    assert run_at(begins - timedelta(seconds=1)).accounts == 0
    assert run_at(begins).accounts == 1


@pytest.mark.parametrize("zone", ["Pacific/Honolulu", "Pacific/Auckland"])
def test_the_last_second_before_the_bdom_is_on_its_invoice_and_the_first_of_it_is_not(zone: str) -> None:
    """BIL-7: also where the run is late and both were recorded by then."""
    account = an_account(timezone=zone)
    for time, quantity in (("23:59:59", 1), ("00:00:00", 2)):
        date = "01-14" if quantity == 1 else "01-15"
        with open_ledger(account, **on(account, date, time)) as ledger:
            ledger.open(product("fax-line"), quantity)
    bill(account, "01-20")
    assert [line.split(" · ")[0] for line in issued_lines(account)["01-15"]] == ["recurring fax-line 1"] * 2
    bill(account, "02-15")
    assert [line.split(" · ")[:2] for line in issued_lines(account)["02-15"]] == [
        ["recurring fax-line 2", "01-15 to 02-15"],
        ["recurring fax-line 3", "02-15 to 03-15"],
    ]


def test_an_action_that_was_slow_belongs_to_the_invoice_that_can_see_it() -> None:
    """BIL-7, BIL-9: dated before midnight, written after the run of that midnight."""
    account = an_account()
    with open_ledger(account, **on(account, "01-05")) as ledger:
        old = ledger.open(product("fax-line"))
    bill(account, "01-15")
    with open_ledger(account, **on(account, "01-14", "23:59:59")) as ledger:
        ledger.open(product("webfax"))
        ledger.end(old)
    bill(account, "02-15")
    lines = [line.rsplit(" · ", 1)[0] for line in issued_lines(account)["02-15"]]
    assert lines == [
        "recurring webfax 1 · 01-14 to 01-15 · 1/31",
        "recurring webfax 1 · 01-15 to 02-15 · 31/31",
        "recurring webfax 1 · 02-15 to 03-15 · 28/28",
        "credit fax-line 1 · 01-14 to 01-15 · 1/31",
        "credit fax-line 1 · 01-15 to 02-15 · 31/31",
    ]


# --- catching up -------------------------------------------------------------------------------


def test_months_are_made_up_for_with_their_own_dates() -> None:
    """BIL-8: in order, each from what had been recorded before it."""
    missed, in_time = an_account(), an_account()
    for account in (missed, in_time):
        buy(account, 3)
    for date in ("02-01", "02-15", "03-02", "04-15"):
        bill(in_time, date)
        for account in (missed, in_time):
            buy(account, 1, at=date)
            remove_licences(account, product("uc-licence"), 1, **on(account, date))
    bill(in_time, "05-15")
    run = bill(missed, "06-01")
    assert (run.accounts, run.invoices, run.failures) == (5, 5, 0)
    assert issued_lines(missed) == issued_lines(in_time)
    assert list(issued_lines(missed)) == ["01-15", "02-15", "03-15", "04-15", "05-15"]
    numbers = [invoice.sequence for invoice in invoices_of(missed)]
    assert numbers == [1, 2, 3, 4, 5]
    assert [invoice.due_on - invoice.issued_on for invoice in invoices_of(missed)] == [timedelta(days=14)] * 5


@pytest.mark.parametrize("late", ["01-09", "01-12", "01-15", "01-29", "05-01"])
def test_billing_begins_on_the_date_that_was_due_however_late_the_trigger(late: str) -> None:
    """BIL-3, BIL-8: the seven days are over on Jan 9, whenever somebody notices."""
    account = an_account()
    charge = buy(account)
    assert charge.state == ChargeState.WAITING
    assert begin_due_charges(on(account, "01-08", "23:59:59")["at"]) == 0
    assert begin_due_charges(on(account, late, "00:00")["at"]) == 1
    assert begin_due_charges(on(account, late, "00:00")["at"]) == 0
    [charge] = charges_of(account)
    assert (charge.state, charge.billing_starts_on) == (ChargeState.BILLING, day("01-09"))
    entry = account.audit_entries.order_by("id").last()
    assert entry is not None
    assert (entry.action, entry.by, entry.is_task, entry.after) == (
        "begin-charge",
        "billing-triggers",
        True,
        {"begins_on": "2026-01-09"},
    )


def test_the_trigger_goes_by_each_accounts_own_midnight() -> None:
    """BIL-3: the same instant is Jan 9 in Auckland and Jan 8 in Honolulu."""
    here = {zone: an_account(timezone=zone) for zone in ("Pacific/Honolulu", "Pacific/Auckland")}
    for account in here.values():
        buy(account)
    begin_due_charges(datetime(2026, 1, 8, 12, tzinfo=UTC))
    states = {zone: charges_of(account)[0].state for zone, account in here.items()}
    assert states == {"Pacific/Honolulu": "waiting", "Pacific/Auckland": "billing"}


@pytest.mark.parametrize("zone", ["Pacific/Honolulu", "Pacific/Kiritimati"])
def test_the_trigger_means_the_same_instant_in_any_zone(zone: str) -> None:
    account = an_account(timezone="Pacific/Kiritimati")
    buy(account)
    midnight = datetime(2026, 1, 9, tzinfo=ZoneInfo("Pacific/Kiritimati"))
    assert begin_due_charges(midnight.astimezone(ZoneInfo(zone))) == 1


def test_the_run_itself_begins_what_the_trigger_has_missed() -> None:
    """BIL-8: triggers of a day come before its run, even if nobody fired them."""
    account = an_account()
    buy(account)
    instant = start_of_day(account, day("01-15"))
    run = start_run(instant, trigger=InvoiceRun.Trigger.SCHEDULE, by="tests", at=instant)
    bill_due(run, at=instant)
    assert charges_of(account)[0].state == ChargeState.BILLING
    assert trail_of(account)[-2:] == ["begin-charge", "issue-invoice"]


# --- failures ----------------------------------------------------------------------------------


def test_an_account_that_fails_is_held_and_the_others_go_on() -> None:
    """BIL-9: with its reason, and nothing of it changed."""
    brand: Brand = BrandFactory()
    accounts = accounts_with_licences(5, brand)
    broken = accounts[2]
    Charge.objects.filter(account=broken).update(unit_price=None)
    run = run_at(start_of_day(broken, day("01-15")))
    assert (run.accounts, run.invoices, run.failures) == (5, 4, 1)
    assert run.finished_at is not None
    assert list(Invoice.objects.order_by("sequence").values_list("sequence", flat=True)) == [1, 2, 3, 4]
    assert not invoices_of(broken)
    failure = RunFailure.objects.get()
    charge = charges_of(broken)[0]
    assert (failure.account, failure.bdom_on, failure.resolved_at) == (broken, day("01-15"), None)
    assert failure.reason == (
        f"No price is set for UC licence (charge {charge.pk}). Set one by manage.py reprice uc-licence PRICE USD "
        f"--from 2026-01-15 --account {broken.slug}, then run again."
    )
    schedule = BillingSchedule.objects.get(account=broken)
    assert (schedule.next_bdom_on, schedule.last_bdom_on) == (day("01-15"), None)
    assert schedule.held_reason == failure.reason


def test_run_again_makes_up_for_what_was_missed_with_its_own_dates() -> None:
    """BIL-8: months later, when the price is there."""
    account, other = accounts_with_licences(2)
    Charge.objects.filter(account=account).update(unit_price=None)
    for date in ("01-15", "02-15", "03-15"):
        run_at(start_of_day(account, day(date)))
    assert (len(invoices_of(account)), len(invoices_of(other))) == (0, 3)
    assert RunFailure.objects.count() == 1
    Charge.objects.filter(account=account).update(unit_price=31)
    assert run_again(RunFailure.objects.all(), actor=ACTOR, at=on(account, "03-20")["at"]) == 1
    assert run_again(RunFailure.objects.all(), actor=ACTOR, at=on(account, "03-20")["at"]) == 0
    assert trail_of(account)[-1] == "run-again"
    run_at(on(account, "03-20")["at"])
    assert issued_lines(account) == issued_lines(other)
    schedule = BillingSchedule.objects.get(account=account)
    assert (schedule.held_at, schedule.held_reason) == (None, "")
    assert RunFailure.objects.get().resolved_at is not None


def test_run_again_without_a_cure_fails_again() -> None:
    [account] = accounts_with_licences(1)
    Charge.objects.filter(account=account).update(unit_price=None)
    bill(account, "01-15")
    run_again(RunFailure.objects.all(), actor=ACTOR, at=on(account, "01-16")["at"])
    assert bill(account, "01-16").failures == 1
    failures = RunFailure.objects.order_by("id")
    assert [failure.resolved_at is None for failure in failures] == [False, True]


def test_what_the_database_will_not_take_is_set_aside_by_itself() -> None:
    """BIL-9: a chunk of three, one of which breaks a constraint; the other two are billed."""
    accounts = accounts_with_licences(3)
    broken = accounts[1]
    bill(broken, "01-15")
    BillingSchedule.objects.filter(account=broken).update(
        next_bdom_on=day("01-15"), next_run_at=start_of_day(broken, day("01-15"))
    )
    run = run_at(start_of_day(broken, day("01-15")))
    assert (run.accounts, run.invoices, run.failures) == (3, 2, 1)
    assert RunFailure.objects.get().account == broken
    assert [len(invoices_of(account)) for account in accounts] == [1, 1, 1]


def test_a_held_account_can_still_be_worked_with() -> None:
    [account] = accounts_with_licences(1)
    Charge.objects.filter(account=account).update(unit_price=None)
    bill(account, "01-15")
    assert buy(account, 2, at="01-16").quantity == 2


# --- how much ----------------------------------------------------------------------------------


def test_a_chunk_takes_as_many_queries_for_one_account_as_for_a_hundred() -> None:
    """The run's promise: a constant number of queries, in all that it does."""
    counts = []
    for size in (1, 10, 100):
        brands = [BrandFactory() for _ in range(2)]
        for place in range(size):
            account = an_account(brand=brands[place % 2], currency="EUR" if place % 3 else "USD")
            buy(account)
        instant = start_of_day(account, day("01-15"))
        run = start_run(instant, trigger=InvoiceRun.Trigger.SCHEDULE, by="tests", at=instant)
        with CaptureQueriesContext(connection) as queries:
            tally = bill_chunk(run, at=instant)
        assert tally is not None
        assert (tally.accounts, tally.invoices) == (size, size)
        # Rows go in by the batch, as many to a statement as the database takes.
        counts.append(sum(not str(query["sql"]).startswith("INSERT") for query in queries))
    # Two brands and two currencies are in the larger chunks only.
    assert counts[1] == counts[2] <= counts[0] + 6
    assert counts[2] <= 40


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
def test_the_size_of_a_chunk_changes_nothing(chunk: int) -> None:
    accounts = accounts_with_licences(7)
    reported: list[int] = []
    instant = start_of_day(accounts[0], day("03-15"))
    run = start_run(instant, trigger=InvoiceRun.Trigger.SCHEDULE, by="tests", at=instant)
    bill_due(run, at=instant, chunk=chunk, progress=reported.append)
    run.refresh_from_db()
    assert sum(reported) == run.accounts == run.invoices == 21
    assert len({str(issued_lines(account)) for account in accounts}) == 1


def test_a_run_adds_up() -> None:
    """INV-5: its counts and its totals, by currency, are those of its invoices."""
    price("uc-licence", "10000", currency="JPY")
    for currency in ("USD", "USD", "EUR", "JPY"):
        buy(an_account(currency=currency), 3)
    run = run_at(datetime(2026, 2, 16, tzinfo=UTC))
    assert run.invoices == Invoice.objects.count() == 8
    assert run.lines == InvoiceLine.objects.count()
    for total in run.totals.all():
        invoices = Invoice.objects.filter(currency=total.currency)
        assert total.amount == sum(invoice.total for invoice in invoices)
        for invoice in invoices:
            assert invoice.total == sum(line.amount for line in invoice.lines.all())
    assert [total.currency for total in run.totals.all()] == ["EUR", "JPY", "USD"]


def test_numbers_are_gap_free_and_ascending_for_each_brand() -> None:
    """INV-1: also where some accounts fail and some have nothing to bill."""
    brands: list[Brand] = [BrandFactory(), BrandFactory()]
    for place in range(12):
        account = an_account(brand=brands[place % 2])
        if place not in {4, 5}:
            buy(account)
        if place in {6, 7}:
            Charge.objects.filter(account=account).update(unit_price=None)
    for date in ("01-15", "02-15"):
        run_at(start_of_day(account, day(date)), chunk=5)
    for brand in brands:
        invoices = list(Invoice.objects.filter(brand=brand).order_by("sequence"))
        assert [invoice.sequence for invoice in invoices] == list(range(1, 9))
        assert [invoice.number for invoice in invoices] == [
            f"{brand.invoice_prefix}-{n:06}" for n in range(1, 9)
        ]
        dates = [invoice.issued_on for invoice in invoices]
        assert dates == sorted(dates)


def test_a_chunk_that_fails_in_the_middle_gives_its_numbers_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """INV-1: the counter goes back with the transaction."""
    from billing import invoicing

    accounts = accounts_with_licences(3, BrandFactory())
    instant = start_of_day(accounts[0], day("01-15"))
    run = start_run(instant, trigger=InvoiceRun.Trigger.SCHEDULE, by="tests", at=instant)

    class Killed(BaseException):
        """As if the process had gone."""

    def die(*_: object) -> None:
        raise Killed

    advance: Callable[[list[BillingSchedule]], None] = invoicing._advance
    monkeypatch.setattr(invoicing, "_advance", die)
    with pytest.raises(Killed):
        bill_chunk(run, at=instant)
    assert Invoice.objects.count() == InvoiceLine.objects.count() == 0
    monkeypatch.setattr(invoicing, "_advance", advance)
    bill_due(run, at=instant)
    assert list(Invoice.objects.order_by("sequence").values_list("sequence", flat=True)) == [1, 2, 3]
    assert charges_of(accounts[0])[0].state == ChargeState.BILLING


def test_the_trail_has_each_invoice() -> None:
    """ACC-5: a change made by a task names the task."""
    account = an_account()
    buy(account)
    bill(account, "01-15")
    entry = account.audit_entries.order_by("id").last()
    [invoice] = invoices_of(account)
    assert entry is not None
    assert (entry.action, entry.by, entry.is_task) == ("issue-invoice", "invoice-run", True)
    assert (entry.target, entry.target_id) == (invoice.number, str(invoice.pk))
    assert "37.00 USD" in entry.summary
