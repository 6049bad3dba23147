"""What the engine is told, and what it answers, as plain values.

A charge carries two kinds of dates: the day on which something holds (`starts_on`, `ended_on`) and
the day on which it was recorded. An invoice sees what was recorded before its own day and nothing
else, which is why a run that comes late draws the same invoices as one that comes in time (BIL-8).
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple


class Section(StrEnum):
    """Where a line stands on the invoice; the order is that of INV-2."""

    RECURRING = "recurring"
    ONE_TIME = "one-time"
    HARDWARE = "hardware"
    USAGE = "usage"
    CREDIT = "credit"
    FEE = "fee"
    TAX = "tax"


SECTION_RANK = {section: rank for rank, section in enumerate(Section)}


class BillingFault(Exception):
    """An account's invoice cannot be drawn: a product or a price is missing."""


class MissingPrice(BillingFault):
    """Nobody has set a price for the `product` (its code) of a charge (its id)."""

    def __init__(self, product: str, charge: int) -> None:
        super().__init__(f"charge {charge}: no price is set for “{product}”")
        self.product = product
        self.charge = charge


class AccountTerms(NamedTuple):
    """What of an account decides its invoices: the BDOM (1 to 31) and the currency's decimals."""

    bdom: int
    decimals: int


class ProductTerms(NamedTuple):
    """What of a product decides its lines. `rank` orders products within a section."""

    code: str
    section: Section
    is_recurring: bool
    is_credited: bool
    rank: int


class ChargeFacts(NamedTuple):
    """One row of the ledger, as the engine reads it.

    `unit_price` is per month (recurring) or once, in the account's currency; None where nobody has
    set one. `starts_on` is the first billed day, None while a condition is not met; `term_ends_on`
    an end that was agreed from the beginning, `ended_on` one that came later; both are the first
    day that is no longer billed (BIL-5). `basis` says why billing begins when it does.
    """

    id: int
    product: str
    quantity: int
    unit_price: Decimal | None
    starts_on: date | None
    start_recorded_on: date | None
    term_ends_on: date | None
    ended_on: date | None
    end_recorded_on: date | None
    basis: str
    basis_on: date
    basis_days: int
    subject: str
    subject_label: str
    holder: str
    subscription: str | None


class Line(NamedTuple):
    """One line of an invoice.

    Recurring lines and their credits have the service days [starts_on, ends_on) and `days` of the
    `of_days` of their billing period; one-time lines have both dates equal and no days. `amount` is
    in whole minor units, negative for a credit. `charges` are the ids of the charges in it. A usage
    line names its meter as its product, has the dates of its billing period or of the part in which
    one package held, and no days; its quantity may be parts of a minute.
    """

    section: Section
    product: str
    quantity: int | Decimal
    unit_price: Decimal
    starts_on: date
    ends_on: date
    days: int | None
    of_days: int | None
    amount: Decimal
    subscription: str | None
    subject: str
    subject_label: str
    holder: str
    rule: str
    why: str
    charges: tuple[int, ...]


class Draft(NamedTuple):
    """The invoice of the BDOM `on`, before it has a number. `period` is the month ahead."""

    on: date
    period: tuple[date, date]
    lines: tuple[Line, ...]
    subtotal: Decimal
    tax: Decimal
    total: Decimal
