"""Writes the audit trail, in the transaction of the change that it records (ACC-5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from django.db import models, transaction

from accounts.models import Account, AuditEntry, User

if TYPE_CHECKING:
    from django.http import HttpRequest

Plain = str | int | bool | None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a signed-in user with the address it came from, a task, or a command."""

    user: User | None = None
    task: str = ""
    address: str | None = None

    def __post_init__(self) -> None:
        if (self.user is None) == (self.task == ""):
            raise ValueError("an actor is either a user or a task")

    @classmethod
    def of(cls, request: HttpRequest) -> Self:
        """The person behind a request."""
        if not isinstance(request.user, User):
            raise ValueError("nobody is signed in")
        return cls(user=request.user, address=request.META.get("REMOTE_ADDR") or None)

    @classmethod
    def for_task(cls, name: str) -> Self:
        """A scheduled task, by its name: a change made by one names it."""
        return cls(task=name)

    @classmethod
    def for_command(cls, name: str) -> Self:
        """A management command, by its name."""
        return cls(task=f"manage.py {name}")

    @property
    def label(self) -> str:
        """The name under which the trail keeps the actor."""
        return self.user.email if self.user else self.task


@dataclass(frozen=True, slots=True)
class Change:
    """One entry for the trail. `before` and `after` hold what differs, as plain values."""

    action: str
    target: models.Model
    summary: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


def record(
    account: Account | None,
    action: str,
    target: models.Model,
    summary: str,
    *,
    actor: Actor,
    at: datetime,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Append one entry. Raises outside a transaction: the trail travels with its change."""
    record_all(account, [Change(action, target, summary, before, after)], actor=actor, at=at)


def record_all(account: Account | None, changes: Iterable[Change], *, actor: Actor, at: datetime) -> None:
    """Append the entries of one action for `account`, in one statement."""
    append([entry_of(account, change, actor=actor, at=at) for change in changes])


def entry_of(account: Account | None, change: Change, *, actor: Actor, at: datetime) -> AuditEntry:
    """The unsaved entry for a change, for writers that append for many accounts at once."""
    return AuditEntry(
        account=account,
        at=at,
        user=actor.user,
        by=actor.label[:120],
        is_task=actor.user is None,
        address=actor.address,
        action=change.action,
        target_kind=change.target._meta.model_name or "",
        target_id="" if change.target.pk is None else str(change.target.pk),
        target=str(change.target)[:160],
        summary=change.summary[:300],
        before={key: plain(value) for key, value in (change.before or {}).items()},
        after={key: plain(value) for key, value in (change.after or {}).items()},
    )


def append(entries: list[AuditEntry]) -> None:
    """Write entries made by `entry_of`. Raises outside a transaction."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("the audit trail is written in the transaction of its change (ACC-5)")
    AuditEntry.objects.bulk_create(entries, batch_size=1000)


def plain(value: object) -> Plain:
    """A value as JSON keeps it: dates in ISO form, decimals as strings, rows by their name."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)
