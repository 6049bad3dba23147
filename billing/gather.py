"""Reads what the engine needs from the database, in as many queries for one account as for a thousand."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from django.db.models import Q
from moneyed import get_currency

from accounts.models import Account
from billing.engine import AccountTerms, ChargeFacts, Usage, previous_bdom
from billing.gather_usage import gather_usage
from billing.models import BillingSchedule, Charge

# In the order of ChargeFacts.
_FACTS = (
    "id",
    "product_id",
    "quantity",
    "unit_price",
    "billing_starts_on",
    "start_recorded_on",
    "term_ends_on",
    "ended_on",
    "end_recorded_on",
    "basis",
    "basis_on",
    "basis_days",
    "subject",
    "subject_label",
    "holder",
    "subscription__name",
)


class Gathered(NamedTuple):
    """What one account's invoice is drawn from, and which charges were still waiting."""

    terms: AccountTerms
    charges: list[ChargeFacts]
    waiting: list[int]
    usage: Usage | None = None


@lru_cache(maxsize=256)
def decimals_of(currency: str) -> int:
    """How many decimals amounts of a currency (ISO 4217) have: 2 for USD, 0 for JPY, 3 for KWD."""
    # The library counts sub-units (100 cents to the dollar); decimals are their power of ten.
    return len(str(get_currency(currency).sub_unit)) - 1


def terms_of(account: Account) -> AccountTerms:
    """What of an account decides its invoices."""
    return AccountTerms(account.bdom, decimals_of(account.currency))


def gather(accounts: Sequence[tuple[Account, date]], used: Container[int]) -> dict[int, Gathered]:
    """The facts for each (account, its BDOM to be drawn), by the account's id.

    `used` are the ids of those that may have usage (`has_usage`). One query for the charges, and those
    of `gather_usage`.
    """
    found = {account.pk: Gathered(terms_of(account), [], []) for account, _ in accounts}
    if not found:
        return found
    # A charge that was over, and known to be, before the BDOM before has had its last line; the
    # earliest such day of the chunk serves for all, since facts too many do no harm.
    earliest = min(previous_bdom(account.bdom, on) for account, on in accounts)
    rows = (
        Charge.objects.filter(account_id__any_of=list(found), billing_starts_on__isnull=False)
        .filter(Q(end_recorded_on=None) | Q(end_recorded_on__gte=earliest) | Q(ended_on__gt=earliest))
        .filter(Q(term_ends_on=None) | Q(term_ends_on__gt=earliest))
        .order_by()
        .values_list("account_id", "state", *_FACTS)
    )
    for row in rows.iterator(chunk_size=5000):
        gathered = found[row[0]]
        gathered.charges.append(ChargeFacts._make(row[2:]))
        if row[1] == "waiting":
            gathered.waiting.append(row[2])
    asked = [(account, on) for account, on in accounts if account.pk in used]
    charges = {pk: gathered.charges for pk, gathered in found.items()}
    for pk, usage in gather_usage(asked, charges).items():
        found[pk] = found[pk]._replace(usage=usage)
    return found


def has_usage(schedule: BillingSchedule, bdom: int, on: date) -> bool:
    """Whether the invoice of the BDOM `on` may find usage: some was recorded since the BDOM before."""
    recorded_on = schedule.usage_recorded_on
    return recorded_on is not None and recorded_on >= previous_bdom(bdom, on)


def waiting_for(account: Account, conditions: Mapping[str, date], on: date) -> list[ChargeFacts]:
    """The facts of charges that wait for conditions, as if each were met on its day, up to the day `on`.

    No query where no condition comes by then, else two.
    """
    due = {key: day for key, day in conditions.items() if day <= on}
    if not due:
        return []
    last_bdom_on = BillingSchedule.objects.values_list("last_bdom_on", flat=True).get(account=account)
    rows = Charge.objects.filter(
        account=account, condition__in=due, billing_starts_on=None, ended_on=None, term_ends_on=None
    ).values_list("condition", "added_on", *_FACTS)
    found = []
    for key, added_on, *facts in rows:
        starts_on = max(due[key], added_on)
        # As the ledger dates what is scheduled: before the run of its day.
        recorded_on = max(due[key] - timedelta(days=1), last_bdom_on or date.min)
        found.append(
            ChargeFacts._make(facts)._replace(
                starts_on=starts_on, start_recorded_on=recorded_on, basis_on=starts_on
            )
        )
    return found
