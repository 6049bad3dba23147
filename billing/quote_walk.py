"""From a quote to the first invoice of its account, as issued or as it will be (ORD-4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from django.db.models import Q

from accounts.models import Account
from billing.engine import Draft, Line, Section, round_half_up
from billing.engine.quoted import Difference, Quoted, Waiting, Walk, walk
from billing.engine.reasons import Basis
from billing.gather import decimals_of
from billing.models import Charge, Invoice, InvoiceKind, InvoiceLine, InvoiceState, Quote
from billing.preview import next_invoice

if TYPE_CHECKING:
    from django.db.models import QuerySet

_WAITS_FOR = {Basis.SHIPPED: Difference.NOT_SHIPPED, Basis.CONDITION: Difference.CONDITION}


@dataclass(frozen=True, slots=True)
class Compared:
    """A quote, its first invoice (None while it is a preview), the BDOM of that, and the walk between them."""

    quote: Quote
    invoice: Invoice | None
    on: date
    walk: Walk


def quote_of(account: Account) -> Quote | None:
    """The quote that opened an account, if one did. One query."""
    return Quote.objects.select_related("brand", "order").filter(account=account).first()


def compare(quote: Quote, account: Account) -> Compared:
    """Walk from an accepted quote to the first invoice of its account.

    Raises BillingFault where there is none yet and it cannot be drawn.
    """
    invoice = _issued(account.pk).order_by("issued_on", "id").first()
    if invoice is None:
        draft: Draft = next_invoice(account)
        on, lines = draft.on, list(draft.lines)
    else:
        on, lines = invoice.issued_on, lines_of(invoice)
    decimals = decimals_of(quote.currency)
    found = walk(quoted_lines(quote, decimals), lines, waiting_on(account, on), on, decimals)
    return Compared(quote, invoice, on, found)


def quoted_lines(quote: Quote, decimals: int) -> list[Quoted]:
    """The lines of a quote as the engine reads them. One query."""
    return [
        Quoted(
            line.product_id,
            line.quantity,
            line.unit_price,
            line.product.is_recurring,
            round_half_up(line.unit_price * line.quantity, decimals),
        )
        for line in quote.lines.select_related("product")
    ]


def waiting_on(account: Account, on: date) -> list[Waiting]:
    """What of the account the invoice of the BDOM `on` did not bill yet, from the ledger as of that day. One query.

    What the run of a day sees was recorded before it (BIL-8), so what began or ended later still waited.
    """
    charges = (
        Charge.objects.filter(account=account, added_on__lt=on)
        .filter(Q(billing_starts_on=None) | Q(billing_starts_on__gt=on) | Q(start_recorded_on__gte=on))
        .filter(Q(end_recorded_on=None) | Q(end_recorded_on__gte=on))
        .order_by("id")
    )
    found = []
    for charge in charges.only("product", "quantity", "basis", "billing_starts_on", "condition"):
        because = _WAITS_FOR.get(Basis(charge.basis), Difference.DELAY)
        until = charge.billing_starts_on if because is Difference.DELAY else None
        found.append(Waiting(charge.product_id, charge.quantity, because, until))
    return found


def lines_of(invoice: Invoice) -> list[Line]:
    """The lines of an issued invoice as the engine writes them. One query."""
    return [
        Line(
            Section(line.section),
            line.product,
            line.quantity,
            line.unit_price,
            line.starts_on,
            line.ends_on,
            line.days,
            line.of_days,
            line.amount,
            line.subscription or None,
            line.subject,
            line.subject_label,
            line.holder,
            line.rule,
            line.why,
            (),
        )
        for line in InvoiceLine.objects.filter(invoice=invoice).order_by("position")
    ]


def _issued(account: int) -> QuerySet[Invoice]:
    """The monthly invoices of an account, void ones too: what was billed first stays first."""
    return Invoice.objects.filter(account=account, kind=InvoiceKind.BDOM).exclude(state=InvoiceState.DRAFT)
