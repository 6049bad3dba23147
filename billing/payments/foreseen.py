"""What an account owes, invoice by invoice, and what an amount would settle before it has come in (INV-6).

Payments settle by the same order; `settling` does it, this says it beforehand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from accounts.models import Account
from billing.models import Invoice, InvoiceState


@dataclass(frozen=True, slots=True)
class Share:
    """What of an amount goes to an invoice, and what is `left` open of it afterwards."""

    invoice: Invoice
    amount: Decimal
    left: Decimal


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What an amount would settle, the oldest invoice first; `credit` is what would be left over."""

    shares: Sequence[Share]
    credit: Decimal


@dataclass(frozen=True, slots=True)
class Owed:
    """The open invoices of an account, the oldest first, and what they come to in its currency."""

    invoices: Sequence[Invoice]

    @property
    def total(self) -> Decimal:
        """What is to be paid in all."""
        return sum((invoice.open_amount for invoice in self.invoices), Decimal(0))

    @property
    def fingerprint(self) -> str:
        """What is owed in a few letters: two that are equal owe the same on the same invoices."""
        told = " ".join(f"{invoice.pk}:{invoice.open_amount.normalize():f}" for invoice in self.invoices)
        return hashlib.sha256(told.encode()).hexdigest()[:20]

    def settled_by(self, amount: Decimal) -> Foreseen:
        """What an amount would settle."""
        return foresee(self.invoices, amount)


def owed_by(account: Account) -> Owed:
    """What an account owes now. One query."""
    return Owed(open_invoices([account.pk]).get(account.pk, []))


def open_invoices(accounts: Iterable[int]) -> dict[int, list[Invoice]]:
    """The invoices of accounts, by their ids, that something is open of, the oldest first. One query."""
    found: dict[int, list[Invoice]] = {}
    issued = Invoice.objects.filter(account__any_of=list(accounts), state=InvoiceState.ISSUED, total__gt=0)
    for invoice in issued.order_by("issued_on", "id"):
        if invoice.open_amount > 0:
            found.setdefault(invoice.account_id, []).append(invoice)
    return found


def foresee(invoices: Iterable[Invoice], amount: Decimal) -> Foreseen:
    """What an amount would settle of invoices, in their order."""
    shares: list[Share] = []
    left = amount
    for invoice in invoices:
        if left <= 0:
            break
        share = min(left, invoice.open_amount)
        shares.append(Share(invoice, share, invoice.open_amount - share))
        left -= share
    return Foreseen(shares, max(left, left * 0))
