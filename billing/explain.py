"""Says in words what an invoice holds and why: the document, the formula of a line, the bridge, a cost.

What leaves here is what the components of the pages expect; the help states the rules it cites.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import phonenumbers
from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal
from django.utils.translation import get_language, to_locale

from accounts.models import Account
from billing.engine import Draft, Section, round_half_up
from billing.engine.bridge import Bridge, BridgeStep, Moved, Step
from billing.engine.reasons import Basis
from billing.gather import decimals_of
from billing.models import Charge, Delay, Invoice, InvoiceKind, InvoiceLine, InvoiceState, Product
from billing.preview import Cost

MINUS: Final = "−"
MOST_LINES: Final = 200
_PLAN_REASONS: Final = {
    "PLN-3": "paid for the whole cycle",
    "PLN-4": "the new total less the old, for the days left of the cycle",
}
WHOLE_ACCOUNT: Final = "The whole account"
UNASSIGNED: Final = "Numbers that nobody holds"

SECTION_LABELS: Final[Mapping[str, str]] = {
    Section.RECURRING: "Recurring charges",
    Section.ONE_TIME: "One-time charges",
    Section.HARDWARE: "Hardware",
    Section.USAGE: "Usage",
    Section.CREDIT: "Credits",
    Section.FEE: "Surcharges and fees",
    Section.TAX: "Taxes",
}
_E164: Final = re.compile(r"^\+[1-9]\d{4,14}$")
_LARGE: Final = re.compile(r"(?<![\d.+-])\d{4,9}(?![\d-])")


# --- words -----------------------------------------------------------------------------------


@lru_cache(maxsize=16)
def _locale_of(language: str) -> Locale:
    try:
        return Locale.parse(to_locale(language))
    except (UnknownLocaleError, ValueError):
        return Locale.parse("en_US")


def _locale() -> Locale:
    return _locale_of(get_language() or "en-us")


def money_words(amount: Decimal, currency: str) -> str:
    """An amount as plain text in the active language: −$3.10. Rounded half up to the currency's decimals."""
    rounded = round_half_up(amount, decimals_of(currency))
    text = str(format_currency(abs(rounded), currency, locale=_locale()))
    return f"{MINUS}{text}" if rounded < 0 else text


def whole(amount: Decimal, currency: str) -> Decimal:
    """An amount in the currency's own decimals, half up: 140.28, as a file keeps it."""
    return round_half_up(amount, decimals_of(currency))


def day_words(on: date) -> str:
    """A date as plain text in the active language: Jan 10, 2026."""
    return str(format_date(on, format="medium", locale=_locale()))


def days_words(starts_on: date, ends_on: date) -> str:
    """Service days, the first and the last one, as ISO dates that a template localises; `ends_on` is excluded."""
    last = max(starts_on, ends_on - timedelta(days=1))
    return starts_on.isoformat() if last == starts_on else f"{starts_on.isoformat()} to {last.isoformat()}"


def label_words(label: str) -> str:
    """What a charge is for, as people write it: +12125550100 as (212) 555-0100."""
    if not _E164.match(label):
        return label
    number = phonenumbers.parse(label, None)
    form = phonenumbers.PhoneNumberFormat
    return phonenumbers.format_number(
        number, form.NATIONAL if number.country_code == 1 else form.INTERNATIONAL
    )


def units_words(quantity: int, name: str) -> str:
    """5 × UC licence; a single one without its count."""
    return name if quantity == 1 else f"{_figure(Decimal(quantity), 0)} × {name}"


def quantity_words(quantity: int | Decimal) -> str:
    """A quantity with the decimals that it has: 1,200, or 1.1 minutes."""
    exponent = Decimal(quantity).normalize().as_tuple().exponent
    return _figure(Decimal(quantity), max(0, -exponent) if isinstance(exponent, int) else 0)


def figures_words(sentence: str) -> str:
    """A sentence with its large numbers as people write them: 1397 min as 1,397 min. Dates and prefixes stay."""
    return _LARGE.sub(lambda found: _figure(Decimal(found[0]), 0), sentence)


def unit_price_words(price: Decimal, decimals: int) -> str:
    """A unit price with all the decimals it has, at least the currency's (BIL-4), without a sign for the currency."""
    exponent = price.normalize().as_tuple().exponent
    own = -exponent if isinstance(exponent, int) else 0
    return _figure(price, max(own, decimals))


