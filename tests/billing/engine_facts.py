"""Short ways to say what the engine is told, and to read what it answers."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from billing.engine import AccountTerms, ChargeFacts, Draft, Line, ProductTerms, Section, draft

LICENCE = ProductTerms("licence", Section.RECURRING, is_recurring=True, is_credited=True, rank=1)
NUMBER = ProductTerms("number", Section.RECURRING, is_recurring=True, is_credited=True, rank=2)
KEPT = ProductTerms("kept", Section.RECURRING, is_recurring=True, is_credited=False, rank=3)
FEE = ProductTerms("fee", Section.ONE_TIME, is_recurring=False, is_credited=False, rank=4)
PHONE = ProductTerms("phone", Section.HARDWARE, is_recurring=False, is_credited=False, rank=5)
PRODUCTS = {terms.code: terms for terms in (LICENCE, NUMBER, KEPT, FEE, PHONE)}


def day(text: str) -> date:
    """A date as 2026-01-10, or as 01-10 in 2026."""
    return date.fromisoformat(text if len(text) == 10 else f"2026-{text}")


def charge(
    quantity: int,
    price: str | None,
    starts: str | None,
    ends: str | None = None,
    *,
    product: str = "licence",
    recorded: str | None = None,
    end_recorded: str | None = None,
    term: str | None = None,
    basis: str = "added",
    basis_on: str | None = None,
    basis_days: int = 0,
    subject: str = "",
    subscription: str | None = None,
    key: int = 1,
) -> ChargeFacts:
    """A row of the ledger. Start and end were recorded on their own days unless it is said otherwise."""
    starts_on = day(starts) if starts else None
    return ChargeFacts(
        id=key,
        product=product,
        quantity=quantity,
        unit_price=None if price is None else Decimal(price),
        starts_on=starts_on,
        start_recorded_on=day(recorded) if recorded else starts_on,
        term_ends_on=day(term) if term else None,
        ended_on=day(ends) if ends else None,
        end_recorded_on=day(end_recorded or ends) if ends else None,
        basis=basis,
        basis_on=day(basis_on) if basis_on else (starts_on or day("01-01")),
        basis_days=basis_days,
        subject=subject,
        subject_label=subject,
        holder="",
        subscription=subscription,
    )


def drawn(charges: Iterable[ChargeFacts], on: str, *, bdom: int = 15, decimals: int = 2) -> Draft:
    """The invoice of a BDOM."""
    return draft(AccountTerms(bdom, decimals), PRODUCTS, list(charges), day(on))


def told(line: Line) -> str:
    """A line in words: ``recurring 5 × 29.99 · 01-17 to 02-15 · 29/31 · 140.28 · 7-day delay from 2026-01-10``."""
    dates = f"{line.starts_on:%m-%d} to {line.ends_on:%m-%d}" if line.of_days else f"{line.starts_on:%m-%d}"
    days = f" · {line.days}/{line.of_days}" if line.of_days else ""
    return f"{line.section} {line.quantity} × {line.unit_price} · {dates}{days} · {line.amount} · {line.why}"


def lines(charges: Iterable[ChargeFacts], on: str, *, bdom: int = 15, decimals: int = 2) -> list[str]:
    """The lines of the invoice of a BDOM, in words."""
    return [told(line) for line in drawn(charges, on, bdom=bdom, decimals=decimals).lines]
