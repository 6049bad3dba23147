"""Gives charges that run already another price, from a BDOM to come (BIL-6).

A change of the catalogue touches new purchases only. This is the other thing: a decision about what
customers have, so it is looked at before it is made, and made account by account.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.db.models import Count, F, QuerySet, Sum

from accounts.models import Account, Brand
from accounts.trail import Actor
from billing.charges import Ledger, open_ledger
from billing.engine import next_bdom
from billing.finance import exact
from billing.models import Charge, ChargeState, Product

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Repricing:
    """Another unit price of a product for charges in one currency, from each account's first BDOM on or after a day.

    `brand` and `accounts` (slugs) narrow it down; `was` leaves charges at other prices as they are.
    """

    product: Product
    unit_price: Decimal
    currency: str
    from_on: date
    brand: Brand | None = None
    accounts: tuple[str, ...] = ()
    was: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """What a repricing reaches: charges, accounts, units, and what they come to a month, before and after.

    `unpriced` of the charges have no price so far: what they come to before counts as nothing.
    """

    charges: int
    accounts: int
    units: int
    unpriced: int
    monthly_before: Decimal
    monthly_after: Decimal

    @property
    def difference(self) -> Decimal:
        """A month, all accounts together; below zero where it gets cheaper."""
        return self.monthly_after - self.monthly_before


def reached(repricing: Repricing) -> QuerySet[Charge]:
    """The charges that a repricing changes: open ones, without an agreed end, at another price than the new one."""
    charges = Charge.objects.filter(
        product=repricing.product,
        account__currency=repricing.currency,
        account__is_simulation=False,
        ended_on=None,
        term_ends_on=None,
    ).exclude(state=ChargeState.ENDED)
    charges = charges.exclude(unit_price=repricing.unit_price, unit_price__isnull=False)
    if repricing.brand is not None:
        charges = charges.filter(account__brand=repricing.brand)
    if repricing.accounts:
        charges = charges.filter(account__slug__in=repricing.accounts)
    if repricing.was is not None:
        charges = charges.filter(unit_price=repricing.was)
    return charges


def effect_of(repricing: Repricing) -> Effect:
    """What it would change, without changing it. One query."""
    found = (
        reached(repricing)
        .order_by()
        .aggregate(
            charges=Count("pk"),
            priced=Count("unit_price"),
            accounts=Count("account", distinct=True),
            units=Sum("quantity"),
            before=Sum(F("unit_price") * F("quantity")),
        )
    )
    units = found["units"] or 0
    return Effect(
        charges=found["charges"],
        accounts=found["accounts"],
        units=units,
        unpriced=found["charges"] - found["priced"],
        monthly_before=exact(found["before"]),
        monthly_after=repricing.unit_price * units,
    )


def reprice(
    repricing: Repricing, *, actor: Actor, at: datetime, progress: Progress | None = None
) -> tuple[int, int]:
    """Make it so; returns (charges, accounts) changed. `progress` is told each account that is done.

    Each account has a transaction and an entry in its trail of its own. What was interrupted is
    finished by doing it again: a charge at the new price already is not reached any more.
    """
    ids = list(reached(repricing).order_by("account_id").values_list("account_id", flat=True).distinct())
    charges = accounts = 0
    for account_id in ids:
        account = Account.objects.select_related("brand").get(pk=account_id)
        with open_ledger(account, actor=actor, at=at) as ledger:
            changed = _reprice_account(ledger, repricing)
        charges += changed
        accounts += 1 if changed else 0
        if progress is not None:
            progress(1)
    return charges, accounts


def _reprice_account(ledger: Ledger, repricing: Repricing) -> int:
    account = ledger.account
    earliest = max(repricing.from_on, ledger.schedule.next_bdom_on, ledger.on + timedelta(days=1))
    from_bdom = next_bdom(account.bdom, earliest - timedelta(days=1))
    found = list(reached(repricing).filter(account=account).order_by("pk"))
    before: dict[str, object] = {}
    for charge in found:
        before[f"charge {charge.pk}"] = charge.unit_price
        ledger.reprice(charge, repricing.unit_price, from_bdom)
    if found:
        ledger.record(
            "reprice",
            repricing.product,
            f"{repricing.product} at {repricing.unit_price} {account.currency} from {from_bdom:%b %-d, %Y}",
            before=before,
            after={"unit_price": repricing.unit_price, "from": from_bdom},
        )
    return len(found)
