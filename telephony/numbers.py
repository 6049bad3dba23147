"""Actions on numbers: buy, assign, park, swap, release (NUM-1, NUM-2)."""

from __future__ import annotations

from datetime import date, datetime

from django.db import IntegrityError, transaction
from django.db.models import Case, Count, Q, When
from django.db.models.functions import Substr

from accounts.models import Account, EndUser
from accounts.refusals import Refused
from accounts.trail import Actor, record
from billing.charges import Ledger, open_ledger
from billing.licences import UC_LICENCE, check_present, holds_licence
from telephony.charging import Holder, settle_holder, settle_parked, settle_released
from telephony.models import (
    InventoryNumber,
    Number,
    NumberHolding,
    NumberKind,
    NumberState,
    Service,
)
from telephony.numbering import read_number

PARKED = "Parked"
MOST_AREA_CODES = 20


def space_of(account: Account) -> str:
    """The space in which an account's numbers are unique: one for all, but for simulations."""
    return f"simulation:{account.pk}" if account.is_simulation else ""


def add_number(account: Account, typed: str, *, actor: Actor, at: datetime, on: date | None = None) -> Number:
    """Take a number into the account, parked (NUM-1). `typed` is in national or E.164 form.

    What was due on a day and is done late is dated `on` it. Raises Refused where it is no number, is in
    use, or lies in another brand's inventory.
    """
    numbering = read_number(typed)
    with open_ledger(account, actor=actor, at=at, on=on) as ledger:
        space = space_of(account)
        is_live = (
            Number.objects.filter(e164=numbering.e164, space=space)
            .exclude(state=NumberState.RELEASED)
            .exists()
        )
        if is_live or not _take_from_inventory(account, numbering.e164):
            raise _in_use(numbering.e164)
        number = Number(
            account=account,
            e164=numbering.e164,
            kind=numbering.kind,
            country=numbering.country,
            region=numbering.region,
            space=space,
            added_on=ledger.on,
            parked_on=ledger.on,
        )
        try:
            # The constraint decides between two accounts that ask at once.
            with transaction.atomic():
                number.save()
        except IntegrityError as error:
            raise _in_use(numbering.e164) from error
        _hold(number, None, at)
        number.save()
        settle_parked(ledger, number)
        record(
            account,
            "add-number",
            number,
            f"{number.e164} added, parked",
            actor=actor,
            at=at,
            after={"state": number.state, "kind": number.kind},
        )
    return number


def assign_number(number: Number, *, to: Holder, actor: Actor, at: datetime) -> None:
    """Assign a number, parked or held by another, to an end user or a service (NUM-2).

    Nothing if it is there already. Raises Refused where the number was released, the holder is not
    of this account or is gone, or is an end user without a UC licence (NUM-8).
    """
    with open_ledger(number.account, actor=actor, at=at) as ledger:
        number = _locked(number)
        _check_holder(number.account, to)
        before = number.holder
        if before == to:
            return
        number.assign(to, ledger.on)
        _hold(number, to, at)
        number.save()
        if before is not None:
            settle_holder(ledger, before)
        settle_holder(ledger, to)
        record(
            number.account,
            "assign-number",
            number,
            f"{number.e164} assigned to {to}",
            actor=actor,
            at=at,
            before={"holder": before},
            after={"holder": to},
        )


def park_number(number: Number, *, actor: Actor, at: datetime) -> None:
    """Take a number from its holder and keep it, parked; nothing if it is parked already.

    A local number is free for another 30 days. Raises Refused where it was released.
    """
    with open_ledger(number.account, actor=actor, at=at) as ledger:
        park_in(ledger, _locked(number))


def park_in(ledger: Ledger, number: Number) -> None:
    """Park a number inside an action that has the ledger open already."""
    before = number.holder
    if before is None:
        return
    number.park(ledger.on)
    _hold(number, None, ledger.at)
    number.save()
    settle_parked(ledger, number)
    settle_holder(ledger, before)
    record(
        number.account,
        "park-number",
        number,
        f"{number.e164} parked, was with {before}",
        actor=ledger.actor,
        at=ledger.at,
        before={"holder": before},
        after={"state": number.state},
    )


def swap_numbers(first: Number, second: Number, *, actor: Actor, at: datetime) -> None:
    """Two numbers of one account change places, as a single action (NUM-2).

    Raises Refused where they are one and the same, of two accounts, both parked, or released.
    """
    with open_ledger(first.account, actor=actor, at=at) as ledger:
        if first.pk == second.pk or first.account_id != second.account_id:
            raise Refused("Choose another number of this account to swap with.", field="number")
        first, second = _locked(first), _locked(second)
        places = first.holder, second.holder
        if places[0] == places[1]:
            raise Refused(
                f"{first.e164} and {second.e164} are in the same place already. Nothing was changed.",
                rule="NUM-2",
                field="number",
            )
        for number, to in ((first, places[1]), (second, places[0])):
            if to is None:
                number.park(ledger.on)
            else:
                number.assign(to, ledger.on)
            _hold(number, to, at)
            number.save()
            if to is None:
                settle_parked(ledger, number)
        for holder in places:
            if holder is not None:
                settle_holder(ledger, holder)
        record(
            first.account,
            "swap-numbers",
            first,
            f"{first.e164} and {second.e164} changed places",
            actor=actor,
            at=at,
            before={first.e164: places[0] or PARKED, second.e164: places[1] or PARKED},
            after={first.e164: places[1] or PARKED, second.e164: places[0] or PARKED},
        )


