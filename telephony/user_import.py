"""Adds end users from a file, with licences, numbers and locations: all rows or none (LIC-2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from accounts.end_users import NewEndUser, add_end_users
from accounts.models import Account, EndUser
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.charges import Ledger, open_ledger
from billing.licences import Grant, add_licences, grant_licences
from telephony.first_numbers import FirstNumber, give_first_numbers
from telephony.user_file import RULE, Table
from telephony.user_rows import Missing, Plan, Verdict, judge


class Changed(Refused):
    """What was shown is no longer what would be done; `plan` is what would be now. Nothing has been changed."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(
            "Something has changed since you looked at these rows. Please look at them once more. Nothing was changed.",
            rule=RULE,
        )
        self.plan = plan


@dataclass(frozen=True, slots=True)
class Imported:
    """What was done: the end users, the licences bought for them, how many got a licence, how many a number."""

    end_users: Sequence[EndUser]
    bought: Sequence[Missing]
    licences: int
    numbers: int


def import_end_users(
    account: Account,
    table: Table,
    *,
    name: str,
    seen: str,
    is_buying: bool,
    actor: Actor,
    at: datetime,
) -> Imported:
    """Do what a person has seen of a file called `name`, all of it or nothing (LIC-2).

    The rows are judged anew under the account's lock. Raises Changed where that comes to something else
    than was seen, and Refused where a row is refused or the licences that are missing cannot be bought.
    """
    with open_ledger(account, actor=actor, at=at) as ledger:
        plan = judge(account, table, is_buying=is_buying, on=ledger.on)
        if plan.seen != seen:
            raise Changed(plan)
        if plan.refused:
            raise Refused(
                f"{_rows(len(plan.refused))} refused. Mend the file and choose it again. Nothing was changed.",
                rule=RULE,
            )
        done = carry_out(plan, account, actor=actor, at=at)
        _record(ledger, done, name)
    return done


def carry_out(plan: Plan, account: Account, *, actor: Actor, at: datetime) -> Imported:
    """Do all rows of a plan without a refused one, in one transaction. Raises Refused where the rules forbid it."""
    with open_ledger(account, actor=actor, at=at):
        for each in plan.missing:
            add_licences(
                account, each.product, each.units, subscription=each.subscription, actor=actor, at=at
            )
        end_users = add_end_users(account, [_new(verdict) for verdict in plan.verdicts], actor=actor, at=at)
        pairs = list(zip(plan.verdicts, end_users, strict=True))
        grants = [
            Grant(end_user, verdict.product, verdict.subscription)
            for verdict, end_user in pairs
            if verdict.product is not None
        ]
        grant_licences(account, grants, actor=actor, at=at)
        numbers = [
            FirstNumber(end_user, verdict.number.e164, verdict.number.is_from_stock)
            for verdict, end_user in pairs
            if verdict.number is not None
        ]
        give_first_numbers(account, numbers, actor=actor, at=at)
    return Imported(end_users, plan.missing, len(grants), len(numbers))


def _new(verdict: Verdict) -> NewEndUser:
    return NewEndUser(
        name=verdict.says("name"),
        email=verdict.says("email"),
        extension=verdict.says("extension"),
        department=verdict.says("department"),
        location=verdict.location,
    )


def _record(ledger: Ledger, done: Imported, name: str) -> None:
    count = len(done.end_users)
    ledger.record(
        "import-end-users",
        ledger.account,
        f"{count:,} end user{'' if count == 1 else 's'} added from {name}",
        after={
            "end users": count,
            "licences assigned": done.licences,
            "licences bought": sum(each.units for each in done.bought),
            "numbers assigned": done.numbers,
        },
    )


def _rows(count: int) -> str:
    return "1 row is" if count == 1 else f"{count:,} rows are"
