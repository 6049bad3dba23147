"""Short ways to say what usage the engine is told of, and to read the lines that come of it."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from billing.engine import (
    AccountTerms,
    Aggregation,
    Commitment,
    MeterTerms,
    PackageFacts,
    Pooling,
    SubscriptionFacts,
    Usage,
    UsageFacts,
)
from billing.engine.calendar import Period, period_containing
from billing.engine.usage import Part, parts_of, usage_lines
from tests.billing.engine_facts import day

METERS = {
    meter.code: meter
    for meter in (
        MeterTerms("local", True, Aggregation.SUM, Pooling.NONE, 1),
        MeterTerms("toll-free", True, Aggregation.SUM, Pooling.PACKAGE, 2),
        MeterTerms("agents", False, Aggregation.MAXIMUM, Pooling.AGENTS, 3),
        MeterTerms("ports", False, Aggregation.MAXIMUM, Pooling.PEAKS, 4),
        MeterTerms("messages", False, Aggregation.SUM, Pooling.PRIMARY, 5),
        MeterTerms("robot", False, Aggregation.SUM, Pooling.TENANT, 6),
        MeterTerms("highest", False, Aggregation.MAXIMUM, Pooling.NONE, 7),
        MeterTerms("people", False, Aggregation.DISTINCT, Pooling.NONE, 8),
        MeterTerms("events", False, Aggregation.SUM, Pooling.NONE, 9),
    )
}


def used(
    meter: str,
    on: str,
    units: int,
    price: str | None = "0.03",
    *,
    recorded: str | None = None,
    of: int | None = None,
    subject: str = "",
    to: str = "",
) -> UsageFacts:
    """A record: units as they are billed (seconds for calls), recorded on its own day unless it is said otherwise."""
    return UsageFacts(
        meter,
        day(on),
        day(recorded or on),
        units,
        units,
        1,
        None if price is None else Decimal(price),
        of,
        subject,
        to,
    )


def called(on: str, minutes: int, price: str | None = "0.03", **fields: Any) -> UsageFacts:
    """A toll-free call of so many minutes."""
    return used("toll-free", on, minutes * 60, price, **fields)


def package(
    minutes: int, starts: str, ends: str | None = None, *, overage: str = "0.025", product: str = ""
) -> PackageFacts:
    """A toll-free package of so many minutes, from a day to a day."""
    return PackageFacts(
        product or f"tf-{minutes}", day(starts), day(ends) if ends else None, minutes, Decimal(overage)
    )


def subscription(
    key: int, starts: str, ends: str, *commitments: Commitment, **quantities: int
) -> SubscriptionFacts:
    """Subscription A, B, C… by its number, with what it has committed to from its start on, or as told."""
    own = tuple(
        Commitment(meter, quantity, day(starts), None) for meter, quantity in sorted(quantities.items())
    )
    return SubscriptionFacts(key, "ABCDEFGH"[key - 1], day(starts), day(ends), own + commitments)


def committed(meter: str, quantity: int, starts: str, ends: str | None = None) -> Commitment:
    """A commitment on the days [starts, ends)."""
    return Commitment(meter, quantity, day(starts), day(ends) if ends else None)


def lines(
    facts: Iterable[UsageFacts],
    closes: str,
    *,
    bdom: int = 15,
    decimals: int = 2,
    packages: Sequence[PackageFacts] = (),
    subscriptions: Sequence[SubscriptionFacts] = (),
    is_named: bool = False,
) -> list[str]:
    """The usage lines of the invoice of a BDOM: ``toll-free 2 × 0.03 = 0.06 · 01-15 to 02-15 · A · why``.

    As the engine is told: those recorded before that BDOM, and none that a later invoice has to see.
    """
    on = day(closes)
    period = period_containing(bdom, on - timedelta(days=1))
    assert period.end == on
    known = [fact for fact in facts if fact.recorded_on < on]
    usage = Usage(METERS, known, packages, subscriptions, is_named)
    return [
        f"{line.product} {line.quantity} × {line.unit_price} = {line.amount}"
        f" · {line.starts_on:%m-%d} to {line.ends_on:%m-%d}"
        f" · {line.subscription or '-'} · {line.why}"
        for line in usage_lines(AccountTerms(bdom, decimals), usage, period)
    ]


def amounts(facts: Iterable[UsageFacts], closes: str, **told: Any) -> list[str]:
    """The lines without their reasons."""
    return [line.rpartition(" · ")[0] for line in lines(facts, closes, **told)]


def parts(packages: Sequence[PackageFacts], starts: str, ends: str) -> list[tuple[str, str, str, int]]:
    """The parts of a period: from, to, package, included minutes."""

    def told(part: Part) -> tuple[str, str, str, int]:
        product = part.package.product if part.package else "-"
        return f"{part.starts_on:%m-%d}", f"{part.ends_on:%m-%d}", product, part.included

    return [told(part) for part in parts_of(Period(day(starts), day(ends)), packages)]