def release_number(number: Number, *, actor: Actor, at: datetime, on: date | None = None) -> None:
    """Give a number up for good; what was paid ahead for it is credited (BIL-5).

    What was due on a day and is done late is dated `on` it.
    """
    with open_ledger(number.account, actor=actor, at=at, on=on) as ledger:
        number = _locked(number)
        before = number.holder
        number.release(ledger.on)
        _close_holding(number, at)
        number.holding = None
        number.save()
        settle_released(ledger, number)
        if before is not None:
            settle_holder(ledger, before)
        InventoryNumber.objects.filter(e164=number.e164, taken_by=number.account).update(taken_by=None)
        record(
            number.account,
            "release-number",
            number,
            f"{number.e164} released",
            actor=actor,
            at=at,
            before={"holder": before or PARKED},
            after={"state": number.state},
        )


def _in_use(e164: str) -> Refused:
    return Refused(
        f"{e164} is in use already. Choose another number. Nothing was changed.",
        rule="NUM-1",
        field="number",
    )


def _locked(number: Number) -> Number:
    """The number as it stands under the account's lock. Raises Refused where it was released."""
    fresh = (
        Number.objects.select_related("account", "end_user", "service", "holding")
        .select_for_update(of=("self",))
        .get(pk=number.pk)
    )
    if fresh.state == NumberState.RELEASED:
        raise Refused(f"{fresh.e164} was released. Nothing was changed.", rule="NUM-2")
    return fresh


def _check_holder(account: Account, holder: Holder) -> None:
    if holder.account_id != account.pk:
        raise Refused("Choose somebody of this account.", field="to")
    if isinstance(holder, EndUser):
        check_present(holder)
        if not holds_licence(holder, UC_LICENCE):
            raise Refused(
                f"{holder} has no UC licence, and only an end user who holds one can be given "
                "a number. Assign a licence first. Nothing was changed.",
                rule="NUM-8",
                field="to",
            )
    elif not Service.objects.filter(pk=holder.pk, removed_on=None).exists():
        raise Refused(f"{holder} was removed. Nothing was changed.", rule="NUM-2", field="to")


def _hold(number: Number, holder: Holder | None, at: datetime) -> None:
    """Close the open row of the number's history and open the next."""
    _close_holding(number, at)
    number.holding = NumberHolding.objects.create(
        number=number,
        end_user=holder if isinstance(holder, EndUser) else None,
        service=holder if isinstance(holder, Service) else None,
        holder=str(holder)[:120] if holder else PARKED,
        from_at=at,
    )


def _close_holding(number: Number, at: datetime) -> None:
    NumberHolding.objects.filter(number=number, to_at=None).update(to_at=at)


def _take_from_inventory(account: Account, e164: str) -> bool:
    """Take the number from the shelf if it lies there; False where another has it."""
    if account.is_simulation:
        return True
    listed = InventoryNumber.objects.select_for_update().filter(e164=e164).first()
    if listed is None:
        return True
    if listed.brand_id != account.brand_id or listed.taken_by_id not in (None, account.pk):
        return False
    listed.taken_by = account
    listed.save(update_fields=["taken_by"])
    return True


def free_inventory(
    account: Account, *, area_code: str, limit: int = 50, kind: NumberKind | None = None
) -> list[InventoryNumber]:
    """Numbers of the brand's inventory that can be picked, by the beginning of the area code; of one kind if told.

    Without one, those of the area codes that the account has come first, the most frequent leading.
    """
    free = InventoryNumber.objects.filter(
        Q(brand=account.brand_id), taken_by=None, area_code__startswith=area_code
    ).order_by("e164")
    if kind is not None:
        free = free.filter(kind=kind)
    own = [] if area_code else _area_codes_of(account)
    if not own:
        return list(free[:limit])
    rank = Case(*(When(area_code=code, then=place) for place, code in enumerate(own)))
    found = list(free.filter(area_code__in=own).order_by(rank, "e164")[:limit])
    return found + list(free.exclude(area_code__in=own)[: limit - len(found)])


def _area_codes_of(account: Account) -> list[str]:
    """The area codes of the account's numbers within the North American plan, the most frequent first."""
    held = Number.objects.filter(account=account, e164__startswith="+1").exclude(state=NumberState.RELEASED)
    counted = held.order_by().annotate(code=Substr("e164", 3, 3)).values("code").annotate(held=Count("pk"))
    return list(counted.order_by("-held", "code").values_list("code", flat=True)[:MOST_AREA_CODES])
