"""The cost box of an action on numbers and services: the very action is run, looked at and taken back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from accounts.models import Account
from accounts.refusals import Refused
from billing.engine import BillingFault, round_half_up
from billing.explain import cost_box, cost_line, units_words
from billing.gather import decimals_of
from billing.models import Charge, CreditPolicy
from billing.preview import Cost, cost_of

MOST_LINES: Final = 8

Told = tuple[Charge, str, int]
"""A charge, the note of its line, and the sign of its amount."""


@dataclass(frozen=True, slots=True)
class Priced:
    """What an action would cost, as components/cost_box.html expects it, or why it is refused."""

    box: dict[str, Any] | None = None
    refusal: Refused | None = None


def priced(
    account: Account,
    action: Callable[[], object],
    *,
    remarks: Callable[[], Sequence[dict[str, Any]]] | None = None,
) -> Priced:
    """What an action would cost. `remarks`, lines of the box, are asked after it, before it is taken back."""
    said: list[dict[str, Any]] = []

    def act() -> None:
        action()
        if remarks is not None:
            said.extend(remarks())

    try:
        cost = cost_of(account, act)
    except Refused as refusal:
        return Priced(refusal=refusal)
    except BillingFault:
        return Priced(
            refusal=Refused("The next invoice cannot be drawn at the moment, so the cost is not known.")
        )
    return Priced(box=box_of(account, cost, said))


def box_of(account: Account, cost: Cost, remarks: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """The box for what an action does to the ledger: what it opens, and what it stops billing.

    What ends before its billing began was never to be seen on an invoice (BIL-5), and is not here either.
    """
    opened = tuple(charge for charge in cost.opened if charge.monthly)
    stopped = tuple(charge for charge in cost.ended if _was_billed(charge))
    box = cost_box(account, replace(cost, opened=opened, ended=stopped))
    has_days = len({charge.billing_starts_on for charge in opened}) > 1
    if has_days:
        box["begins_on"] = None
    told = [(charge, _opened_note(charge) if has_days else "", 1) for charge in opened]
    told += [(charge, _stopped_note(charge), -1) for charge in stopped]
    decimals = decimals_of(account.currency)
    lines = _each(told, decimals) if len(told) <= MOST_LINES else _summed(told, decimals)
    box["lines"] = [*remarks, *lines]
    return box


def remark(account: Account, label: str, amount: Decimal, note: str) -> dict[str, Any]:
    """A line that says what no charge says: a number that is included, or one that is billed on."""
    return {"label": label, "amount": round_half_up(amount, decimals_of(account.currency)), "note": note}


def _was_billed(charge: Charge) -> bool:
    starts_on, ended_on = charge.billing_starts_on, charge.ended_on
    return starts_on is not None and ended_on is not None and starts_on < ended_on


def _opened_note(charge: Charge) -> str:
    return f"billed from {charge.billing_starts_on}"


def _stopped_note(charge: Charge) -> str:
    is_credited = charge.product.credit_policy == CreditPolicy.CREDIT
    return "no longer billed" + (", the days paid ahead are credited" if is_credited else "")


def _each(told: Sequence[Told], decimals: int) -> list[dict[str, Any]]:
    """A line for each charge."""
    lines = []
    for charge, note, sign in told:
        line = cost_line(charge, decimals)
        amount = line["amount"]
        lines.append(line | {"amount": None if amount is None else sign * amount, "note": note})
    return lines


def _summed(told: Sequence[Told], decimals: int) -> list[dict[str, Any]]:
    """A line for all charges of a product to which the same happens, where each would be too many."""
    groups: dict[tuple[str, str], list[tuple[int, Decimal]]] = {}
    for charge, note, sign in told:
        part = (charge.quantity, sign * (charge.monthly or Decimal(0)))
        groups.setdefault((charge.product.name, note), []).append(part)
    return [
        {
            "label": units_words(sum(quantity for quantity, _ in parts), name),
            "amount": round_half_up(sum((amount for _, amount in parts), Decimal(0)), decimals),
            "note": note,
        }
        for (name, note), parts in groups.items()
    ]