def _figure(value: Decimal, decimals: int) -> str:
    pattern = f"#,##0.{'0' * decimals}" if decimals else "#,##0"
    text = str(format_decimal(abs(value), format=pattern, locale=_locale()))
    return f"{MINUS}{text}" if value < 0 else text


# --- a line ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trace:
    """Who did what a line comes from: the trail's sentence and person, and when. `at` may be a date alone."""

    what: str
    who: str
    at: datetime | date

    @property
    def words(self) -> str:
        """The sentence with the person: Bought 5 × UC licence, by Dana Whitfield."""
        return f"{self.what}, by {self.who}" if self.who else self.what


def formula(line: InvoiceLine, decimals: int) -> str:
    """How the amount came about, with its numbers: 29.99 × 5 × 29 of 31 days (BIL-4); a plan's says it itself."""
    if is_of_plan(line):
        return figures_words(line.why)
    price = -line.unit_price if line.section == Section.CREDIT else line.unit_price
    parts = [unit_price_words(price, decimals), quantity_words(line.quantity)]
    if line.days is not None and line.days != line.of_days:
        parts.append(f"{line.days} of {line.of_days} days")
    return " × ".join(parts)


def is_of_plan(line: InvoiceLine) -> bool:
    """Whether a plan was charged by it: its reason has the whole working (PLN-3, PLN-4)."""
    return line.rule in _PLAN_REASONS and line.section == Section.RECURRING


def describe(line: InvoiceLine) -> str:
    """What a line is, in a few words: product, what it is for, and whether it is a part of a month."""
    words = line.description
    if line.subject_label and line.subject_label != line.holder:
        words = f"{words} {label_words(line.subject_label)}"
    if line.section == Section.CREDIT:
        return f"{words}, credit"
    if is_of_plan(line):
        return f"{words}, change within the cycle" if line.rule == "PLN-4" else words
    if line.days is not None and line.days != line.of_days:
        return f"{words}, partial month"
    return words


ChargesUrl = Callable[[InvoiceLine], str]


def _line(line: InvoiceLine, decimals: int, trace: Trace | None, url: str) -> dict[str, Any]:
    dates = days_words(line.starts_on, line.ends_on)
    # Lines of usage differ in little else: how much, how many calls, where to.
    is_usage = line.section == Section.USAGE
    why = figures_words(line.why) if is_usage else _PLAN_REASONS[line.rule] if is_of_plan(line) else line.why
    return {
        "description": describe(line),
        "dates": " · ".join(
            filter(None, (dates, why if is_usage else "", label_words(line.holder), line.subscription))
        ),
        "quantity": quantity_words(line.quantity),
        "unit_price": line.unit_price,
        "amount": line.amount,
        "why": {
            "formula": formula(line, decimals),
            "reason": why[:1].upper() + why[1:],
            "rule": line.rule,
            "who": trace.words if trace else "",
            "at": _at(trace),
            "url": url,
            "url_label": "Open the plan" if is_of_plan(line) else "Open in the ledger",
        },
    }


def _at(trace: Trace | None) -> datetime | str:
    if trace is None:
        return ""
    return trace.at if isinstance(trace.at, datetime) else trace.at.isoformat()


# --- the document ----------------------------------------------------------------------------


def preview(
    account: Account, draft: Draft, names: Mapping[str, str], first: int = 0, most: int = MOST_LINES
) -> tuple[Invoice, list[InvoiceLine]]:
    """A draft as an invoice and lines that were never saved, so that one document shows both (BIL-10).

    `names`: the products' names by code. Of the lines come `most` from the place `first`.
    """
    invoice = Invoice(
        account=account,
        brand=account.brand,
        kind=InvoiceKind.BDOM,
        issued_on=draft.on,
        due_on=draft.on + timedelta(days=account.brand.payment_days),
        period_start=draft.period[0],
        period_end=draft.period[1],
        currency=account.currency,
        subtotal=draft.subtotal,
        tax=draft.tax,
        total=draft.total,
    )
    lines = [
        InvoiceLine(
            position=position,
            section=line.section.value,
            product=line.product,
            description=names.get(line.product, line.product),
            quantity=line.quantity,
            unit_price=line.unit_price,
            starts_on=line.starts_on,
            ends_on=line.ends_on,
            days=line.days,
            of_days=line.of_days,
            amount=line.amount,
            subscription=line.subscription,
            subject=line.subject,
            subject_label=line.subject_label,
            holder=line.holder,
            rule=line.rule,
            why=line.why,
            charges=list(line.charges),
        )
        for position, line in enumerate(draft.lines[first : first + most], start=first + 1)
    ]
    return invoice, lines


