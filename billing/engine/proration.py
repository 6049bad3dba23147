"""Amounts: rounding, proration, and shares that sum to the whole."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache

# More digits than any product of a price, a quantity and a number of days needs, so that the one
# rounding is the one that is meant.
EXACT = Context(prec=60, rounding=ROUND_HALF_UP)


@lru_cache(maxsize=16)
def minor_unit(decimals: int) -> Decimal:
    """The smallest amount of a currency with so many decimals: 2 gives 0.01, 0 gives 1."""
    return Decimal(1).scaleb(-decimals)


def round_half_up(amount: Decimal, decimals: int) -> Decimal:
    """The amount in whole minor units, halves away from zero (BIL-4)."""
    return amount.quantize(minor_unit(decimals), rounding=ROUND_HALF_UP, context=EXACT)


@lru_cache(maxsize=65536)
def prorate(unit_price: Decimal, quantity: int, days: int, of_days: int, decimals: int) -> Decimal:
    """unit price × quantity × days ÷ days of the period, rounded once (BIL-4).

    What is billed once has 0 of 0 days, and is not prorated.
    """
    if not 0 <= days <= of_days:
        raise ValueError(f"{days} of {of_days} days is no part of a period")
    amount = EXACT.multiply(unit_price, Decimal(quantity))
    if days != of_days:
        amount = EXACT.divide(EXACT.multiply(amount, Decimal(days)), Decimal(of_days))
    return round_half_up(amount, decimals)


def price_units(unit_price: Decimal, units: int, divisor: int, decimals: int) -> Decimal:
    """unit_price × units ÷ divisor, rounded once (USE-3): seconds at a price per minute have a divisor of 60."""
    amount = EXACT.divide(EXACT.multiply(unit_price, Decimal(units)), Decimal(divisor))
    return round_half_up(amount, decimals)


def split(total: Decimal, weights: Sequence[Decimal | int], decimals: int) -> list[Decimal]:
    """Parts of `total` in proportion to `weights`, in whole minor units, that sum to `total`.

    What rounding leaves goes, unit by unit, to the parts it is furthest from. Raises ValueError
    where the weights are negative, or none is above zero.
    """
    shares = [Decimal(weight) for weight in weights]
    whole = sum(shares, Decimal(0))
    if whole <= 0 or min(shares) < 0:
        raise ValueError("weights are not negative, and one at least is above zero")
    unit = minor_unit(decimals)
    exact = [EXACT.divide(EXACT.multiply(total, share), whole) for share in shares]
    parts = [round_half_up(part, decimals) for part in exact]
    left = int((total - sum(parts, Decimal(0))) / unit)
    step = unit if left > 0 else -unit
    furthest = sorted(
        range(len(parts)), key=lambda i: (exact[i] - parts[i]) * (1 if left > 0 else -1), reverse=True
    )
    for index in furthest[: abs(left)]:
        parts[index] += step
    return parts
