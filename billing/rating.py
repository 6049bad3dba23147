"""The rate of a record: its meter's on its day, or that of the longest prefix of where it went (USE-2, USE-3)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Q

from billing.models import Meter, MeterRate, PrefixRate

INTERNATIONAL = "international"
_LONGEST = 15
# Of so many numbers the prefix is remembered: most are called again, and files hold millions.
_REMEMBERED = 50_000


class Rate(NamedTuple):
    """What a unit costs (a minute, for calls), and how a call is rounded up, in seconds."""

    per_unit: Decimal
    minimum_seconds: int
    increment_seconds: int


class Rated(NamedTuple):
    """What is billed of a record: units (seconds for calls), the rate of its day, the prefix that decided.

    `unit_price` is None where nobody has set a rate.
    """

    units: int
    unit_price: Decimal | None
    destination: str


class _Dated(NamedTuple):
    """A rate with the days on which it holds; `is_own` of the brand, before those for all brands."""

    is_own: bool
    effective_on: date
    ends_on: date | None
    rate: Rate


class RateBook:
    """All rates of a brand in one currency, to look up many records. Two queries, when it is made."""

    def __init__(self, brand: int, currency: str) -> None:
        self._is_call = dict(Meter.objects.values_list("code", "is_call"))
        self._meters: dict[str, list[_Dated]] = defaultdict(list)
        self._prefixes: dict[str, list[_Dated]] = defaultdict(list)
        for_brand = Q(brand=None) | Q(brand=brand)
        rates = MeterRate.objects.filter(for_brand, per_unit_currency=currency).values_list(
            "meter_id", "brand", "effective_on", "per_unit", "minimum_seconds", "increment_seconds"
        )
        for meter, own, effective_on, per_unit, minimum, increment in rates.iterator():
            rate = Rate(per_unit, minimum, increment)
            self._meters[meter].append(_Dated(own is not None, effective_on, None, rate))
        prefixes = PrefixRate.objects.filter(for_brand, per_unit_currency=currency).values_list(
            "prefix", "brand", "effective_on", "ends_on", "per_unit"
        )
        for prefix, own, effective_on, ends_on, per_unit in prefixes.iterator():
            self._prefixes[prefix].append(
                _Dated(own is not None, effective_on, ends_on, Rate(per_unit, 0, 1))
            )
        for dated in (*self._meters.values(), *self._prefixes.values()):
            dated.sort(reverse=True, key=lambda one: (one.is_own, one.effective_on))
        self._known: dict[tuple[str, date], Rate | None] = {}
        self._reached: dict[tuple[str, date], tuple[str, Decimal] | None] = {}

    def has(self, meter: str) -> bool:
        """Whether there is such a meter."""
        return meter in self._is_call

    def is_call(self, meter: str) -> bool:
        """Whether a meter counts calls, in seconds."""
        return self._is_call[meter]

    def rate(self, meter: str, on: date) -> Rate | None:
        """The rate of a meter on a day, or None where none is set."""
        key = (meter, on)
        if key not in self._known:
            self._known[key] = _in_force(self._meters.get(meter, ()), on)
        return self._known[key]

    def reach(self, number: str, on: date) -> tuple[str, Decimal] | None:
        """The longest prefix of a number (E.164) that has a rate on a day, and the rate of a minute."""
        key = (number, on)
        if key not in self._reached:
            if len(self._reached) >= _REMEMBERED:
                self._reached.clear()
            self._reached[key] = self._longest(number, on)
        return self._reached[key]

    def rated(self, meter: str, on: date, quantity: int, peer: str = "") -> Rated:
        """What is billed of a record: `quantity` are seconds for calls, `peer` whom an international one reached."""
        rate = self.rate(meter, on)
        price = None if rate is None else rate.per_unit
        if not self._is_call[meter]:
            return Rated(quantity, price, "")
        units = (
            quantity
            if rate is None
            else billed_seconds(quantity, rate.minimum_seconds, rate.increment_seconds)
        )
        if meter == INTERNATIONAL and (found := self.reach(peer, on)) is not None:
            return Rated(units, found[1], found[0])
        return Rated(units, price, "")

    def _longest(self, number: str, on: date) -> tuple[str, Decimal] | None:
        for length in range(min(len(number), _LONGEST + 1), 1, -1):
            prefix = number[:length]
            if prefix in self._prefixes and (rate := _in_force(self._prefixes[prefix], on)) is not None:
                return prefix, rate.per_unit
        return None


def billed_seconds(seconds: int, minimum: int, increment: int) -> int:
    """The seconds of a call that are billed: raised to the minimum, then rounded up to whole increments (USE-3).

    A call of no seconds is not charged (USE-2).
    """
    return 0 if seconds == 0 else -(-max(seconds, minimum) // increment) * increment


def _in_force(dated: Iterable[_Dated], on: date) -> Rate | None:
    """The rate of a day: the brand's own before others, the latest before earlier ones."""
    for one in dated:
        if one.effective_on <= on and (one.ends_on is None or on < one.ends_on):
            return one.rate
    return None
