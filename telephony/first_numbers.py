"""Gives many end users their first number at once, all or none: parked ones, or ones from the stock (LIC-2).

As adding and assigning each number by itself, with the same trail, history and charges, in a few
statements for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import IntegrityError, transaction
from django.db.models import OuterRef, Subquery

from accounts.models import Account, EndUser
from accounts.refusals import Refused
from accounts.trail import Actor, Change, record_all
from billing.charges import Ledger, open_ledger
from billing.licences import UC_LICENCE
from billing.models import LicenceAssignment
from telephony.charging import settle_included, settle_new
from telephony.models import InventoryNumber, Number, NumberHolding, NumberState
from telephony.numbering import read_number
from telephony.numbers import PARKED, space_of

_BATCH = 500


@dataclass(frozen=True, slots=True)
class FirstNumber:
    """A number in E.164 for an end user who has none yet: a parked one of the account, or one from the stock."""

    end_user: EndUser
    e164: str
    is_from_stock: bool


def give_first_numbers(
    account: Account, wanted: Sequence[FirstNumber], *, actor: Actor, at: datetime
) -> None:
    """Give each of these end users the number named. The first number of each is included (NUM-3).

    Raises Refused where a number is no longer in the stock or parked, or somebody has no UC licence or
    has a number already (NUM-1, NUM-2, NUM-8).
    """
    with open_ledger(account, actor=actor, at=at) as ledger:
        _check_holders(wanted)
        taken = _take(ledger, [each.e164 for each in wanted if each.is_from_stock])
        parked = _parked(account, [each.e164 for each in wanted if not each.is_from_stock])
        numbers = {number.e164: number for number in (*taken, *parked)}
        pairs = [(numbers[each.e164], each.end_user) for each in wanted]
        _close_holdings(parked, at)
        _open_holdings(pairs, at)
        for number, end_user in pairs:
            number.assign(end_user, ledger.on)
        _save_assigned([number for number, _ in pairs], ledger.on)
        settle_included(ledger, [number for number, _ in pairs])
        record_all(account, [_assigned(number, end_user) for number, end_user in pairs], actor=actor, at=at)


def _check_holders(wanted: Sequence[FirstNumber]) -> None:
    keys = {each.end_user.pk for each in wanted}
    licensed = LicenceAssignment.objects.filter(end_user__any_of=keys, product=UC_LICENCE, unassigned_on=None)
    if licensed.count() < len(keys):
        raise Refused(
            "Only an end user who holds a UC licence can be given a number. Nothing was changed.",
            rule="NUM-8",
        )
    if len(keys) < len(wanted) or Number.objects.filter(end_user__any_of=keys).exists():
        raise Refused("Somebody among these has a number already. Nothing was changed.", rule="NUM-3")


def _take(ledger: Ledger, wanted: Sequence[str]) -> list[Number]:
    """Take numbers from the brand's stock into the account, parked (NUM-1)."""
    if not wanted:
        return []
    account = ledger.account
    shelf = InventoryNumber.objects.filter(brand=account.brand_id, taken_by=None, e164__any_of=list(wanted))
    # In one order for all: two who want the same numbers then wait for each other in turn, never in a ring.
    listed = list(shelf.select_for_update().order_by("e164"))
    if len(listed) < len(set(wanted)):
        raise _gone(set(wanted) - {each.e164 for each in listed})
    InventoryNumber.objects.filter(pk__any_of=[each.pk for each in listed]).update(taken_by=account)
    numbers = [_number(ledger, each.e164) for each in listed]
    try:
        # The constraint decides between two accounts that ask at once.
        with transaction.atomic():
            Number.objects.bulk_create(numbers, batch_size=_BATCH)
    except IntegrityError as error:
        raise Refused(
            "A number among these is in use already. Nothing was changed.", rule="NUM-1", field="number"
        ) from error
    NumberHolding.objects.bulk_create(
        [NumberHolding(number=each, holder=PARKED, from_at=ledger.at, to_at=ledger.at) for each in numbers],
        batch_size=_BATCH,
    )
    settle_new(ledger, numbers)
    changes = [
        Change(
            "add-number",
            number,
            f"{number.e164} added, parked",
            after={"state": number.state, "kind": number.kind},
        )
        for number in numbers
    ]
    record_all(account, changes, actor=ledger.actor, at=ledger.at)
    return numbers


def _number(ledger: Ledger, e164: str) -> Number:
    numbering = read_number(e164)
    return Number(
        account=ledger.account,
        e164=numbering.e164,
        kind=numbering.kind,
        country=numbering.country,
        region=numbering.region,
        space=space_of(ledger.account),
        added_on=ledger.on,
        parked_on=ledger.on,
    )


def _parked(account: Account, wanted: Sequence[str]) -> list[Number]:
    found = list(
        Number.objects.select_for_update()
        .filter(account=account, state=NumberState.PARKED, e164__any_of=list(wanted))
        .order_by("e164")
    )
    if len(found) < len(set(wanted)):
        raise _gone(set(wanted) - {number.e164 for number in found})
    return found


def _close_holdings(numbers: Sequence[Number], at: datetime) -> None:
    keys = [number.pk for number in numbers]
    NumberHolding.objects.filter(number__any_of=keys, to_at=None).update(to_at=at)


def _open_holdings(pairs: Sequence[tuple[Number, EndUser]], at: datetime) -> None:
    holdings = [
        NumberHolding(number=number, end_user=end_user, holder=str(end_user)[:120], from_at=at)
        for number, end_user in pairs
    ]
    NumberHolding.objects.bulk_create(holdings, batch_size=_BATCH)


def _save_assigned(numbers: Sequence[Number], on: date) -> None:
    """Write that the numbers are with whom the open row of their history names, in one statement."""
    opened = NumberHolding.objects.filter(number=OuterRef("pk"), to_at=None)
    Number.objects.filter(pk__any_of=[number.pk for number in numbers]).update(
        state=NumberState.ASSIGNED,
        end_user=Subquery(opened.values("end_user")[:1]),
        service=None,
        holding=Subquery(opened.values("pk")[:1]),
        assigned_on=on,
        parked_on=None,
    )


def _assigned(number: Number, end_user: EndUser) -> Change:
    return Change(
        "assign-number",
        number,
        f"{number.e164} assigned to {end_user}",
        before={"holder": None},
        after={"holder": end_user},
    )


def _gone(numbers: Iterable[str]) -> Refused:
    return Refused(f"{min(numbers)} can no longer be had. Nothing was changed.", rule="NUM-1", field="number")