def state_of(invoice: Invoice, today: date) -> tuple[str, str]:
    """The state of an invoice in a word, and the tone in which it is shown; issued and late is overdue."""
    if invoice.state == InvoiceState.DRAFT:
        return "Preview", "info"
    if is_overdue(invoice, today):
        return "Overdue", "bad"
    tones = {InvoiceState.ISSUED: "info", InvoiceState.PAID: "ok", InvoiceState.VOID: "neutral"}
    return InvoiceState(invoice.state).label, tones[InvoiceState(invoice.state)]


def is_overdue(invoice: Invoice, today: date) -> bool:
    """Whether money is still owed on it after the day it was due."""
    is_open = invoice.state == InvoiceState.ISSUED and invoice.kind != InvoiceKind.CREDIT_NOTE
    return is_open and invoice.due_on < today and invoice.total > 0


def document(
    invoice: Invoice,
    lines: Sequence[InvoiceLine],
    *,
    today: date,
    traces: Mapping[int, Trace] | None = None,
    url_of: ChargesUrl | None = None,
    subtotals: Mapping[str, Decimal] | None = None,
) -> dict[str, Any]:
    """What components/invoice.html expects: parties, facts, sections in the order of INV-2, total.

    `invoice` comes with its account, brand and corrected invoice. `lines` are those to be shown, in order:
    all, or a part; with a part, `subtotals` are the sums of all lines by section. `traces`: who did what,
    by the id of a line's first charge. `url_of`: where a line's charges are to be seen.
    """
    account, brand = invoice.account, invoice.brand
    decimals = decimals_of(invoice.currency)
    label, tone = state_of(invoice, today)
    if subtotals is None:
        subtotals = _subtotals(lines)
    sections: dict[str, dict[str, Any]] = {
        section: {"label": SECTION_LABELS[section], "subtotal": subtotal, "lines": []}
        for section, subtotal in subtotals.items()
    }
    for line in lines:
        trace = traces.get(line.charges[0]) if traces and line.charges else None
        sections[line.section]["lines"].append(_line(line, decimals, trace, url_of(line) if url_of else ""))
    return {
        "title": title_of(invoice),
        "state_label": label,
        "state_tone": tone,
        "is_preview": invoice.state == InvoiceState.DRAFT,
        "seller": {"name": brand.legal_name, "address": brand.legal_address},
        "buyer": {"name": account.billing_name or account.name, "address": account.billing_address},
        "facts": _facts(invoice),
        "currency": invoice.currency,
        "sections": list(sections.values()),
        "total": invoice.total,
        "total_label": _total_label(invoice),
        "settled": invoice.settled if invoice.open_amount else None,
        "settled_label": "Paid so far" if invoice.total >= 0 else "Used so far",
        "open": invoice.open_amount,
        "notes": _notes(invoice),
    }


