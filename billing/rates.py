"""Rates of meters: what holds on a day, what is to come, and adding one. A change is a new row, never overwritten.

A record is rated when it comes in, by the rate of its own day (USE-3). A rate that is set for days gone by
reaches records that are there already only when those are rated anew, as long as no invoice holds them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from django.db import transaction
from django.db.models import F, Q, QuerySet

from accounts.exporting import Cell
from accounts.models import Account, Brand
from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing.models import Meter, MeterRate, UsageRecord
from billing.usage import rerate

MOST_DECIMALS: Final = 8
MOST_DIGITS: Final = 15
"""SQLite keeps no more of a decimal than this."""
LONGEST_INCREMENT: Final = 3600
EARLIEST: Final = date(2000, 1, 1)
"""A rate from before this day is a slip of the pen."""

RATE_COLUMNS: Final = {
    "meter": "The meter's code",
    "name": "The meter's name",
    "unit": "What is counted",
    "per_unit": "What one unit costs; a minute, for calls",
    "currency": "ISO 4217",
    "minimum_seconds": "A call is billed for so many seconds at least",
    "increment_seconds": "Beyond that it is rounded up to whole steps of so many seconds",
    "effective_on": "The first day of the rate",
    "brand": "The brand's name in addresses; empty for all brands",
    "ledger_code": "The account of the books",
}


@dataclass(frozen=True, slots=True)
class NewRate:
    """A rate to be set: `per_unit` for a unit (a minute, for calls) from the day `effective_on` on.

    `brand` None is for all brands; a brand's own goes before it.
    """

    per_unit: Decimal
    currency: str
    effective_on: date
    brand: Brand | None = None
    minimum_seconds: int = 60
    increment_seconds: int = 60


@dataclass(frozen=True, slots=True)
class Standing:
    """A meter with the rate in force on a day, and the next one to come; None where there is none."""

    meter: Meter
    rate: MeterRate | None
    following: MeterRate | None


def set_rate(meter: Meter, new: NewRate, *, actor: Actor, at: datetime) -> MeterRate:
    """Add a rate of a meter from a day on; the same one again changes nothing (USE-3).

    Raises Refused where the amount or the day cannot be, or another rate of that day is there already.
    """
    _check(meter, new)
    with transaction.atomic():
        # Two people at once take turns by the meter.
        Meter.objects.select_for_update().get(pk=meter.pk)
        same_day = MeterRate.objects.filter(
            meter=meter, brand=new.brand, per_unit_currency=new.currency, effective_on=new.effective_on
        ).first()
        if same_day is not None:
            if _terms(same_day) == (new.per_unit, new.minimum_seconds, new.increment_seconds):
                return same_day
            raise Refused(
                f"A rate of {meter} from {new.effective_on} is there already, at "
                f"{amount_text(same_day.per_unit.amount)} {new.currency}. Rates are never overwritten: set the "
                f"new one from another day on.",
                rule="USE-3",
                field="effective_on",
            )
        rate = MeterRate.objects.create(
            meter=meter,
            brand=new.brand,
            per_unit=new.per_unit,
            per_unit_currency=new.currency,
            minimum_seconds=new.minimum_seconds,
            increment_seconds=new.increment_seconds,
            effective_on=new.effective_on,
        )
        record(
            None,
            "set-rate",
            rate,
            f"{meter}: {amount_text(new.per_unit)} {new.currency} {per(meter)} from {new.effective_on}, "
            f"{new.brand or 'all brands'}",
            actor=actor,
            at=at,
            after={
                "per_unit": new.per_unit,
                "currency": new.currency,
                "minimum_seconds": new.minimum_seconds,
                "increment_seconds": new.increment_seconds,
                "effective_on": new.effective_on,
                "brand": new.brand,
            },
        )
    return rate


def standings(brand: Brand | None, currency: str, on: date) -> list[Standing]:
    """Each meter with what holds for a brand in a currency on the day `on`, in the meters' order. Two queries.

    Without a brand: what holds where a brand has no rate of its own.
    """
    found: dict[str, list[MeterRate]] = defaultdict(list)
    rates = MeterRate.objects.filter(_for(brand), per_unit_currency=currency).select_related("brand")
    for rate in rates.order_by(F("brand").desc(nulls_last=True), "-effective_on"):
        found[rate.meter_id].append(rate)
    return [
        Standing(meter, _in_force(found[meter.pk], on), _following(found[meter.pk], on))
        for meter in Meter.objects.all()
    ]


def history(meter: Meter, brand: Brand | None, currency: str) -> list[MeterRate]:
    """A meter's rates for a brand in a currency, those for all brands too, the latest first. One query."""
    rates = MeterRate.objects.filter(_for(brand), meter=meter, per_unit_currency=currency)
    return list(rates.select_related("brand").order_by("-effective_on", F("brand").desc(nulls_last=True)))


def in_force_of(rates: Sequence[MeterRate], on: date) -> MeterRate | None:
    """Which of a meter's rates holds on a day: a brand's own before others, the latest before earlier ones."""
    ordered = sorted(rates, key=lambda rate: (rate.brand_id is not None, rate.effective_on), reverse=True)
    return _in_force(ordered, on)


