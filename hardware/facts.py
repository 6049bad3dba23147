"""Whether a device is active, from three facts: assigned, connected, rebooted since it was assigned (ORD-6).

This is the only place that says so, for one device in Python and for many in SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from django.db.models import F, Q

from hardware.models import Device


class Fact(StrEnum):
    """What has to hold for a device to be active, in the order in which it comes about."""

    ASSIGNED = "assigned"
    CONNECTED = "connected"
    REBOOTED = "rebooted"


class State(StrEnum):
    """A device in one word: active, or the first fact that is missing."""

    ACTIVE = "active"
    UNASSIGNED = "unassigned"
    NOT_CONNECTED = "not-connected"
    NOT_REBOOTED = "not-rebooted"
    RETIRED = "retired"


HOLDS: Final[Mapping[Fact, Q]] = {
    Fact.ASSIGNED: Q(assigned_at__isnull=False),
    Fact.CONNECTED: Q(connected_at__isnull=False),
    # Never for a device that nobody has: it has no assignment to have been rebooted after.
    Fact.REBOOTED: Q(rebooted_at__isnull=False, assigned_at__isnull=False, rebooted_at__gt=F("assigned_at")),
}
ACTIVE: Final = HOLDS[Fact.ASSIGNED] & HOLDS[Fact.CONNECTED] & HOLDS[Fact.REBOOTED]

LABELS: Final[Mapping[State, str]] = {
    State.ACTIVE: "Active",
    State.UNASSIGNED: "Not assigned",
    State.NOT_CONNECTED: "Not connected",
    State.NOT_REBOOTED: "Not rebooted",
    State.RETIRED: "Retired",
}
TONES: Final[Mapping[State, str]] = {
    State.ACTIVE: "ok",
    State.UNASSIGNED: "neutral",
    State.NOT_CONNECTED: "warn",
    State.NOT_REBOOTED: "warn",
    State.RETIRED: "neutral",
}
_STATE_WITHOUT: Final[Mapping[Fact, State]] = {
    Fact.ASSIGNED: State.UNASSIGNED,
    Fact.CONNECTED: State.NOT_CONNECTED,
    Fact.REBOOTED: State.NOT_REBOOTED,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How a device stands: each fact with the instant since which it holds, None where it does not."""

    since: Mapping[Fact, datetime | None]
    is_retired: bool

    @property
    def missing(self) -> tuple[Fact, ...]:
        """The facts that do not hold, in their order."""
        return tuple(fact for fact in Fact if self.since[fact] is None)

    @property
    def state(self) -> State:
        """The device in one word."""
        if self.is_retired:
            return State.RETIRED
        return _STATE_WITHOUT[self.missing[0]] if self.missing else State.ACTIVE

    @property
    def is_active(self) -> bool:
        """Whether all three hold."""
        return self.state is State.ACTIVE

    @property
    def label(self) -> str:
        """The state in words."""
        return LABELS[self.state]

    @property
    def tone(self) -> str:
        """The tone in which the state is shown."""
        return TONES[self.state]


def standing_of(device: Device) -> Standing:
    """How a device stands (ORD-6). Connected: it has checked in with the secret that it has now."""
    assigned, rebooted = device.assigned_at, device.rebooted_at
    has_rebooted = assigned is not None and rebooted is not None and rebooted > assigned
    return Standing(
        since={
            Fact.ASSIGNED: assigned,
            Fact.CONNECTED: device.connected_at,
            Fact.REBOOTED: rebooted if has_rebooted else None,
        },
        is_retired=device.retired_on is not None,
    )
