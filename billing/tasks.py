"""What beat and the workers do for billing: the hourly tick, and the invoice run behind it (BIL-7, BIL-8).

A message only says that there may be work. What work there is stands in the rows of the database, so
a message that is lost, doubled or late changes nothing: the next tick finds what is left.
"""

from __future__ import annotations

from datetime import date, datetime
from functools import partial
from typing import Any, Final

from celery import shared_task
from celery.signals import worker_ready
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Account, Brand, User
from accounts.trail import Actor
from billing.deadlines import warn_of_ends
from billing.dunning.reminding import remind_due
from billing.dunning.suspending import suspend_due
from billing.invoicing import CHUNK, bill_due, due, run_again, start_run
from billing.issuing import RUN_TASK
from billing.models import BankFile, InvoiceRun, Meter, RunFailure
from billing.payments.banking import TASK as BANK_TASK
from billing.payments.banking import book_matched
from billing.payments.collecting import reconcile
from billing.payments.due import collect_due
from billing.payments.events import forget_events
from billing.payments.refunds import ask_again
from billing.plans.renewals import collect_renewals
from billing.plans.trials import warn_of_trials
from billing.quotes import expire_quotes
from billing.rates import rerate_open
from billing.triggers import begin_due_charges

MOST_WORKERS: Final = 8
"""At most so many workers are asked to help with one run."""

# Any number will do, as long as nobody else locks by it.
_TICK_LOCK: Final = 0x7469636B

_patient: dict[str, Any] = {
    "autoretry_for": (OperationalError,),
    "retry_backoff": 2,
    "retry_backoff_max": 60,
    "max_retries": 5,
}


@shared_task(name="billing.tasks.tick", **_patient)
def tick() -> None:
    """Begin and end charges whose day has come, then get the invoice run going for who is due.

    Beat sends it every hour, since accounts reach their BDOM at their own midnight, and each worker
    sends one as it starts, so that a panel that was off catches up at once. It may come at any time
    and any number of times.
    """
    at = timezone.now()
    begin_due_charges(at)
    with transaction.atomic():
        for run in runs_to_do(at):
            send_out(run)


@shared_task(name="billing.tasks.warn", **_patient)
def warn() -> None:
    """Send the warnings before subscriptions (SUB-8) and trials (PLN-2) end; days begin at own midnights."""
    at = timezone.now()
    warn_of_ends(at)
    warn_of_trials(at)


@shared_task(name="billing.tasks.expire", **_patient)
def expire() -> None:
    """Close the quotes whose last day is over (ORD-1); each reaches its midnight in its own time zone."""
    expire_quotes(timezone.now())


@shared_task(name="billing.tasks.renew", **_patient)
def renew() -> None:
    """Ask saved cards for the renewals of plans whose day it is (PLN-4)."""
    collect_renewals(timezone.now)


@shared_task(name="billing.tasks.collect_invoices", **_patient)
def collect_invoices() -> None:
    """Ask saved cards for the invoices that are due, and for those that are to be tried again (INV-6)."""
    collect_due(timezone.now)


@shared_task(name="billing.tasks.dun", **_patient)
def dun() -> None:
    """Send the reminders whose day it is, and suspend the accounts whose is (INV-6)."""
    at = timezone.now()
    remind_due(at)
    suspend_due(at)


@shared_task(name="billing.tasks.reconcile_payments", **_patient)
def reconcile_payments() -> None:
    """Find out what became of payments and refunds of which nobody has heard, and book what is left to be (INV-6)."""
    reconcile(timezone.now)
    ask_again(timezone.now)
    book_matched(actor=Actor.for_task(BANK_TASK), at=timezone.now())


@shared_task(name="billing.tasks.book_bank_file", **_patient)
def book_bank_file(file: int, user: int) -> None:
    """Book what is matched of a bank's file, for the person who took it in (INV-6)."""
    book_matched(
        file=BankFile.objects.get(pk=file),
        actor=Actor(user=User.objects.get(pk=user)),
        at=timezone.now(),
    )


@shared_task(name="billing.tasks.forget_messages", **_patient)
def forget_messages() -> None:
    """Forget the messages of gateways that came long ago (INV-6)."""
    forget_events(timezone.now())


@shared_task(name="billing.tasks.bill", **_patient)
def bill(run: int) -> None:
    """Work on a run, by its key, until nothing is left of it that another worker does not have."""
    found = InvoiceRun.objects.get(pk=run)
    bill_due(found, at=timezone.now(), clock=timezone.now)


@shared_task(name="billing.tasks.rerate", **_patient)
def rerate(meter: str, brand: int | None, currency: str, from_on: str, user: int) -> None:
    """Rate open records of a meter anew, for the person who asked; done again, it finishes what was cut short."""
    rerate_open(
        Meter.objects.get(pk=meter),
        None if brand is None else Brand.objects.get(pk=brand),
        currency,
        date.fromisoformat(from_on),
        actor=Actor(user=User.objects.get(pk=user)),
        at=timezone.now(),
    )


@worker_ready.connect
def catch_up(**_: Any) -> None:
    """A worker is there: make up for what was missed while there was none (BIL-8)."""
    tick.delay()
    warn.delay()
    expire.delay()
    reconcile_payments.delay()
    renew.delay()
    collect_invoices.delay()
    dun.delay()


def runs_to_do(at: datetime) -> list[InvoiceRun]:
    """The runs that are not finished at the instant `at`, with a new one where something else is due.

    Among them are those whose workers died. Call it in a transaction: two ticks at once take turns,
    so that they do not both begin a run.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_TICK_LOCK])
    runs = list(InvoiceRun.objects.filter(finished_at=None, as_of__lte=at).order_by("pk"))
    left = due(InvoiceRun(as_of=at))
    # A run that is for one account or up to a day does not stand for the others.
    covered = [run.as_of for run in runs if run.until is None and run.only_id is None]
    if covered:
        left = left.filter(next_run_at__gt=max(covered))
    if left.exists():
        runs.append(start_run(at, trigger=InvoiceRun.Trigger.SCHEDULE, by=RUN_TASK, at=at))
    return runs


def run_again_now(failures: QuerySet[RunFailure], *, actor: Actor, at: datetime) -> InvoiceRun | None:
    """Release the accounts of these failures and get a run going for them; None where none was held.

    The run of one account is for that account alone; one of several is for all that is due by now.
    """
    with transaction.atomic():
        accounts = list(
            Account.objects.filter(run_failures__in=failures.filter(resolved_at=None)).distinct()[:2]
        )
        if not run_again(failures, actor=actor, at=at):
            return None
        run = start_run(
            at,
            trigger=InvoiceRun.Trigger.STAFF,
            by=actor.label,
            at=at,
            only=accounts[0] if len(accounts) == 1 else None,
        )
        send_out(run)
    return run


def rerate_now(meter: Meter, brand: Brand | None, currency: str, from_on: date, *, user: User) -> None:
    """Have a worker rate the open records of a meter anew, from their day `from_on` on (USE-3)."""
    rerate.delay(meter.pk, None if brand is None else brand.pk, currency, from_on.isoformat(), user.pk)


def book_now(file: BankFile, *, user: User) -> None:
    """Have a worker book what is matched of a bank's file."""
    book_bank_file.delay(file.pk, user.pk)


def send_out(run: InvoiceRun) -> None:
    """Ask as many workers as the run has chunks for, once the transaction is through."""
    chunks = -(-due(run)[: MOST_WORKERS * CHUNK].count() // CHUNK)
    for _ in range(max(1, chunks)):
        transaction.on_commit(partial(bill.delay, run.pk))