def rate_rows() -> Iterator[list[Cell]]:
    """A row for each rate there is, of all meters, brands and currencies, as RATE_COLUMNS name them."""
    rates = MeterRate.objects.select_related("meter", "brand")
    for rate in rates.order_by("meter__rank", "per_unit_currency", "brand", "effective_on").iterator():
        yield [
            rate.meter.code,
            rate.meter.name,
            rate.meter.unit,
            rate.per_unit.amount.normalize(),
            str(rate.per_unit.currency),
            rate.minimum_seconds if rate.meter.is_call else None,
            rate.increment_seconds if rate.meter.is_call else None,
            rate.effective_on,
            rate.brand.slug if rate.brand else "",
            rate.meter.ledger_code,
        ]


def open_records(meter: Meter, brand: Brand | None, currency: str, from_on: date) -> QuerySet[UsageRecord]:
    """The records of a meter from a day on that no invoice holds yet, of the accounts that a rate is for.

    `brand` None is all brands, `currency` "" all currencies.
    """
    schedule = "account__schedule__last_bdom_on"
    found = UsageRecord.objects.filter(
        Q((schedule, None)) | Q(recorded_on__gte=F(schedule)),
        meter=meter.pk,
        occurred_on__gte=from_on,
        account__is_simulation=False,
    )
    if currency:
        found = found.filter(account__currency=currency)
    return found if brand is None else found.filter(account__brand=brand)


def rerate_open(
    meter: Meter, brand: Brand | None, currency: str, from_on: date, *, actor: Actor, at: datetime
) -> tuple[int, int]:
    """Rate the open records of all accounts that have some of this meter anew; how many records and accounts changed.

    Account by account, each in a transaction of its own: done again, it finishes what was cut short.
    """
    with_some = open_records(meter, brand, currency, from_on).values("account")
    accounts = Account.objects.filter(pk__in=with_some)
    changed = [rerate(account, from_on=from_on, actor=actor, at=at) for account in accounts]
    return sum(changed), sum(1 for count in changed if count)


def read_amount(text: str) -> Decimal:
    """What was written as the price of a unit. Raises Refused where it is none that a rate can have."""
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        raise Refused(
            f"“{text[:40]}” is not an amount. Write it as 0.0125.", rule="USE-3", field="per_unit"
        ) from None
    check_amount(amount)
    return amount


def check_amount(amount: Decimal) -> None:
    """Raise Refused where no rate can be of this amount."""
    if not amount.is_finite() or amount < 0:
        raise Refused("A rate is zero or more.", rule="USE-3", field="per_unit")
    if amount >= 10**6:
        raise Refused("A rate is below 1,000,000.", rule="USE-3", field="per_unit")
    digits, exponent = amount.normalize().as_tuple()[1:]
    if (isinstance(exponent, int) and -exponent > MOST_DECIMALS) or len(digits) > MOST_DIGITS:
        raise Refused(
            f"A rate has at most {MOST_DECIMALS} decimals and {MOST_DIGITS} digits.",
            rule="USE-3",
            field="per_unit",
        )


def check_day(on: date) -> None:
    """Raise Refused where no rate begins on this day."""
    if on < EARLIEST:
        raise Refused(f"A rate begins on {EARLIEST} or later.", rule="USE-3", field="effective_on")


def amount_text(amount: Decimal) -> str:
    """An amount without the zeros that say nothing: 0.01250000 as 0.0125, 25 as 25.00."""
    short = amount.normalize()
    exponent = short.as_tuple().exponent
    return format(
        short.quantize(Decimal("0.01")) if isinstance(exponent, int) and exponent > -2 else short, "f"
    )


def per(meter: Meter) -> str:
    """What a rate of the meter is for: "a minute", "an agent"."""
    article = "an" if meter.unit[:1].lower() in "aeiou" else "a"
    return f"{article} {meter.unit}"


def _check(meter: Meter, new: NewRate) -> None:
    check_amount(new.per_unit)
    check_day(new.effective_on)
    if meter.is_call and not 1 <= new.increment_seconds <= LONGEST_INCREMENT:
        raise Refused(
            f"The step is 1 to {LONGEST_INCREMENT:,} seconds.", rule="USE-3", field="increment_seconds"
        )
    if meter.is_call and not 0 <= new.minimum_seconds <= LONGEST_INCREMENT:
        raise Refused(
            f"The minimum is 0 to {LONGEST_INCREMENT:,} seconds.", rule="USE-3", field="minimum_seconds"
        )


def _terms(rate: MeterRate) -> tuple[Decimal, int, int]:
    return rate.per_unit.amount, rate.minimum_seconds, rate.increment_seconds


def _for(brand: Brand | None) -> Q:
    return Q(brand=None) if brand is None else Q(brand=None) | Q(brand=brand)


def _in_force(rates: Sequence[MeterRate], on: date) -> MeterRate | None:
    """The first that has begun; `rates` have a brand's own first, and the latest first among equals."""
    return next((rate for rate in rates if rate.effective_on <= on), None)


def _following(rates: Sequence[MeterRate], on: date) -> MeterRate | None:
    """The next change of what holds: one for all brands is none where the brand has its own in force."""
    now = _in_force(rates, on)
    to_come = [
        rate
        for rate in rates
        if rate.effective_on > on and (now is None or now.brand_id is None or rate.brand_id is not None)
    ]
    return min(to_come, key=lambda rate: (rate.effective_on, rate.brand_id is None), default=None)
