"""End users: the people of an account who get licences, numbers and devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from accounts.extensions import check_extension, free_extension, holder_key, set_extension
from accounts.models import Account, EndUser, ExtensionClaim, Location
from accounts.refusals import Refused
from accounts.trail import Actor, Change, record, record_all

FIELDS = ("name", "email", "extension", "department", "location")
_BATCH = 500

# Called before an end user is removed, in the transaction in which it happens: rooms above take back what
# they have given.
Listener = Callable[[EndUser, Actor, datetime], None]
_when_retired: list[Listener] = []


def when_retired(listener: Listener) -> Listener:
    """Register what has to happen when an end user is removed."""
    if listener not in _when_retired:
        _when_retired.append(listener)
    return listener


def add_end_user(
    account: Account,
    *,
    name: str,
    email: str = "",
    extension: str = "",
    department: str = "",
    location: Location | None = None,
    actor: Actor,
    at: datetime,
) -> EndUser:
    """A new end user of the account, from its own date of `at` on.

    Raises Refused for a missing name, an e-mail address or an extension that somebody has (NUM-6),
    or a location of another account.
    """
    with transaction.atomic():
        end_user = EndUser(account=account, added_on=account.local_date(at))
        _describe(end_user, name, email, department, location)
        _save(end_user)
        if extension:
            set_extension(end_user, extension)
            end_user.save(update_fields=["extension"])
        record(
            account,
            "add-end-user",
            end_user,
            f"{end_user} added",
            actor=actor,
            at=at,
            after={field: value for field, value in _facts(end_user).items() if value},
        )
    return end_user


@dataclass(frozen=True, slots=True)
class NewEndUser:
    """What is known of an end user to be added."""

    name: str
    email: str = ""
    extension: str = ""
    department: str = ""
    location: Location | None = None


def add_end_users(
    account: Account, wanted: Sequence[NewEndUser], *, actor: Actor, at: datetime
) -> list[EndUser]:
    """New end users of the account, all or none, in the order in which they are given.

    As `add_end_user` for each, in a few statements for all. Who is refused has been found before: here
    the constraints decide. Raises Refused where a name is missing, an extension is not of the account's
    length, a location is another account's, or an address or an extension is taken.
    """
    end_users = [EndUser(account=account, added_on=account.local_date(at)) for _ in wanted]
    for end_user, new in zip(end_users, wanted, strict=True):
        _describe(end_user, new.name, new.email, new.department, new.location)
        check_extension(account, new.extension)
        end_user.extension = new.extension
    try:
        with transaction.atomic():
            EndUser.objects.bulk_create(end_users, batch_size=_BATCH)
            ExtensionClaim.objects.bulk_create(
                [
                    ExtensionClaim(account=account, extension=end_user.extension, holder=holder_key(end_user))
                    for end_user in end_users
                    if end_user.extension
                ],
                batch_size=_BATCH,
            )
            changes = [
                Change(
                    "add-end-user",
                    end_user,
                    f"{end_user} added",
                    after={field: value for field, value in _facts(end_user).items() if value},
                )
                for end_user in end_users
            ]
            record_all(account, changes, actor=actor, at=at)
    except IntegrityError as error:
        raise Refused(
            "An e-mail address or an extension among these is taken already. Nothing was changed.",
            rule="LIC-2",
        ) from error
    return end_users


def edit_end_user(
    end_user: EndUser,
    *,
    name: str,
    email: str,
    extension: str,
    department: str,
    location: Location | None,
    actor: Actor,
    at: datetime,
) -> EndUser:
    """The end user with these details in place of the old ones; no trace where they are the same.

    Raises Refused as `add_end_user` does, and for an end user who was removed.
    """
    with transaction.atomic():
        end_user = _locked(end_user)
        before = _facts(end_user)
        _describe(end_user, name, email, department, location)
        if extension.strip() != end_user.extension:
            set_extension(end_user, extension)
        after = _facts(end_user)
        changed = [field for field in FIELDS if before[field] != after[field]]
        if changed:
            _save(end_user)
            record(
                end_user.account,
                "edit-end-user",
                end_user,
                f"{end_user}: {', '.join(changed)} changed",
                actor=actor,
                at=at,
                before={field: before[field] for field in changed},
                after={field: after[field] for field in changed},
            )
    return end_user


def retire_end_user(end_user: EndUser, *, actor: Actor, at: datetime) -> EndUser:
    """Set the day of removal and free the extension: the last step of removing an end user.

    Licences and numbers have been taken before, by the app that knows of them. Raises Refused for an
    end user who was removed already.
    """
    with transaction.atomic():
        end_user = _locked(end_user)
        for listener in _when_retired:
            listener(end_user, actor, at)
        end_user.removed_on = end_user.account.local_date(at)
        free_extension(end_user)
        end_user.save(update_fields=["removed_on"])
        record(
            end_user.account,
            "remove-end-user",
            end_user,
            f"{end_user} removed",
            actor=actor,
            at=at,
            before={field: value for field, value in _facts(end_user).items() if value},
        )
    return end_user


def _locked(end_user: EndUser) -> EndUser:
    locked = (
        EndUser.objects.select_for_update(of=("self",))
        .select_related("account", "location")
        .get(pk=end_user.pk)
    )
    if locked.removed_on is not None:
        raise Refused(f"{locked} was removed from the account. Nothing was changed.")
    return locked


def _describe(end_user: EndUser, name: str, email: str, department: str, location: Location | None) -> None:
    if not name.strip():
        raise Refused("An end user has a name.", field="name")
    if location is not None and location.account_id != end_user.account_id:
        raise Refused("Choose one of the account's own locations.", rule="ACC-4", field="location")
    end_user.name = name.strip()
    end_user.email = email.strip()
    end_user.department = department.strip()
    end_user.location = location


def _save(end_user: EndUser) -> None:
    same = EndUser.objects.filter(
        account_id=end_user.account_id, removed_on=None, email__iexact=end_user.email
    ).exclude(pk=end_user.pk)
    other = same.first() if end_user.email else None
    if other is not None:
        raise _email_taken(end_user, other)
    try:
        with transaction.atomic():
            end_user.save()
    except IntegrityError as error:
        # Somebody was quicker between the question and the answer.
        raise _email_taken(end_user, same.first()) from error


def _email_taken(end_user: EndUser, other: EndUser | None) -> Refused:
    return Refused(
        f"{end_user.email} belongs to {other or 'another end user'} already. "
        "Each end user has an address of their own.",
        field="email",
    )


def _facts(end_user: EndUser) -> dict[str, str]:
    return {
        "name": end_user.name,
        "email": end_user.email,
        "extension": end_user.extension,
        "department": end_user.department,
        "location": end_user.location.name if end_user.location else "",
    }
