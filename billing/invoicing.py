"""The invoice run: claims due accounts, gathers, drafts, writes, numbers, issues (BIL-7 to BIL-9).

Everything of a chunk of accounts happens in one transaction: a worker that is killed leaves nothing
behind, and the next one finds the same accounts due. What makes an account due is a row of the
database (its schedule), never a message in a queue.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import F, QuerySet

from accounts.models import Account
from accounts.trail import Actor, Change, append, entry_of
from billing import bulk
from billing.catalogue import product_terms
from billing.engine import BillingFault, ProductTerms, draft, next_bdom
from billing.faults import told_to_staff
from billing.gather import Gathered, gather, has_usage
from billing.issuing import RUN_TASK, Drafted, issue
from billing.models import (
    BillingSchedule,
    Charge,
    Invoice,
    InvoiceRun,
    Product,
    RunFailure,
    RunTotal,
)
from billing.opening import start_of_day
from billing.payments.settling import use_credit_of
from billing.triggers import fire_triggers, move_due

log = logging.getLogger(__name__)

CHUNK = 1000

Progress = Callable[[int], None]


@dataclass(slots=True)
class Tally:
    """What a chunk came to."""

    accounts: int = 0
    invoices: int = 0
    lines: int = 0
    failures: int = 0
    totals: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))


def start_run(
    as_of: datetime,
    *,
    trigger: str,
    by: str,
    at: datetime,
    until: date | None = None,
    only: Account | None = None,
) -> InvoiceRun:
    """A new run for all that is due at the instant `as_of`; `by` is who or what started it.

    `until` leaves later BDOMs alone, `only` other accounts. Both are the run's own, so that whoever
    takes it over after a worker died does what was asked and no more.
    """
    return InvoiceRun.objects.create(
        trigger=trigger, as_of=as_of, started_at=at, by=by, until=until, only=only
    )


def due(run: InvoiceRun) -> QuerySet[BillingSchedule]:
    """What is left for a run: the BDOM has begun in the account's own time zone, and it is not held."""
    schedules = BillingSchedule.objects.filter(held_at=None, next_run_at__lte=run.as_of)
    if run.until is not None:
        schedules = schedules.filter(next_bdom_on__lte=run.until)
    return schedules if run.only_id is None else schedules.filter(account=run.only_id)


def bill_due(
    run: InvoiceRun,
    *,
    at: datetime,
    chunk: int = CHUNK,
    progress: Progress | None = None,
    clock: Callable[[], datetime] | None = None,
) -> None:
    """Bill everything that is due at the run's `as_of`, chunk by chunk, until nothing is left.

    An account that missed several BDOMs gets them one after the other, each with its own date
    (BIL-8). Any number of workers may do this at once. `progress` is told the accounts done, and
    `clock` tells when the run was finished: `at` without one.
    """
    while True:
        tally = bill_chunk(run, at=at, chunk=chunk)
        if tally is None:
            break
        if progress is not None:
            progress(tally.accounts)
    if not due(run).exists():
        ended_at = at if clock is None else clock()
        InvoiceRun.objects.filter(pk=run.pk, finished_at=None).update(finished_at=ended_at)


def bill_chunk(run: InvoiceRun, *, at: datetime, chunk: int = CHUNK) -> Tally | None:
    """Bill up to `chunk` due accounts, or return None where no more can be claimed.

    An account that cannot be billed is set aside with its reason, and the others go on. Raises
    OperationalError where the database itself fails (a lost connection, a lock never given): that
    is no account's fault, and the chunk is as due as before.
    """
    claimed: list[BillingSchedule] = []
    try:
        with transaction.atomic(), bulk.collector_at_rest():
            claimed = _claim(run, chunk)
            return _bill(run, claimed, at)
    except OperationalError:
        raise
    except DatabaseError as error:
        if len(claimed) == 1:
            return _hold_alone(run, claimed[0].account, error, at)
        log.warning("a chunk could not be written, its accounts go one by one: %s", error)
    tally = None
    for _ in range(chunk):
        one = bill_chunk(run, at=at, chunk=1)
        if one is None:
            break
        tally = one if tally is None else _sum(tally, one)
    return tally


