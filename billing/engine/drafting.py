"""Draws the invoice of a BDOM from the facts that were recorded before it.

The invoice of a BDOM is a difference: what should be covered by now, less what the invoice before
it covered. Both sides come from the same facts (a charge's days, and when each was recorded), so no
charge carries a mark of how far it has been billed, nothing can be billed twice, and a draft drawn
late is the draft drawn in time (BIL-8, BIL-9, BIL-10).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

from billing.engine.calendar import Period, cut, next_bdom, previous_bdom
from billing.engine.facts import (
    SECTION_RANK,
    AccountTerms,
    BillingFault,
    ChargeFacts,
    Draft,
    Line,
    MissingPrice,
    ProductTerms,
    Section,
)
from billing.engine.proration import minor_unit, prorate
from billing.engine.reasons import MONTH_AHEAD, Reason, beginning, credited, month_ahead_until
from billing.engine.usage import Usage, usage_lines

# Lines that agree in all of these are one line, whose quantities add up and which is rounded once:
# section and rank, product, subscription, subject's label, from, to, of days, price, reason, subject.
LineKey = tuple[int, str, str, str, date, date, int, Decimal, Reason, str]

_SECTIONS = tuple(Section)
_RANKS = 100_000
_CREDITS = SECTION_RANK[Section.CREDIT] * _RANKS
# Amounts are kept with fourteen digits before the decimals.
_TOO_MUCH = 10**14
# What is billed once has no days of a period.
_ONCE = 0


def draft(
    terms: AccountTerms,
    products: Mapping[str, ProductTerms],
    charges: Iterable[ChargeFacts],
    on: date,
    usage: Usage | None = None,
) -> Draft:
    """The invoice of the BDOM `on`: a month ahead, what began since the last, usage in arrears, and credits.

    `charges` are all charges of one account that were not over before the BDOM before `on`; more do
    no harm, and their order does not matter. `usage` is what `usage_lines` asks for. Raises
    BillingFault where a product is unknown, a price or rate is missing or the total is beyond measure,
    and ValueError where `on` is no BDOM.
    """
    before = previous_bdom(terms.bdom, on)
    until = next_bdom(terms.bdom, on)
    if next_bdom(terms.bdom, before) != on:
        raise ValueError(f"{on} is not a BDOM of day {terms.bdom}")
    ahead = Period(on, until)
    ahead_days = ahead.days
    lines = _Lines(terms.decimals)
    for charge in charges:
        starts_on, recorded_on = charge.starts_on, charge.start_recorded_on
        if starts_on is None or recorded_on is None or starts_on > on or recorded_on >= on:
            continue
        product = products.get(charge.product)
        if product is None:
            raise BillingFault(f"charge {charge.id}: product “{charge.product}” is not known")
        was_seen = starts_on <= before and recorded_on < before
        if not product.is_recurring:
            if not was_seen and not _is_over(charge, on):
                reason = beginning(charge.basis, charge.basis_on, charge.basis_days)
                lines.add(product, charge, product.section, starts_on, starts_on, _ONCE, reason)
            continue
        covered_to = max(starts_on, _end_known(charge, before, on)) if was_seen else starts_on
        wanted_to = max(starts_on, _end_known(charge, on, until))
        if wanted_to == until and covered_to == on:
            lines.add(product, charge, product.section, on, until, ahead_days, MONTH_AHEAD)
        elif wanted_to > covered_to:
            _add_service(lines, terms, product, charge, covered_to, wanted_to, ahead)
        elif wanted_to < covered_to and product.is_credited:
            reason = credited(wanted_to)
            for start, end, period in cut(terms.bdom, wanted_to, covered_to):
                lines.add(product, charge, Section.CREDIT, start, end, period.days, reason)
    drawn = _with_usage(lines.drawn(), terms, usage, Period(before, on))
    subtotal = sum([line.amount for line in drawn], minor_unit(terms.decimals) * 0)
    if abs(subtotal) >= _TOO_MUCH:
        raise BillingFault(f"the total of {subtotal} is more than an invoice can hold")
    return Draft(on, (on, until), drawn, subtotal, subtotal * 0, subtotal)


def _with_usage(
    drawn: tuple[Line, ...], terms: AccountTerms, usage: Usage | None, period: Period
) -> tuple[Line, ...]:
    """The lines with those of the usage of `period`, in the order of INV-2."""
    if usage is None or not usage.facts:
        return drawn
    used = usage_lines(terms, usage, period)
    return tuple(sorted([*drawn, *used], key=lambda line: SECTION_RANK[line.section]))


def _is_over(charge: ChargeFacts, on: date) -> bool:
    """Whether the charge's end had been recorded before `on`."""
    return charge.end_recorded_on is not None and charge.end_recorded_on < on


