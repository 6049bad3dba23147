"""Plays the demo: every story and the schedule side by side, up to now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from heapq import heapify, heappop, heapreplace
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import QuerySet

from billing.corrections import correctable, credit_invoice, void_invoice
from billing.engine import round_half_up
from billing.invoicing import bill_due
from billing.models import Invoice, InvoiceKind, InvoiceState, Payment
from billing.payments.settling import Received, receive_payment
from billing.tasks import runs_to_do
from billing.triggers import begin_due_charges
from controlpanel.demo import cast
from controlpanel.demo.calls import calls
from controlpanel.demo.plans import plans
from controlpanel.demo.porting import ports
from controlpanel.demo.quoted import quoted
from controlpanel.demo.stage import Office, Stage, Story
from controlpanel.demo.stories import STORIES
from controlpanel.demo.subscriptions import two_subscriptions
from controlpanel.demo.usage_files import usage_files

DAYS = 124
# Beat sends its tick on the hour, and a worker takes a moment to take it up.
TAKEN_UP = timedelta(seconds=2)


def load(now: datetime) -> None:
    """Load the demo into a database that has no account, all of it or nothing; `now` is its last instant."""
    with transaction.atomic():
        stage = Stage(now)
        stage.build()
        stories: list[Story] = [schedule(now), stage.raise_prices()]
        stories += [STORIES[plan.slug](Office(stage, plan)) for plan in cast.ACCOUNTS]
        stories += [payments(stage), failed_service(stage), fax_out_of_order(stage)]
        stories += [two_subscriptions(stage), quoted(stage), calls(stage), ports(stage)]
        stories += [usage_files(stage), plans(stage)]
        play(stories, now)


def play(stories: Iterable[Story], now: datetime) -> None:
    """Let each story go on when its instant has come, the earliest first; what is after `now` never happens."""
    waiting = [
        (at, place, story) for place, story in enumerate(stories) if (at := next(story, None)) is not None
    ]
    heapify(waiting)
    while waiting and waiting[0][0] <= now:
        _, place, story = waiting[0]
        following = next(story, None)
        if following is None:
            heappop(waiting)
        else:
            heapreplace(waiting, (following, place, story))


def schedule(now: datetime) -> Story:
    """What beat and a worker did at each hour at which some account's day began (BIL-7)."""
    for hour in midnights(now):
        yield hour
        at = hour + TAKEN_UP
        begin_due_charges(at)
        for run in runs_to_do(at):
            bill_due(run, at=at, clock=partial(_done, at, run.pk))


def _done(at: datetime, run: int) -> datetime:
    """When a run was done: no two take the same time."""
    return at + timedelta(milliseconds=380 + run * 7919 % 900)


def midnights(now: datetime) -> Iterator[datetime]:
    """The instants at which a day begins in the time zone of some account, up to now, in order."""
    zones = {ZoneInfo(plan.timezone) for plan in cast.ACCOUNTS}
    today = now.date()
    days = [today + timedelta(days=offset) for offset in range(-DAYS, 2)]
    hours = {
        datetime(on.year, on.month, on.day, tzinfo=zone).astimezone(now.tzinfo)
        for on in days
        for zone in zones
    }
    return iter(sorted(hour for hour in hours if hour + TAKEN_UP <= now))


# --- finance ---------------------------------------------------------------------------------


def payments(stage: Stage) -> Story:
    """Money comes in on working days, from each account after its own while."""
    habits = {plan.slug: plan for plan in cast.ACCOUNTS}
    actor = stage.staff[cast.BOOKKEEPER]
    for at in _working_days(stage):
        yield at
        for invoice in _open_invoices():
            plan = habits.get(invoice.account.slug)
            if plan is None:
                continue
            issued_days_ago = (stage.now.date() - invoice.issued_on).days
            today = invoice.account.local_date(at)
            if issued_days_ago > plan.stops_paying and (today - invoice.issued_on).days >= plan.pays_after:
                reference = f"Bank transfer {today:%y%m%d}-{invoice.sequence or 0:04}"
                received = Received(Payment.Kind.TRANSFER, invoice.open_amount, today, reference)
                receive_payment(invoice.account, received, actor=actor, at=at)


def failed_service(stage: Stage) -> Story:
    """The first invoice of a customer whose lines did not work is made void."""
    for at in _working_days(stage, hour=11):
        yield at
        invoice = _open_invoices().filter(account__slug="bluegate-staffing").first()
        if invoice is not None:
            reason = "Porting failed and the lines were dead for the first month (ticket 20418)"
            void_invoice(invoice, reason=reason, actor=stage.staff[cast.BOOKKEEPER], at=at)
            return


def fax_out_of_order(stage: Stage) -> Story:
    """A paid line is credited in part."""
    for at in _working_days(stage, hour=13):
        yield at
        paid = Invoice.objects.filter(account__slug="larkspur-law", state=InvoiceState.PAID)
        invoice = paid.order_by("pk")[1:2].first()
        if invoice is None:
            continue
        line = next(each for each in correctable(invoice).lines if each.line.product == "fax-line")
        credit_invoice(
            invoice,
            {line.line.position: round_half_up(line.line.unit_price * Decimal(6) / Decimal(30), 2)},
            reason="Fax line out of order for six days (ticket 21077)",
            actor=stage.staff[cast.BOOKKEEPER],
            at=at,
        )
        return


def _working_days(stage: Stage, hour: int = 15) -> Iterator[datetime]:
    """An instant of each Monday to Friday."""
    for offset in range(-DAYS, 1):
        at = (stage.now + timedelta(days=offset)).replace(hour=hour, minute=20, second=0, microsecond=0)
        if at.weekday() < 5:
            yield at


def _open_invoices() -> QuerySet[Invoice]:
    return (
        Invoice.objects.filter(state=InvoiceState.ISSUED, kind=InvoiceKind.BDOM)
        .select_related("account")
        .order_by("pk")
    )
