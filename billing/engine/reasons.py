"""The sentence that says why a line is there, and the rule it follows (BIL-11)."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple


class Basis(StrEnum):
    """Why a charge's billing begins on the day it does."""

    TIMED = "timed"
    PARKED = "parked"
    PARKED_AT_ONCE = "parked-at-once"
    ADDED = "added"
    ADDITIONAL_NUMBER = "additional-number"
    NUMBER_NOT_NEEDED = "number-not-needed"
    FURTHER_AUTO_ATTENDANT = "further-auto-attendant"
    SHIPPED = "shipped"
    CONDITION = "condition"
    REPRICED = "repriced"
    TERM = "term"


class Reason(NamedTuple):
    """A rule's number and a sentence. Dates in it are ISO dates."""

    rule: str
    why: str


_BEGINNINGS: dict[str, Reason] = {
    Basis.TIMED: Reason("BIL-3", "{days}-day delay from {on}"),
    Basis.PARKED: Reason("BIL-3", "{days} free days parked from {on}"),
    Basis.PARKED_AT_ONCE: Reason("BIL-3", "no delay, parked {on}"),
    Basis.ADDED: Reason("BIL-3", "no delay, added {on}"),
    Basis.ADDITIONAL_NUMBER: Reason("NUM-3", "additional number from {on}"),
    Basis.NUMBER_NOT_NEEDED: Reason("NUM-4", "number on a service that needs none, from {on}"),
    Basis.FURTHER_AUTO_ATTENDANT: Reason("NUM-5", "further auto attendant from {on}"),
    Basis.SHIPPED: Reason("BIL-3", "shipped {on}"),
    Basis.CONDITION: Reason("BIL-3", "activated {on}"),
    Basis.REPRICED: Reason("BIL-6", "new price from {on}"),
    Basis.TERM: Reason("BIL-3", "subscription from {on}"),
}


@lru_cache(maxsize=16384)
def beginning(basis: str, on: date, days: int) -> Reason:
    """Why billing began: `on` is the day that the basis counts from, `days` the delay."""
    reason = _BEGINNINGS[basis]
    return Reason(reason.rule, reason.why.format(on=on.isoformat(), days=days))


MONTH_AHEAD = Reason("BIL-2", "month ahead")


def month_ahead_until(end: date) -> Reason:
    """The month ahead of a charge whose end is known already."""
    return Reason("BIL-5", f"month ahead, ends {end.isoformat()}")


def credited(end: date) -> Reason:
    """Days that were paid ahead and are given back, as the charge ended on `end`."""
    return Reason("BIL-5", f"ended {end.isoformat()}, paid ahead")
