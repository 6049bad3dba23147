"""Whose a bank's transfer is: by an invoice's number or a plan's reference in its text, and by its amount (INV-6).

A number may be written as people write it: CP-000123, cp 123, CP123. A transfer is matched where what it
names belongs to one account, and its amount is what is open of the invoices named, or all that the account
owes, or what the plan's order costs. Anything else is left to a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Final, NamedTuple

from accounts.models import Account, Brand
from billing.models import Invoice, InvoiceState, PlanOrder, PlanOrderState
from billing.payments.foreseen import Foreseen, foresee, open_invoices
from billing.payments.settling import amount_words
from billing.plans.orders import due_now, transfer_reference

_DIGITS: Final = r"[\s/_.:#-]{0,3}0{0,20}([1-9]\d{0,8})(?!\d)"
_NOTHING: Final = Decimal(0)
PLAN: Final = "PLAN"
"""What begins the reference of a plan's order: PLAN-12."""


class Transfer(NamedTuple):
    """What came in, and what its payer wrote with it."""

    amount: Decimal
    currency: str
    words: str


class Match(NamedTuple):
    """Whose a transfer is and what it settles, and by what that was told; or why nobody knows: then no account."""

    account: Account | None
    why: str
    foreseen: Foreseen | None = None


class _Named(NamedTuple):
    """What a text names: invoices' numbers, and the ids of orders of plans."""

    numbers: list[str]
    orders: list[int]


class Numbers:
    """Finds numbers in what payers write; knows the prefixes of all brands. One query."""

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        prefixes = set(Brand.objects.values_list("invoice_prefix", flat=True)) | {PLAN}
        # The longer first: of CPX and CP the whole one is meant.
        told = "|".join(re.escape(prefix) for prefix in sorted(prefixes, key=len, reverse=True))
        return re.compile(rf"(?<![A-Z0-9])({told}){_DIGITS}", re.IGNORECASE | re.ASCII)

    def named(self, words: str) -> _Named:
        """What a text names, each thing once, in its order."""
        numbers: dict[str, None] = {}
        orders: dict[int, None] = {}
        for prefix, digits in self._pattern.findall(words):
            if prefix.upper() == PLAN:
                orders[int(digits)] = None
            else:
                numbers[f"{prefix.upper()}-{int(digits):06d}"] = None
        return _Named(list(numbers), list(orders))


@dataclass(slots=True)
class Matcher:
    """Knows what the transfers of a file name, and judges one after the other; asks the database once for all.

    What one transfer pays, the next one does not pay again: two of the same invoice are not both matched.
    """

    numbers: Numbers
    invoices: Mapping[str, Invoice]
    orders: Mapping[int, PlanOrder]
    open: Mapping[int, list[Invoice]]
    at: datetime
    taken: dict[int, Decimal] = field(default_factory=dict)
    claimed: set[str] = field(default_factory=set)

    @classmethod
    def over(cls, transfers: Iterable[Transfer], at: datetime) -> Matcher:
        """One that knows what these transfers name. Four queries, and some for each open order of a plan."""
        numbers = Numbers()
        named = [numbers.named(transfer.words) for transfer in transfers]
        found = Invoice.objects.exclude(state=InvoiceState.DRAFT).filter(
            number__in=sorted({number for each in named for number in each.numbers})[:50_000]
        )
        invoices = {str(invoice): invoice for invoice in found.select_related("account__brand")}
        asked = sorted({order for each in named for order in each.orders})
        orders = PlanOrder.objects.select_related("account__brand").in_bulk(asked)
        accounts = {invoice.account_id for invoice in invoices.values()}
        accounts |= {order.account_id for order in orders.values()}
        return cls(numbers, invoices, orders, open_invoices(accounts), at)

    def match(self, transfer: Transfer) -> Match:
        """Whose a transfer is; remembers what it pays."""
        named = self.numbers.named(transfer.words)
        invoices = [self.invoices[number] for number in named.numbers if number in self.invoices]
        orders = [self.orders[order] for order in named.orders if order in self.orders]
        accounts = {invoice.account_id: invoice.account for invoice in invoices}
        accounts |= {order.account_id: order.account for order in orders}
        if not accounts:
            return Match(None, _unknown(named))
        if len(accounts) > 1:
            return Match(None, "What it names belongs to several accounts.")
        (account,) = accounts.values()
        if transfer.currency != account.currency:
            return Match(
                None, f"It is in {transfer.currency}, and {account.name} pays in {account.currency}."
            )
        why = self._by_order(transfer, orders) or self._by_invoices(transfer, account, invoices)
        if not why:
            return Match(None, self._why_not(transfer, account, invoices, orders))
        return Match(account, why, self._settles(account, transfer.amount))

    def _by_order(self, transfer: Transfer, orders: Iterable[PlanOrder]) -> str:
        for order in orders:
            is_due = order.state == PlanOrderState.OPEN and transfer_reference(order) not in self.claimed
            if is_due and due_now(order, self.at) == transfer.amount:
                self.claimed.add(transfer_reference(order))
                return f"{transfer_reference(order)} and its amount"
        return ""

    def _by_invoices(self, transfer: Transfer, account: Account, named: Iterable[Invoice]) -> str:
        due = [invoice for invoice in named if invoice.open_amount > 0 and str(invoice) not in self.claimed]
        for these in (due, *([invoice] for invoice in due)):
            if these and sum((invoice.open_amount for invoice in these), _NOTHING) == transfer.amount:
                self.claimed.update(map(str, these))
                return f"{_listed(these)} and what is open of {'it' if len(these) == 1 else 'them'}"
        if transfer.amount == self._owed(account):
            return f"All that {account.name} owes"
        return ""

    def _owed(self, account: Account) -> Decimal:
        """What an account owes that the transfers before this one do not pay."""
        total = sum((invoice.open_amount for invoice in self.open.get(account.pk, ())), _NOTHING)
        return max(_NOTHING, total)

    def _settles(self, account: Account, amount: Decimal) -> Foreseen:
        """What a transfer settles after those before it, the oldest invoice first; it is remembered."""
        foreseen = foresee((each for each in self.open.get(account.pk, ()) if each.open_amount > 0), amount)
        for share in foreseen.shares:
            share.invoice.settled += share.amount
        return foreseen

    def _why_not(
        self,
        transfer: Transfer,
        account: Account,
        invoices: Iterable[Invoice],
        orders: Iterable[PlanOrder],
    ) -> str:
        said = []
        for invoice in invoices:
            if str(invoice) in self.claimed:
                said.append(f"{invoice} is paid by a line above")
            elif invoice.open_amount > 0:
                said.append(f"{invoice} is open with {amount_words(invoice.open_amount, account.currency)}")
            else:
                said.append(f"{invoice} is {InvoiceState(invoice.state).label.lower()}")
        for order in orders:
            is_open = order.state == PlanOrderState.OPEN
            said.append(
                f"{transfer_reference(order)} costs {amount_words(due_now(order, self.at), account.currency)}"
                if is_open
                else f"{transfer_reference(order)} is {PlanOrderState(order.state).label.lower()}"
            )
        owed = amount_words(self._owed(account), account.currency)
        return f"{'; '.join(said)}. {account.name} owes {owed} in all, and this is another amount."[:300]


def _unknown(named: _Named) -> str:
    called = [*named.numbers, *(f"{PLAN}-{order}" for order in named.orders)]
    if not called:
        return "Neither text nor payer names an invoice or a plan's reference."
    return f"There is no {' and no '.join(called[:5])}."


def _listed(invoices: Iterable[Invoice]) -> str:
    return ", ".join(str(invoice) for invoice in invoices)