def _subtotals(lines: Iterable[InvoiceLine]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for line in lines:
        sums[line.section] = sums.get(line.section, Decimal(0)) + line.amount
    return sums


_TITLES: Final = {
    InvoiceKind.BDOM: "Invoice",
    InvoiceKind.PLAN: "Plan invoice",
    InvoiceKind.CREDIT_NOTE: "Credit note",
}


def title_of(invoice: Invoice) -> str:
    """What the document is called."""
    if invoice.state == InvoiceState.DRAFT:
        return "Next invoice"
    return f"{_TITLES[InvoiceKind(invoice.kind)]} {invoice.number}"


def _facts(invoice: Invoice) -> list[dict[str, str]]:
    is_draft = invoice.state == InvoiceState.DRAFT
    last_day = invoice.period_end - timedelta(days=1)
    facts = [("To be issued" if is_draft else "Date", day_words(invoice.issued_on))]
    if invoice.kind != InvoiceKind.CREDIT_NOTE:
        facts.append(("Due", day_words(invoice.due_on)))
    period = "Paid for" if invoice.kind == InvoiceKind.PLAN else "Month ahead"
    facts.append((period, f"{day_words(invoice.period_start)} to {day_words(last_day)}"))
    if invoice.paid_on is not None:
        facts.append(("Paid", day_words(invoice.paid_on)))
    facts.append(("Account", invoice.account.slug))
    facts.append(("Currency", invoice.currency))
    return [{"term": term, "value": value} for term, value in facts]


def _total_label(invoice: Invoice) -> str:
    if invoice.state != InvoiceState.ISSUED or invoice.kind == InvoiceKind.CREDIT_NOTE or invoice.settled:
        return "Total"
    return "Total due" if invoice.total >= 0 else "Total in your favor"


def _notes(invoice: Invoice) -> list[str]:
    notes = []
    if invoice.state == InvoiceState.DRAFT:
        notes.append("This is what will be billed if nothing else changes until then.")
    if invoice.state == InvoiceState.VOID:
        notes.append(f"This invoice is no longer owed: {invoice.void_reason}")
    if invoice.corrects is not None:
        notes.append(f"Corrects invoice {invoice.corrects.number}.")
    if invoice.state == InvoiceState.ISSUED and invoice.kind != InvoiceKind.CREDIT_NOTE and invoice.total > 0:
        notes.append(f"Please name {invoice.number} with your payment.")
    return notes


def by_holder(lines: Iterable[InvoiceLine]) -> list[dict[str, Any]]:
    """The second part of an invoice (INV-2): the same lines by the end user or service that they serve.

    What serves nobody in particular comes first, under the whole account. Each group has its subtotal.
    """
    groups: dict[str, dict[str, Any]] = {}
    for line in lines:
        label = line.holder or (UNASSIGNED if line.subject else WHOLE_ACCOUNT)
        group = groups.setdefault(label, {"label": label, "subtotal": Decimal(0), "lines": []})
        group["subtotal"] += line.amount
        group["lines"].append(
            {
                "description": describe(line),
                "dates": days_words(line.starts_on, line.ends_on),
                "amount": line.amount,
            }
        )
    order = {WHOLE_ACCOUNT: 0, UNASSIGNED: 2}
    return sorted(groups.values(), key=lambda group: (order.get(group["label"], 1), group["label"].lower()))


# --- the bridge ------------------------------------------------------------------------------

_STEP_LABELS: Final[Mapping[Step, str]] = {
    Step.NEW: "New",
    Step.PRICES: "Changed prices",
    Step.PARTIAL: "Partial months",
    Step.ONE_TIME: "One-time charges",
    Step.USAGE: "Usage",
    Step.ENDED: "Ended",
    Step.CREDITS: "Credits",
    Step.FEES: "Fees and taxes",
}
# What runs on is told by its units; the others stand on an invoice once, and are told by their sums.
_BY_UNITS: Final = frozenset({Step.NEW, Step.PRICES, Step.ENDED})
_NAMED: Final = 3


def bridge_rows(
    found: Bridge,
    names: Mapping[str, str],
    currency: str,
    *,
    before: str,
    after: str,
    before_url: str = "",
) -> list[dict[str, Any]]:
    """The bridge as its picture expects it: a total, the changes, a total.

    `before` and `after` are what the two invoices are called, `names` the products' names by code.
    """
    first = {"label": before, "amount": found.before, "kind": "total", "url": before_url}
    last = {"label": after, "amount": found.after, "kind": "total"}
    steps = [
        {
            "label": _STEP_LABELS[step.step],
            "amount": step.amount,
            "kind": "change",
            "note": _note(step, names, currency),
        }
        for step in found.steps
    ]
    return [first, *steps, last]


def _note(step: BridgeStep, names: Mapping[str, str], currency: str) -> str:
    if step.step in _BY_UNITS:
        return moved_words(step.moved, names)
    earlier = money_words(step.before, currency) if step.before else "none"
    later = money_words(step.after, currency) if step.after else "none"
    return f"{later}, after {earlier} on the last"


def moved_words(moved: Sequence[Moved], names: Mapping[str, str]) -> str:
    """What a step is made of, the largest first: 5 × UC licence, Fax line and 3 more."""
    told = [units_words(max(part.quantity, 1), names.get(part.product, part.product)) for part in moved]
    if len(told) > _NAMED:
        told = [*told[:_NAMED], f"{len(told) - _NAMED} more"]
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}" if told else ""