def _end_known(charge: ChargeFacts, on: date, latest: date) -> date:
    """The end of the charge as it was known before `on`, or `latest` where that is earlier."""
    end = latest
    if charge.term_ends_on is not None and charge.term_ends_on < end:
        end = charge.term_ends_on
    if charge.ended_on is not None and charge.ended_on < end and _is_over(charge, on):
        end = charge.ended_on
    return end


def _add_service(
    lines: _Lines,
    terms: AccountTerms,
    product: ProductTerms,
    charge: ChargeFacts,
    start: date,
    end: date,
    ahead: Period,
) -> None:
    """A line for each period that the days [start, end) reach into."""
    begun = beginning(charge.basis, charge.basis_on, charge.basis_days)
    for piece_start, piece_end, period in cut(terms.bdom, start, end):
        reason = begun
        if period == ahead:
            reason = MONTH_AHEAD if piece_end == ahead.end else month_ahead_until(piece_end)
        lines.add(product, charge, product.section, piece_start, piece_end, period.days, reason)


class _Lines:
    """Gathers lines, one for all that agree in everything but the quantity."""

    __slots__ = ("_decimals", "_found")

    def __init__(self, decimals: int) -> None:
        self._decimals = decimals
        self._found: dict[LineKey, list[ChargeFacts]] = {}

    def add(
        self,
        product: ProductTerms,
        charge: ChargeFacts,
        section: Section,
        start: date,
        end: date,
        of_days: int,
        reason: Reason,
    ) -> None:
        """Add the days [start, end) of a period of `of_days`; no days at all for what is billed once."""
        price = charge.unit_price
        if price is None:
            raise MissingPrice(charge.product, charge.id)
        key = (
            SECTION_RANK[section] * _RANKS + product.rank,
            product.code,
            charge.subscription or "",
            charge.subject_label,
            start,
            end,
            of_days,
            price,
            reason,
            charge.subject,
        )
        charges = self._found.get(key)
        if charges is None:
            self._found[key] = [charge]
        else:
            charges.append(charge)

    def drawn(self) -> tuple[Line, ...]:
        """The lines in the order of INV-2: that of their keys."""
        self._drop_what_continues()
        found = self._found
        return tuple([self._line(key, found[key]) for key in sorted(found)])

    def _drop_what_continues(self) -> None:
        """A thing that ends and begins again on one day at one price goes on (NUM-7): no lines."""
        given_back = [key for key in self._found if key[0] >= _CREDITS and key[-1]]
        if not given_back:
            return
        services = {_days_of(key): key for key in self._found if key[0] < _CREDITS and key[-1]}
        for key in given_back:
            again = services.get(_days_of(key))
            if again is not None and len(self._found[again]) == len(self._found[key]):
                del self._found[again], self._found[key]

    def _line(self, key: LineKey, charges: list[ChargeFacts]) -> Line:
        order, product, subscription, label, start, end, of_days, price, reason, subject = key
        first = charges[0]
        quantity, ids = first.quantity, [first.id]
        if len(charges) > 1:
            quantity = sum([charge.quantity for charge in charges])
            ids = sorted([charge.id for charge in charges])
        days = (end - start).days
        amount = prorate(price, quantity, days, of_days, self._decimals)
        is_once = of_days == _ONCE
        return Line(
            _SECTIONS[order // _RANKS],
            product,
            quantity,
            price,
            start,
            end,
            None if is_once else days,
            None if is_once else of_days,
            -amount if order >= _CREDITS else amount,
            subscription or None,
            subject,
            label,
            first.holder,
            reason.rule,
            reason.why,
            tuple(ids),
        )


def _days_of(key: LineKey) -> tuple[object, ...]:
    """What is served and when, whatever the section and the reason of the line."""
    return key[1], key[2], key[4], key[5], key[7], key[-1]