def _sum(left: Tally, right: Tally) -> Tally:
    left.accounts += right.accounts
    left.invoices += right.invoices
    left.lines += right.lines
    left.failures += right.failures
    for currency, amount in right.totals.items():
        left.totals[currency] += amount
    return left


def _claim(run: InvoiceRun, chunk: int) -> list[BillingSchedule]:
    """Lock due schedules that no other worker has, the longest due first."""
    claimed = (
        due(run)
        .select_related("account")
        .select_for_update(skip_locked=True, of=("self",))
        .order_by("next_run_at", "account_id")
    )
    return list(claimed[:chunk])


def _bill(run: InvoiceRun, claimed: list[BillingSchedule], at: datetime) -> Tally | None:
    if not claimed:
        return None
    fire_triggers(at, until={schedule.account_id: schedule.next_bdom_on for schedule in claimed})
    used = {
        schedule.account_id
        for schedule in claimed
        if has_usage(schedule, schedule.account.bdom, schedule.next_bdom_on)
    }
    found = gather([(schedule.account, schedule.next_bdom_on) for schedule in claimed], used)
    _begin_waiting(claimed, found, at)
    ids = bulk.reserve_ids(Invoice, len(claimed))
    undrawn: dict[int, Exception] = {}
    issued = issue(run, _drafts(claimed, ids, found, product_terms(), undrawn), at)
    accounts = [schedule.account for schedule in claimed]
    use_credit_of(accounts, actor=Actor.for_task(RUN_TASK), at=at)
    faults = _reasons(claimed, undrawn)
    _advance([schedule for schedule in claimed if schedule.account_id not in faults])
    _hold(run, [schedule for schedule in claimed if schedule.account_id in faults], faults, at)
    tally = Tally(len(claimed), issued.invoices, issued.lines, len(faults), issued.totals)
    _count(run, tally)
    return tally


def _drafts(
    claimed: list[BillingSchedule],
    ids: list[int],
    found: dict[int, Gathered],
    products: dict[str, ProductTerms],
    undrawn: dict[int, Exception],
) -> Iterator[Drafted]:
    """The accounts' drafts; those that cannot be drawn go into `undrawn`, by account, with why.

    Asks the database nothing: it takes the lines of the account before meanwhile.
    """
    for schedule, invoice_id in zip(claimed, ids, strict=True):
        terms, charges, _, usage = found[schedule.account_id]
        try:
            drawn = draft(terms, products, charges, schedule.next_bdom_on, usage)
        except BillingFault as fault:
            undrawn[schedule.account_id] = fault
        except Exception as error:  # one account's bad data never stops the others (BIL-9)
            log.exception("account %s could not be drafted", schedule.account_id)
            undrawn[schedule.account_id] = error
        else:
            yield Drafted(invoice_id, schedule.account, drawn)


def _reasons(claimed: list[BillingSchedule], undrawn: dict[int, Exception]) -> dict[int, str]:
    """Why accounts could not be drawn, by account, in words for those who mend it. One query at most."""
    if not undrawn:
        return {}
    names = dict(Product.objects.values_list("code", "name"))
    reasons = {}
    for schedule in claimed:
        fault = undrawn.get(schedule.account_id)
        if isinstance(fault, BillingFault):
            reasons[schedule.account_id] = told_to_staff(
                fault, schedule.account, schedule.next_bdom_on, names
            )
        elif fault is not None:
            reasons[schedule.account_id] = f"{type(fault).__name__}: {fault}"
    return reasons


def _begin_waiting(schedules: list[BillingSchedule], found: dict[int, Gathered], at: datetime) -> None:
    """The billing triggers of a day come before its run; mostly they have fired already."""
    on = {schedule.account_id: schedule.next_bdom_on for schedule in schedules}
    ids = [
        charge.id
        for account_id, bdom_on in on.items()
        if (waiting := set(found[account_id].waiting))
        for charge in found[account_id].charges
        if charge.id in waiting and charge.starts_on is not None and charge.starts_on <= bdom_on
    ]
    if ids:
        charges = list(Charge.objects.filter(pk__in=ids).select_related("account", "product"))
        move_due(charges, {s.account.timezone: s.account.local_date(at) for s in schedules}, at)


