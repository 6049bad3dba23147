"""The actions on numbers, for several at once: all of them or none."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from accounts.models import Account
from accounts.refusals import Refused
from accounts.trail import Actor
from telephony.models import Number
from telephony.numbering import read_number
from telephony.numbers import add_number, park_number, release_number

MOST_AT_ONCE = 100


def add_numbers(
    account: Account, picked: Sequence[str], typed: str = "", *, actor: Actor, at: datetime
) -> list[Number]:
    """Take the numbers `picked` from the inventory, in E.164, and the one that was `typed`, if any (NUM-1).

    Raises Refused, by the field `picks` or `number`, where one of them cannot be had.
    """
    check_count(len(picked), "picks")
    wanted = [(_e164(text, "picks"), "picks") for text in picked]
    if typed:
        wanted.append((_e164(typed, "number"), "number"))
    with transaction.atomic():
        added = []
        # In one order for all: two who want the same numbers then wait for each other in turn, never in a ring.
        for e164, field in sorted(wanted):
            try:
                added.append(add_number(account, e164, actor=actor, at=at))
            except Refused as refused:
                raise Refused(refused.message, rule=refused.rule, field=field) from refused
    return added


def _e164(text: str, field: str) -> str:
    try:
        return read_number(text).e164
    except Refused as refused:
        raise Refused(refused.message, rule=refused.rule, field=field) from refused


def park_numbers(numbers: Sequence[Number], *, actor: Actor, at: datetime) -> None:
    """Park these numbers of one account; those parked already stay as they are. Raises Refused as one alone."""
    check_count(len(numbers))
    with transaction.atomic():
        for number in _latest_first(numbers):
            park_number(number, actor=actor, at=at)


def release_numbers(numbers: Sequence[Number], *, actor: Actor, at: datetime) -> None:
    """Give these numbers of one account up for good. Raises Refused as one alone."""
    check_count(len(numbers))
    with transaction.atomic():
        for number in _latest_first(numbers):
            release_number(number, actor=actor, at=at)


def check_count(count: int, field: str | None = None) -> None:
    """Raise Refused where more numbers are asked for than one action takes."""
    if count > MOST_AT_ONCE:
        raise Refused(
            f"Choose at most {MOST_AT_ONCE} numbers at a time. You chose {count}. Nothing was changed.",
            field=field,
        )


def _latest_first(numbers: Sequence[Number]) -> list[Number]:
    """From the latest assigned on, so that none becomes the included one just to go after it (NUM-3)."""
    return sorted(numbers, key=lambda number: (number.holding_id or 0, number.pk), reverse=True)
