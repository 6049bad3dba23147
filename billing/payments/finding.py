"""Finds the account that money is for, by what a person knows of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.db.models import Q

from accounts.models import Account
from billing.models import Invoice, InvoiceState
from billing.payments.foreseen import Owed, open_invoices

MOST: Final = 20


@dataclass(frozen=True, slots=True)
class Found:
    """An account that money may be for, and what it owes."""

    account: Account
    owed: Owed
    is_equal: bool = False
    """Whether the amount that was asked for is what it owes, or what is open of one of its invoices."""


def find_accounts(search: str, *, amount: Decimal | None = None, currency: str = "") -> list[Found]:
    """The accounts that a name, an address or an invoice's number names, at most MOST; two queries.

    With an amount those whose open invoices come to it are first; without anything to search for, those alone.
    """
    text = " ".join(search.split())
    found = Account.objects.filter(is_simulation=False).select_related("brand")
    if currency:
        found = found.filter(currency=currency)
    if text:
        numbers = Invoice.objects.filter(number__iexact=text).values("account")
        found = found.filter(Q(slug=text.lower()) | Q(name__icontains=text) | Q(pk__in=numbers))
    elif amount is not None:
        found = found.filter(pk__in=_open_with(amount))
    else:
        return []
    accounts = list(found.order_by("name", "pk")[:MOST])
    owed = open_invoices([account.pk for account in accounts])
    rows = [_row(account, Owed(owed.get(account.pk, [])), amount) for account in accounts]
    return sorted(rows, key=lambda row: not row.is_equal)


def _open_with(amount: Decimal) -> Sequence[int]:
    """The accounts of which an invoice, untouched, is of that amount."""
    equal = Invoice.objects.filter(state=InvoiceState.ISSUED, total=amount, settled=0)
    return list(equal.order_by("account").values_list("account", flat=True).distinct()[:MOST])


def _row(account: Account, owed: Owed, amount: Decimal | None) -> Found:
    amounts = {owed.total, *(invoice.open_amount for invoice in owed.invoices)}
    return Found(account, owed, amount is not None and amount in amounts)
