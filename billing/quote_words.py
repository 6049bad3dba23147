"""Says in words what a quote holds, how it stands, and how the first invoice comes from it (ORD-1, ORD-4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from billing.engine import round_half_up
from billing.engine.quoted import Difference, QuoteStep, Walk
from billing.engine.reasons import Basis
from billing.explain import SECTION_LABELS, delay_words, money_words, quantity_words, units_words
from billing.gather import decimals_of
from billing.models import Quote, QuoteState
from billing.queries import subtotals_of
from billing.quotes import Forecast, Sums, editions, sums_of, today_of

COMPLIMENTARY: Final = "Auto attendant, complimentary"
"""What every quote holds without a line for it (ORD-1, NUM-5)."""

TONES: Final[Mapping[str, str]] = {
    QuoteState.DRAFT: "neutral",
    QuoteState.SENT: "info",
    QuoteState.ACCEPTED: "ok",
    QuoteState.DECLINED: "bad",
    QuoteState.EXPIRED: "warn",
}

LABELS: Final[Mapping[Difference, str]] = {
    Difference.DELAY: "Not billed yet",
    Difference.CONDITION: "Waits for activation",
    Difference.NOT_SHIPPED: "Not shipped",
    Difference.PRORATION: "Partial month",
    Difference.ADDED: "Added since",
    Difference.DROPPED: "Dropped since",
    Difference.PRICE: "Price",
    Difference.USAGE: "Usage",
    Difference.CREDIT: "Credit",
    Difference.TAX: "Taxes and fees",
}
RULES: Final[Mapping[Difference, str]] = {
    Difference.DELAY: "BIL-3",
    Difference.CONDITION: "BIL-3",
    Difference.NOT_SHIPPED: "ORD-5",
    Difference.PRORATION: "BIL-4",
    Difference.ADDED: "ORD-4",
    Difference.DROPPED: "ORD-4",
    Difference.PRICE: "BIL-6",
    Difference.USAGE: "USE-5",
    Difference.CREDIT: "BIL-5",
    Difference.TAX: "ORD-4",
}

_WAITS: Final[Mapping[Basis, str]] = {
    Basis.CONDITION: "when the contact center is activated",
    Basis.SHIPPED: "when it ships",
}


@dataclass(frozen=True, slots=True)
class Offered:
    """One line of what is offered. `unit_price` and `amount` are None for what is free.

    `begins` says when it is billed, "" where there is nothing to say.
    """

    name: str
    quantity: int
    unit_price: Decimal | None
    amount: Decimal | None
    begins: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """A quote as a document shows it: per month, once, and what both come to, in `words` too."""

    monthly: list[Offered]
    once: list[Offered]
    sums: Sums
    words: str


def offer_of(quote: Quote) -> Offer:
    """What a quote offers; what is complimentary stands among what is billed monthly, as free."""
    decimals = decimals_of(quote.currency)
    monthly = [Offered(COMPLIMENTARY, 1, None, None)]
    once: list[Offered] = []
    if quote.edition:
        monthly.append(Offered(f"{editions.get(quote.edition, quote.edition)}, installed", 1, None, None))
    for line in quote.lines.select_related("product"):
        amount = round_half_up(line.unit_price * line.quantity, decimals)
        begins = f"billed {delay_words(line.product)}" if amount else ""
        offered = Offered(line.product.name, line.quantity, line.unit_price, amount, begins)
        (monthly if line.product.is_recurring else once).append(offered)
    sums = sums_of(quote)
    return Offer(monthly, once, sums, sums_words(sums, quote.currency))


def state_of(quote: Quote, at: datetime) -> tuple[str, str]:
    """How a quote stands, in a word and a tone. One whose last day is over is expired before the task says so."""
    state = QuoteState(quote.state)
    if state is QuoteState.SENT and quote.is_over(today_of(quote, at)):
        state = QuoteState.EXPIRED
    return state.label, TONES[state]


def forecast_box(found: Forecast, currency: str) -> dict[str, Any]:
    """What billing/quote_forecast.html expects: the sums, and each invoice with what it is made of."""
    return {
        "currency": currency,
        "monthly": found.sums.monthly,
        "once": found.sums.once,
        "accepted_on": found.accepted_on,
        "shipped_on": found.shipped_on,
        "waits": waits_sentences(found, currency),
        "invoices": [
            {
                "on": draft.on,
                "total": draft.total,
                "parts": [
                    {"label": SECTION_LABELS[section], "amount": amount}
                    for section, amount in subtotals_of(draft.lines).items()
                ],
            }
            for draft in found.invoices
        ],
    }


def waits_sentences(found: Forecast, currency: str) -> list[str]:
    """What the forecast's invoices do not hold yet, and what it waits for; one sentence for each reason."""
    said = []
    for basis, reason in _WAITS.items():
        sums = found.waits.get(basis)
        if sums is not None and (sums.monthly or sums.once):
            said.append(f"Not in these invoices: {sums_words(sums, currency)}, billed {reason}.")
    return said


def sums_words(sums: Sums, currency: str) -> str:
    """Amounts a month and once, those that are nothing left out: $501.30 a month and $795.00 once."""
    parts = ((sums.monthly, "a month"), (sums.once, "once"))
    said = [f"{money_words(amount, currency)} {often}" for amount, often in parts if amount]
    return " and ".join(said) or f"{money_words(Decimal(0), currency)} a month"


def walk_rows(
    found: Walk, names: Mapping[str, str], on: date, *, before: str, after: str, after_url: str = ""
) -> list[dict[str, Any]]:
    """The walk as the bridge's picture expects it: what was quoted, each difference, what is invoiced."""
    steps = [
        {
            "label": f"{LABELS[step.difference]}: {names.get(step.product, step.product)}",
            "note": reason_words(step, on),
            "rule": RULES[step.difference],
            "amount": step.amount,
            "kind": "change",
        }
        for step in found.steps
    ]
    first = {"label": before, "amount": found.quoted, "kind": "total"}
    return [first, *steps, {"label": after, "amount": found.invoiced, "kind": "total", "url": after_url}]


def reason_words(step: QuoteStep, on: date) -> str:
    """Why an invoice of the day `on` differs in this from the quote. Dates are ISO dates, which a page localises."""
    units = "1 unit" if step.quantity == 1 else f"{quantity_words(step.quantity)} units"
    is_are = "is" if step.quantity == 1 else "are"
    until = f" until {step.until.isoformat()}" if step.until else " yet"
    words = {
        Difference.DELAY: f"{units} {is_are} not billed{until}: the delay of the product is not over",
        Difference.CONDITION: f"{units} {'waits' if step.quantity == 1 else 'wait'} for activation; "
        "billing begins when the contact center is active",
        Difference.NOT_SHIPPED: f"{units} had not shipped before {on.isoformat()}; charged on the first "
        "invoice after shipment",
        Difference.PRORATION: f"the days from the beginning of billing to {on.isoformat()}",
        Difference.ADDED: f"{units} more than was quoted" if step.quantity else "more than was quoted",
        Difference.DROPPED: f"{units} less than {'was' if step.quantity == 1 else 'were'} quoted",
        Difference.PRICE: "at another price than was quoted, or rounded",
        Difference.USAGE: "calls and other usage, which no quote holds",
        Difference.CREDIT: "days that were paid for and not used",
        Difference.TAX: "comes on top of what is quoted",
    }
    return words[step.difference]


def subject_words(quote: Quote) -> str:
    """A quote by number, company and quantity of its lines, for lists."""
    return ", ".join(units_words(line.quantity, line.product.name) for line in quote.lines.all())
