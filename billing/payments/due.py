"""Collects invoices from saved cards on the day they are due, and on a few days after it (INV-6).

An attempt is written down with the collection that it makes, in one transaction, before any gateway is asked:
however many workers look and wherever one dies, each attempt is made once, and `collecting` finds out what
became of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from accounts.models import Account
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.models import Chase, Collection, Invoice, InvoiceKind, InvoiceState, PaymentMethod
from billing.models.payments import LIVE
from billing.payments.collecting import begin_collection, drive
from billing.payments.methods import default_method
from billing.payments.settling import open_books

log = logging.getLogger(__name__)

TASK: Final = "invoice-collection"
RETRY_DAYS: Final = (0, 3, 5, 7)
"""Days from the first attempt on which an invoice is tried to be collected."""
BATCH: Final = 500
"""So many invoices are read at a time."""


def collect_due(clock: Callable[[], datetime]) -> int:
    """Ask the saved cards for what is due by the accounts' own dates; returns how many were asked.

    Call it outside of a transaction. One that is declined is tried again 3, 5 and 7 days after the first
    attempt. Who saves a card later is asked from then on.
    """
    at = clock()
    actor = Actor.for_task(TASK)
    asked = 0
    for invoice in by_due_day(_to_be_tried(latest_date(at))):
        account = invoice.account
        if invoice.due_on > account.local_date(at):
            continue
        try:
            collection = begin_due(account, actor=actor, at=clock())
            if collection is not None:
                asked += 1
                drive(collection, actor=actor, clock=clock)
        except (Refused, LookupError) as error:
            # One account's card or gateway is no reason to leave the others; it is as due as before.
            log.warning("invoices of account %s could not be collected: %s", account.pk, error)
    return asked


def begin_due(account: Account, *, actor: Actor, at: datetime) -> Collection | None:
    """Begin to collect what is due by the account's own date of `at`; None where nothing is to be tried now.

    All that is due is collected at once, since a payment settles the oldest first. `drive` asks the gateway.
    """
    with open_books(account):
        card = default_method(account)
        collects = Account.objects.filter(pk=account.pk, collects_by_card=True, is_simulation=False).exists()
        is_busy = Collection.objects.filter(account=account, state__in=LIVE).exists()
        if card is None or not collects or is_busy:
            return None
        today = account.local_date(at)
        due = due_invoices(account, today)
        tried = [invoice for invoice in due if _is_tried(invoice, today)]
        if not tried:
            return None
        collection = begin_collection(
            account,
            sum((invoice.open_amount for invoice in due), Decimal(0)),
            card,
            invoice=tried[0],
            off_session=True,
            actor=actor,
            at=at,
        )
        for invoice in tried:
            _note_try(invoice, collection, today)
    return collection


def due_invoices(account: Account, today: date) -> list[Invoice]:
    """What is to be paid by the account's own day `today`, the oldest first, each with its chase. One query."""
    found = Invoice.objects.filter(
        account=account, state=InvoiceState.ISSUED, due_on__lte=today, total__gt=F("settled")
    ).exclude(kind=InvoiceKind.CREDIT_NOTE)
    return list(found.select_related("chase").order_by("due_on", "id"))


def chase_of(invoice: Invoice) -> Chase:
    """What was done about an invoice so far; a new one, not saved, where nothing was."""
    try:
        return invoice.chase
    except Chase.DoesNotExist:
        return Chase(invoice=invoice)


def by_due_day(invoices: QuerySet[Invoice]) -> Iterator[Invoice]:
    """Invoices with their accounts and brands, by the day they are due, some hundreds at a time.

    Each batch is found by the key of the last row, so what is done in between is seen, and memory stays as it is.
    """
    ordered = invoices.select_related("account__brand", "chase").order_by("due_on", "id")
    last: Invoice | None = None
    while True:
        rest = ordered
        if last is not None:
            after = Q(due_on__gt=last.due_on) | Q(due_on=last.due_on, id__gt=last.pk)
            rest = ordered.filter(after, due_on__gte=last.due_on)
        batch = list(rest[:BATCH])
        yield from batch
        if len(batch) < BATCH:
            return
        last = batch[-1]


def latest_date(at: datetime) -> date:
    """The latest date that it is anywhere at the instant `at`: no zone is more than 14 hours ahead of UTC."""
    return (at.astimezone(UTC) + timedelta(hours=14)).date()


def _to_be_tried(latest: date) -> QuerySet[Invoice]:
    """The invoices that might be tried now; which of them are is decided under their account's lock."""
    cards = PaymentMethod.objects.filter(account=OuterRef("account"), is_default=True, removed_at=None)
    return Invoice.objects.filter(
        Q(chase=None) | Q(chase__tries=0) | Q(chase__next_try_on__lte=latest),
        Exists(cards),
        kind=InvoiceKind.BDOM,
        state=InvoiceState.ISSUED,
        due_on__lte=latest,
        total__gt=F("settled"),
        account__collects_by_card=True,
        account__is_simulation=False,
    )


def _is_tried(invoice: Invoice, today: date) -> bool:
    chase = chase_of(invoice)
    if invoice.kind != InvoiceKind.BDOM:
        return False
    return chase.tries == 0 or (chase.next_try_on is not None and chase.next_try_on <= today)


def _note_try(invoice: Invoice, collection: Collection, today: date) -> None:
    """Count one attempt, and say when the next one is."""
    chase = chase_of(invoice)
    chase.tries += 1
    chase.began_on = chase.began_on or today
    chase.collection = collection
    chase.next_try_on = None
    if chase.tries < len(RETRY_DAYS):
        planned = chase.began_on + timedelta(days=RETRY_DAYS[chase.tries])
        chase.next_try_on = max(planned, today + timedelta(days=1))
    chase.save()
