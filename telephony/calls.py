"""Tells a call's meter from its direction and its two numbers (USE-2)."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import Final

from telephony.models import NumberKind
from telephony.nanp import REGIONS, TOLL_FREE
from telephony.numbering import read_number


class Direction(StrEnum):
    """Which of a call's two numbers is the account's own: the one called, or the one calling."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


LOCAL: Final = "domestic-local"
LONG_DISTANCE: Final = "domestic-long-distance"
INTERNATIONAL: Final = "international"
TOLL_FREE_INBOUND: Final = "toll-free-inbound"
TOLL_FREE_FROM_AFAR: Final = "toll-free-inbound-ak-hi-pr-vi"
TOLL_FREE_FROM_CANADA: Final = "toll-free-inbound-canada"

_AFAR: Final = frozenset({"AK", "HI", "PR", "VI"})
_NANP: Final = re.compile(r"\+1[2-9]\d{2}[2-9]\d{6}", re.ASCII)


def meter_of(direction: Direction, caller: str, called: str) -> str | None:
    """The meter of a call between two numbers (E.164), or None where a call of its kind is free.

    Inbound to a local number and outbound to a toll-free one are free: who calls pays the one, who is
    called the other.
    """
    if direction == Direction.INBOUND:
        return _toll_free_from(caller) if _rings_free(called) else None
    if is_toll_free(called):
        return None
    if called[:2] != "+1":
        return INTERNATIONAL
    if caller[:2] == "+1" and caller[2:5] == called[2:5]:
        return LOCAL
    # The Caribbean has area codes in +1 too, and is abroad; so is whatever no state or province has.
    return LONG_DISTANCE if called[2:5] in REGIONS else INTERNATIONAL


def is_toll_free(number: str) -> bool:
    """Whether a number (E.164) of North America is free for who calls it."""
    return number[:2] == "+1" and number[2:5] in TOLL_FREE


def _rings_free(called: str) -> bool:
    """Whether the one called pays for a number (E.164), wherever it is."""
    return is_toll_free(called) if called[:2] == "+1" else _is_free_abroad(called)


@lru_cache(maxsize=4096)
def _is_free_abroad(number: str) -> bool:
    return read_number(number).kind == NumberKind.TOLL_FREE


def _toll_free_from(caller: str) -> str:
    country, region = REGIONS.get(caller[2:5], ("", "")) if caller[:2] == "+1" else ("", "")
    if country == "CA":
        return TOLL_FREE_FROM_CANADA
    return TOLL_FREE_FROM_AFAR if region in _AFAR else TOLL_FREE_INBOUND


def call_number(written: str) -> str:
    """A number of a call record in E.164. Raises Refused where it is no number.

    Most come in E.164 already, and from North America; only the others are read by the book.
    """
    return written if _NANP.fullmatch(written) else _read(written)


@lru_cache(maxsize=65536)
def _read(written: str) -> str:
    return read_number(written).e164
