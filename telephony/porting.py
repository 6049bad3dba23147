"""Port-ins and port-outs: asked for, confirmed for a day, done on it by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Account
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.charges import Ledger, open_ledger
from telephony.models import (
    InventoryNumber,
    Number,
    NumberState,
    PortDirection,
    PortNumber,
    PortRequest,
    PortState,
)
from telephony.models.porting import OPEN_STATES
from telephony.numbering import read_number
from telephony.numbers import add_number, release_number, space_of
from telephony.porting_mail import announce_port

TASK = "porting"
MOST_NUMBERS = 500


def request_port(
    account: Account,
    direction: PortDirection,
    numbers: Sequence[str],
    *,
    carrier: str,
    authorised_by: str,
    carrier_account: str = "",
    wanted_on: date | None = None,
    actor: Actor,
    at: datetime,
) -> PortRequest:
    """A draft of a request for these numbers, as they were typed.

    Raises Refused by name for what is no number, is given twice, is in another open request, is in use here
    already (port-in), or is not the account's (port-out).
    """
    wanted = read_numbers(numbers)
    if not carrier.strip():
        raise Refused("Name the other carrier.", field="carrier")
    if not authorised_by.strip():
        raise Refused("Name who may speak for the numbers.", field="authorised_by")
    with open_ledger(account, actor=actor, at=at) as ledger:
        check_numbers(account, direction, wanted)
        if wanted_on is not None and wanted_on <= ledger.on:
            raise Refused("Numbers move on a day to come.", field="wanted_on")
        request = PortRequest(
            account=account,
            direction=direction,
            carrier=carrier.strip(),
            carrier_account=carrier_account.strip(),
            authorised_by=authorised_by.strip(),
            wanted_on=wanted_on,
            created_at=at,
            created_by=actor.label[:120],
        )
        request.save()
        PortNumber.objects.bulk_create(PortNumber(request=request, e164=e164) for e164 in wanted)
        _record(ledger, request, "request-port", f"drafted for {', '.join(wanted[:5])}{_more(wanted)}")
    return request


def read_numbers(typed: Sequence[str]) -> list[str]:
    """Numbers as they were typed, in E.164 and in that order.

    Raises Refused, by the field `numbers`, where there are none or too many, and naming those that are no numbers.
    """
    if not 1 <= len(typed) <= MOST_NUMBERS:
        raise Refused(f"A request is for 1 to {MOST_NUMBERS} numbers.", rule="NUM-1", field="numbers")
    found, wrong = [], []
    for text in typed:
        try:
            found.append(read_number(text).e164)
        except Refused:
            wrong.append(f"“{text[:40]}”")
    _refuse(wrong, "not a phone number in a form like +1 212 555 0100")
    return found


def submit_port(request: PortRequest, *, actor: Actor, at: datetime) -> None:
    """Hand a draft in. Raises Refused where it is no draft."""
    with open_ledger(request.account, actor=actor, at=at) as ledger:
        found = _locked(request, PortState.DRAFT)
        found.submit()
        found.save()
        _record(ledger, found, "submit-port", "submitted")


def confirm_port(request: PortRequest, on: date, *, actor: Actor, at: datetime) -> None:
    """The other carrier has agreed to a day to come; staff say so. Nothing where it is that day already.

    Raises Refused where the day is over, or the request is not with the carriers.
    """
    with open_ledger(request.account, actor=actor, at=at) as ledger:
        found = _locked(request, PortState.SUBMITTED, PortState.CONFIRMED)
        if found.confirmed_for == on:
            return
        if on <= ledger.on:
            raise Refused(f"{on} is not a day to come.", field="confirmed_for")
        found.confirm(on)
        found.save()
        _record(ledger, found, "confirm-port", f"confirmed for {on}")
        announce_port(found, at)


def reject_port(request: PortRequest, reason: str, *, actor: Actor, at: datetime) -> None:
    """The other carrier would not have it; staff say why. Raises Refused where it is not with the carriers."""
    if not reason.strip():
        raise Refused("Say why it is rejected: the customer reads it.", field="reason")
    with open_ledger(request.account, actor=actor, at=at) as ledger:
        found = _locked(request, PortState.SUBMITTED, PortState.CONFIRMED)
        found.reject(reason.strip()[:300])
        found.save()
        _record(ledger, found, "reject-port", f"rejected: {found.reason}")
        announce_port(found, at)


def cancel_port(request: PortRequest, *, actor: Actor, at: datetime) -> None:
    """Take a request back. Raises Refused where the numbers have moved, or it is over otherwise."""
    with open_ledger(request.account, actor=actor, at=at) as ledger:
        found = _locked(request, *OPEN_STATES)
        found.cancel()
        found.save()
        _record(ledger, found, "cancel-port", "cancelled")


def port_due(at: datetime, *, until: Mapping[int, date] | None = None) -> int:
    """Move the numbers of requests whose day has come, on that day however late (BIL-8). A billing trigger.

    What cannot be moved any more is rejected with its reason, and nothing of it is moved.
    """
    due = PortRequest.objects.filter(state=PortState.CONFIRMED).select_related("account__brand")
    if until is not None:
        # Asked before every action, so by the day too: the index holds what is confirmed alone, in this order.
        due = due.filter(
            account__any_of=list(until), confirmed_for__lte=max(until.values(), default=date.min)
        )
    else:
        # No zone is more than 14 hours ahead of UTC.
        due = due.filter(confirmed_for__lte=(at.astimezone(UTC) + timedelta(hours=14)).date())
    # Seldom true: without the joined columns the question costs a third.
    if not due.exists():
        return 0
    moved = 0
    for request in due.order_by("confirmed_for", "pk"):
        account, on = request.account, request.confirmed_for
        latest = account.local_date(at) if until is None else until[account.pk]
        if on is not None and on <= latest:
            moved += _move(request, on, at)
    return moved


def _move(request: PortRequest, on: date, at: datetime) -> bool:
    actor = Actor.for_task(TASK)
    with open_ledger(request.account, actor=actor, at=at, on=on) as ledger:
        found = PortRequest.objects.select_for_update(of=("self",)).get(pk=request.pk)
        if found.state != PortState.CONFIRMED or found.confirmed_for != on:
            return False
        numbers = list(found.numbers.values_list("e164", flat=True))
        try:
            move_numbers(found.account, PortDirection(found.direction), numbers, on, actor=actor, at=at)
        except Refused as refused:
            found.reject(refused.message[:300])
            found.save()
            _record(ledger, found, "reject-port", f"rejected: {found.reason}")
            announce_port(found, at)
            return False
        found.finish(on)
        found.save()
        _record(ledger, found, "finish-port", f"done: {', '.join(numbers[:5])}{_more(numbers)}")
        announce_port(found, at)
    return True


def move_numbers(
    account: Account,
    direction: PortDirection,
    numbers: Sequence[str],
    on: date,
    *,
    actor: Actor,
    at: datetime,
) -> None:
    """What the day `on` of a request does with its numbers, in E.164: parked here (BIL-3), or given up (BIL-5).

    All of them or none; pages price a request by doing this and taking it back. Raises Refused naming the
    number that cannot move.
    """
    with transaction.atomic():
        for e164 in numbers:
            if direction == PortDirection.IN:
                add_number(account, e164, actor=actor, at=at, on=on)
                continue
            held = _held(account, [e164]).first()
            if held is None:
                raise Refused(f"{e164} is not one of the account's numbers any more.", rule="NUM-1")
            # It is the other carrier's from now on, so it does not go back on the shelf.
            InventoryNumber.objects.filter(e164=e164, taken_by=account).delete()
            release_number(held, actor=actor, at=at, on=on)


def check_numbers(account: Account, direction: PortDirection, wanted: Sequence[str]) -> None:
    """Raise Refused, by the field `numbers`, naming those in E.164 for which a request cannot be made."""
    twice = sorted({e164 for e164 in wanted if wanted.count(e164) > 1})
    if twice:
        raise Refused(f"{', '.join(twice)}: given twice.", rule="NUM-1", field="numbers")
    asked = PortNumber.objects.filter(e164__in=wanted, request__state__in=OPEN_STATES)
    if direction == PortDirection.OUT:
        asked = asked.filter(request__account=account)
        held = set(_held(account, wanted).values_list("e164", flat=True))
        _refuse([e164 for e164 in wanted if e164 not in held], "not one of this account's numbers")
    else:
        live = Number.objects.filter(e164__in=wanted, space=space_of(account)).exclude(
            state=NumberState.RELEASED
        )
        _refuse(sorted(live.values_list("e164", flat=True)), "in use here already")
    _refuse(sorted(set(asked.values_list("e164", flat=True))), "in another request that is open")


def _refuse(numbers: Sequence[str], why: str) -> None:
    if numbers:
        raise Refused(
            f"{', '.join(numbers[:5])}{_more(numbers)}: {why}. Nothing was changed.",
            rule="NUM-1",
            field="numbers",
        )


def _held(account: Account, wanted: Sequence[str]) -> QuerySet[Number]:
    return Number.objects.filter(account=account, e164__in=wanted).exclude(state=NumberState.RELEASED)


def _locked(request: PortRequest, *states: PortState) -> PortRequest:
    """The request as it stands, in one of these states. Raises Refused in another."""
    found = PortRequest.objects.select_for_update(of=("self",)).get(pk=request.pk)
    if found.state not in states:
        raise Refused(f"{found} is {found.get_state_display().lower()}. Nothing was changed.", field="state")
    return found


def _record(ledger: Ledger, request: PortRequest, action: str, what: str) -> None:
    ledger.record(action, request, f"{request} {what}", after={"state": request.state})


def _more(numbers: Sequence[str]) -> str:
    return f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
