"""The next invoice before it is issued: the run's own reading and the engine, without the write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple
from zlib import crc32

from django.core.cache import cache
from django.db import transaction

from accounts.models import Account
from billing.catalogue import product_terms
from billing.charges import watched_charges
from billing.engine import Draft, ProductTerms, Usage, draft, next_bdom
from billing.gather import gather, has_usage, waiting_for
from billing.models import BillingSchedule, Charge

KEPT_FOR_SECONDS = 24 * 3600

# The conditions that an account will meet if nobody does anything, by key, each with its day. Rooms
# above billing know them: automatic activation.
Forecast = Callable[[Account], Mapping[str, date]]
_forecasts: list[Forecast] = []


def register_forecast(forecast: Forecast) -> Forecast:
    """Have previews count on what will be met by itself (BIL-10)."""
    if forecast not in _forecasts:
        _forecasts.append(forecast)
    return forecast


def foreseen(account: Account) -> dict[str, date]:
    """The conditions that the account will meet by itself, each with its day."""
    return {key: day for forecast in _forecasts for key, day in forecast(account).items()}


def next_invoice(account: Account) -> Draft:
    """The invoice of the account's next BDOM, if nothing else happens until then (BIL-10).

    Raises BillingFault where the run could not draw it either.
    """
    return _next(account, product_terms())


def _next(account: Account, products: dict[str, ProductTerms]) -> Draft:
    schedule = BillingSchedule.objects.get(account=account)
    on = schedule.next_bdom_on
    # A draft depends on the ledger, the products' terms and the day alone, so it holds until one
    # of them moves.
    terms = crc32(repr((products, foreseen(account))).encode())
    # Records that came in together give their accounts one stamp.
    key = f"draft:{account.pk}:{schedule.stamp}:{terms}:{on.isoformat()}"
    kept: Draft | None = cache.get(key)
    if kept is None:
        kept = draw(account, on, products, schedule)
        cache.set(key, kept, KEPT_FOR_SECONDS)
    return kept


def draw(
    account: Account,
    on: date,
    products: dict[str, ProductTerms] | None = None,
    schedule: BillingSchedule | None = None,
) -> Draft:
    """The invoice of the BDOM `on`, drawn anew from the ledger as it stands, and from what is foreseen."""
    return draw_with_usage(account, on, products, schedule).draft


class Drawn(NamedTuple):
    """An invoice as it was drawn, and the usage that it was drawn from; None where there is none."""

    draft: Draft
    usage: Usage | None


def draw_with_usage(
    account: Account,
    on: date,
    products: dict[str, ProductTerms] | None = None,
    schedule: BillingSchedule | None = None,
) -> Drawn:
    """`draw`, and what usage it was drawn from."""
    schedule = schedule or BillingSchedule.objects.get(account=account)
    used = {account.pk} if has_usage(schedule, account.bdom, on) else ()
    found = gather([(account, on)], used)[account.pk]
    charges = found.charges + waiting_for(account, foreseen(account), on)
    return Drawn(draft(found.terms, products or product_terms(), charges, on, found.usage), found.usage)


def following(account: Account, count: int) -> list[Draft]:
    """The next `count` invoices if nothing else happens."""
    schedule = BillingSchedule.objects.get(account=account)
    on = schedule.next_bdom_on
    drafts = []
    for _ in range(count):
        drafts.append(draw(account, on, schedule=schedule))
        on = next_bdom(account.bdom, on)
    return drafts


@dataclass(frozen=True, slots=True)
class Cost:
    """What an action would cost: the next invoice now and after it, and the charges it moves."""

    before: Draft
    after: Draft
    opened: tuple[Charge, ...]
    ended: tuple[Charge, ...]


class _Undo(Exception):
    """Carries the answer out of a transaction that is rolled back."""


def cost_of(account: Account, action: Callable[[], object]) -> Cost:
    """Do the action, look at what came of it, and take it back: the cost is what will be billed.

    Because it is the very action, its refusal (Refused) comes through as it would later.
    """
    products = product_terms()
    before = _next(account, products)
    cost: Cost | None = None
    try:
        with transaction.atomic(), watched_charges() as written:
            action()
            cost = Cost(before, draw(account, before.on, products), written.opened, written.ended)
            raise _Undo
    except _Undo:
        pass
    if cost is None:
        raise RuntimeError("an action that is priced does not end the transaction")
    return cost
