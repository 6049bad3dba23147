"""What finance reads of who owes: since when, what was tried, of what was reminded, and what comes next (INV-6)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from accounts.exporting import Cell
from accounts.models import Account, days_of
from billing.dunning.reminding import next_stage, suspends_on
from billing.explain import whole
from billing.models import CollectionState, Invoice, InvoiceKind, InvoiceState
from billing.payments.due import chase_of
from billing.queries import FAR_DAY, overdue_on

BATCH: Final = 500
"""So many accounts are read at a time for a file."""

STATES: Final = {
    "overdue": "Something overdue",
    "failed": "Collection failed",
    "suspended": "Suspended",
    "held": "Held by finance",
}
"""What the list can be narrowed to, by the word in its address."""

COLUMNS: Final = (
    "account",
    "account name",
    "brand",
    "overdue since",
    "days",
    "invoices",
    "overdue",
    "currency",
    "last reminder",
    "failed collection",
    "next step",
    "on",
    "suspended on",
    "suspended because",
    "held until",
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands: what of it is overdue on its own day `today`, oldest first, and what comes next.

    `tried` was collected last without success: its words, and the day of the attempt. `steps` are what happens
    by itself if nobody pays, with the day of each, the nearest first.
    """

    account: Account
    today: date
    late: Sequence[Invoice]
    reminded_on: date | None
    failure: str
    failed_on: date | None
    steps: Sequence[tuple[str, date]]

    @property
    def since(self) -> date | None:
        """Since when something has been due that is not paid; None where nothing is overdue."""
        return self.late[0].due_on if self.late else None

    @property
    def days(self) -> int:
        """For how many days."""
        return (self.today - self.late[0].due_on).days if self.late else 0

    @property
    def total(self) -> Decimal:
        """How much is overdue, in the account's currency."""
        return sum((invoice.open_amount for invoice in self.late), Decimal(0))

    @property
    def is_held(self) -> bool:
        """Whether finance lets the account be for now."""
        held_until = self.account.dunning_held_until
        return held_until is not None and self.today < held_until

    @property
    def next_step(self) -> tuple[str, date] | None:
        """What happens next by itself, and when."""
        return self.steps[0] if self.steps else None


def accounts_in_dunning(
    today: date, *, search: str = "", brand: int | None = None, state: str = ""
) -> QuerySet[Account]:
    """Accounts that owe something overdue by `today`, whose card was declined for what is open, that are
    suspended, or held; each carries `since`, a day always.

    `state`: one of STATES.
    """
    late = Invoice.objects.filter(overdue_on(today)).order_by()
    declined = Invoice.objects.filter(
        state=InvoiceState.ISSUED, chase__collection__state=CollectionState.FAILED
    ).order_by()
    named = Account.objects.order_by()
    wanted = {
        "overdue": late.values("account"),
        "failed": declined.values("account"),
        "suspended": named.filter(suspended_on__isnull=False).values("pk"),
        "held": named.filter(dunning_held_until__gt=today).values("pk"),
    }
    # One list of accounts, so that a database looks at those alone, and not at each for four conditions.
    first, *others = [wanted[state]] if state in wanted else wanted.values()
    found = first.union(*others) if others else first
    days = late.filter(account=OuterRef("pk")).order_by("due_on").values("due_on")[:1]
    accounts = (
        Account.objects.filter(pk__in=found, is_simulation=False)
        .select_related("brand")
        .annotate(since=Coalesce(Subquery(days), Value(FAR_DAY)))
    )
    if brand is not None:
        accounts = accounts.filter(brand=brand)
    for word in search.split():
        accounts = accounts.filter(Q(name__icontains=word) | Q(slug__icontains=word))
    return accounts


def standings_of(accounts: Iterable[Account], at: datetime) -> list[Standing]:
    """How accounts stand at the instant `at`, in their order. One query."""
    accounts = list(accounts)
    open_invoices: dict[int, list[Invoice]] = defaultdict(list)
    found = Invoice.objects.filter(
        account__in=[account.pk for account in accounts], state=InvoiceState.ISSUED, total__gt=F("settled")
    ).exclude(kind=InvoiceKind.CREDIT_NOTE)
    for invoice in found.select_related("chase__collection__method").order_by("due_on", "id"):
        open_invoices[invoice.account_id].append(invoice)
    return [_standing(account, open_invoices[account.pk], account.local_date(at)) for account in accounts]


def standing_rows(accounts: QuerySet[Account], at: datetime) -> Iterator[list[Cell]]:
    """A row for each account in the order of COLUMNS, by name; some hundreds are read at a time."""
    last = 0
    ordered = accounts.order_by("pk")
    while batch := list(ordered.filter(pk__gt=last)[:BATCH]):
        last = batch[-1].pk
        for each in standings_of(batch, at):
            account = each.account
            step, on = each.next_step or ("", None)
            yield [
                account.slug,
                account.name,
                account.brand.name,
                each.since,
                each.days or None,
                len(each.late),
                whole(each.total, account.currency),
                account.currency,
                each.reminded_on,
                each.failure,
                step,
                on,
                account.suspended_on,
                account.suspended_because,
                account.dunning_held_until if each.is_held else None,
            ]


def _standing(account: Account, open_invoices: Sequence[Invoice], today: date) -> Standing:
    late = [invoice for invoice in open_invoices if invoice.due_on < today]
    chases = [chase_of(invoice) for invoice in open_invoices]
    collections = [chase.collection for chase in chases if chase.collection is not None]
    last = max(collections, key=lambda collection: collection.pk, default=None)
    failure, failed_on = "", None
    if last is not None and last.state == CollectionState.FAILED:
        failure = last.failure
        failed_on = account.local_date(last.finished_at or last.began_at)
    return Standing(
        account,
        today,
        late,
        max((chase.reminded_on for chase in chases if chase.reminded_on is not None), default=None),
        failure,
        failed_on,
        _steps(account, open_invoices, late, today),
    )


def _steps(
    account: Account, open_invoices: Sequence[Invoice], late: Sequence[Invoice], today: date
) -> list[tuple[str, date]]:
    """What happens by itself if nobody pays: the card asked again, a reminder, a suspension."""
    steps = []
    tries = [chase_of(invoice).next_try_on for invoice in open_invoices]
    if account.collects_by_card and (again := min((day for day in tries if day is not None), default=None)):
        steps.append(("Card is asked again", max(again, today)))
    held_until = account.dunning_held_until
    earliest = today if held_until is None else max(today, held_until)
    days = days_of(account.brand.reminder_days)
    stages = [next_stage(invoice, days) for invoice in late]
    if reminder := min((day for day in stages if day is not None), default=None):
        steps.append(("Reminder", max(reminder, earliest)))
    if suspension := suspends_on(account, late, today):
        steps.append(("Suspension", max(suspension, earliest)))
    return sorted(steps, key=lambda step: step[1])