def difference_words(found: Bridge, names: Mapping[str, str]) -> str:
    """Why the next invoice differs from the last, in a few words: its two largest steps."""
    largest = sorted(found.steps, key=lambda step: -abs(step.amount))[:2]
    return ", ".join(_reason(step, names) for step in largest)


def _reason(step: BridgeStep, names: Mapping[str, str]) -> str:
    if step.step is Step.NEW:
        return f"{_leading(step, names)} added"
    if step.step is Step.ENDED:
        return f"{_leading(step, names)} ended"
    if step.step is Step.PRICES:
        return "changed prices"
    words = _STEP_LABELS[step.step].lower()
    if abs(step.after) > abs(step.before):
        return words
    if not step.after:
        return f"no {words} this time"
    return f"{'less' if step.step is Step.USAGE else 'fewer'} {words}"


def _leading(step: BridgeStep, names: Mapping[str, str]) -> str:
    first = step.moved[0]
    words = units_words(max(first.quantity, 1), names.get(first.product, first.product))
    return words if len(step.moved) == 1 else f"{words} and more"


# --- what begins, and what it costs ----------------------------------------------------------


def begins_words(basis: str, days: int) -> str:
    """Why billing begins on its day, to follow the date: after 7 free days."""
    if basis in (Basis.TIMED, Basis.PARKED):
        return f"after {days} free days"
    return {
        Basis.SHIPPED: "the day it ships",
        Basis.CONDITION: "the day it is activated",
        Basis.REPRICED: "at its new price",
        Basis.TERM: "when the subscription starts",
    }.get(Basis(basis), "at once: it has no free days")


def waits_words(basis: str) -> str:
    """What a charge waits for whose day is not known yet."""
    return "when it ships" if basis == Basis.SHIPPED else "when it is activated"


def delay_words(product: Product) -> str:
    """When billing of a product would begin if it were bought now, as in: billed after 7 free days (BIL-3)."""
    if product.delay in (Delay.TIMED, Delay.PARKED):
        return f"after {product.delay_days} free days"
    return {Delay.SHIPPED: "when it ships", Delay.ACTIVATED: "when it is activated"}.get(
        Delay(product.delay), "at once"
    )


def cost_box(account: Account, cost: Cost) -> dict[str, Any]:
    """What components/cost_box.html expects of an action that was priced: sums, when it begins, next invoice.

    Sums are of what the action opens less what it ends, rounded once each.
    """
    decimals = decimals_of(account.currency)
    monthly = _sum(cost.opened, is_recurring=True) - _sum(cost.ended, is_recurring=True)
    once = _sum(cost.opened, is_recurring=False) - _sum(cost.ended, is_recurring=False)
    box: dict[str, Any] = {
        "currency": account.currency,
        "monthly": round_half_up(monthly, decimals),
        "once": round_half_up(once, decimals),
        "next_on": cost.after.on,
        "next_now": cost.before.total,
        "next_then": cost.after.total,
        "lines": [cost_line(charge, decimals) for charge in cost.opened],
    }
    if cost.opened:
        charge = min(cost.opened, key=lambda charge: charge.billing_starts_on or date.max)
        box["begins_on"] = charge.billing_starts_on
        box["rule"] = "SUB-10" if charge.basis == Basis.TERM else "BIL-3"
        if charge.billing_starts_on is None:
            box["begins_text"] = waits_words(charge.basis)
        else:
            box["begins_reason"] = begins_words(charge.basis, charge.basis_days)
    return box


def cost_line(charge: Charge, decimals: int) -> dict[str, Any]:
    """A charge as a line of a cost box: what it is, each and in all."""
    name = charge.product.name
    if charge.subject_label:
        name = f"{name} {label_words(charge.subject_label)}"
    price = charge.unit_price
    return {
        "label": units_words(charge.quantity, name),
        "amount": None if charge.monthly is None else round_half_up(charge.monthly, decimals),
        "note": "" if price is None or charge.quantity == 1 else f"{unit_price_words(price, decimals)} each",
    }


def _sum(charges: Iterable[Charge], *, is_recurring: bool) -> Decimal:
    """Unit price × quantity of those charges, not rounded; one without a price counts nothing."""
    amounts = (charge.monthly for charge in charges if charge.product.is_recurring == is_recurring)
    return sum((amount for amount in amounts if amount is not None), Decimal(0))