_ADVANCE_ALL = """
    UPDATE billing_billingschedule AS schedule
    SET next_bdom_on = moved.next_bdom_on,
        next_run_at = moved.next_run_at,
        last_bdom_on = moved.last_bdom_on
    FROM unnest(%s::date[], %s::timestamptz[], %s::date[], %s::bigint[])
        AS moved (next_bdom_on, next_run_at, last_bdom_on, account_id)
    WHERE schedule.account_id = moved.account_id
"""
_ADVANCE_ONE = """
    UPDATE billing_billingschedule
    SET next_bdom_on = %s, next_run_at = %s, last_bdom_on = %s
    WHERE account_id = %s
"""


def _advance(schedules: list[BillingSchedule]) -> None:
    """Move each account on to its next BDOM, in one statement."""
    rows = []
    for schedule in schedules:
        account = schedule.account
        following = next_bdom(account.bdom, schedule.next_bdom_on)
        rows.append((following, start_of_day(account, following), schedule.next_bdom_on, account.pk))
    if not rows:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_ADVANCE_ALL, [list(column) for column in zip(*rows, strict=True)])
        else:
            prepare = connection.ops.adapt_datetimefield_value
            plain = [(str(to), prepare(at), str(last), key) for to, at, last, key in rows]
            cursor.executemany(_ADVANCE_ONE, plain)


def _hold(run: InvoiceRun, schedules: list[BillingSchedule], faults: dict[int, str], at: datetime) -> None:
    """Set accounts aside until somebody has mended them and runs them again."""
    if not schedules:
        return
    for schedule in schedules:
        schedule.held_at = at
        schedule.held_reason = faults[schedule.account_id][:300]
    BillingSchedule.objects.bulk_update(schedules, ["held_at", "held_reason"])
    RunFailure.objects.bulk_create(
        RunFailure(
            run=run,
            account=schedule.account,
            bdom_on=schedule.next_bdom_on,
            reason=schedule.held_reason,
        )
        for schedule in schedules
    )


def _hold_alone(run: InvoiceRun, account: Account, error: DatabaseError, at: datetime) -> Tally:
    """Hold the one account whose invoice the database would not take, unless another worker has it now."""
    with transaction.atomic():
        schedules = due(run).filter(account=account).select_related("account")
        claimed = list(schedules.select_for_update(skip_locked=True, of=("self",)))
        _hold(run, claimed, {account.pk: f"{type(error).__name__}: {error}"}, at)
        tally = Tally(accounts=len(claimed), failures=len(claimed))
        _count(run, tally)
        return tally


def _count(run: InvoiceRun, tally: Tally) -> None:
    """Add a chunk to its run's counts; workers add up without losing one another's."""
    InvoiceRun.objects.filter(pk=run.pk).update(
        accounts=F("accounts") + tally.accounts,
        invoices=F("invoices") + tally.invoices,
        lines=F("lines") + tally.lines,
        failures=F("failures") + tally.failures,
    )
    for currency, amount in sorted(tally.totals.items()):
        total, _ = RunTotal.objects.select_for_update().get_or_create(run=run, currency=currency)
        # Summed here: SQLite would add decimals as floats.
        total.amount += amount
        total.save(update_fields=["amount"])


def run_again(failures: QuerySet[RunFailure], *, actor: Actor, at: datetime) -> int:
    """Let held accounts be billed again by the next run; returns how many.

    What they missed is made up with its own dates (BIL-8).
    """
    with transaction.atomic():
        open_failures = list(
            failures.select_for_update(of=("self",)).filter(resolved_at=None).select_related("account")
        )
        accounts = {failure.account_id: failure.account for failure in open_failures}
        BillingSchedule.objects.filter(account__in=accounts).update(held_at=None, held_reason="")
        RunFailure.objects.filter(account__in=accounts, resolved_at=None).update(resolved_at=at)
        append(
            [
                entry_of(
                    account,
                    Change("run-again", account, f"Invoice run of {account} released to run again"),
                    actor=actor,
                    at=at,
                )
                for account in accounts.values()
            ]
        )
    return len(accounts)
