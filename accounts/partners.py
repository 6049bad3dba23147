"""Partner organisations of an account, and what their people may do in it (ACC-2)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from accounts.models import Account, Partner, PartnerAccess, PartnerLevel, Role, User
from accounts.refusals import Refused
from accounts.trail import Actor, record


def bring_in_partner(account: Account, partner: Partner, *, actor: Actor, at: datetime) -> PartnerAccess:
    """The partner's place in the account, made if there is none yet.

    The first partner of an account has full administration, any further one starts read-only. Which
    one is first is settled under a lock on the account. Raises Refused where the partner is switched
    off or sells under another brand than the account's (ACC-2).
    """
    with transaction.atomic():
        account = _locked(account)
        places = PartnerAccess.objects.filter(account=account)
        found = places.select_related("account", "partner").filter(partner=partner).first()
        if found is not None:
            return found
        if not partner.is_active:
            raise Refused(f"{partner} does not sell any more.", rule="ACC-2", field="partner")
        if partner.brand_id != account.brand_id:
            raise Refused(f"{partner} sells under another brand.", rule="ACC-2", field="partner")
        is_first = not places.exists()
        level = PartnerLevel.FULL if is_first else PartnerLevel.READ_ONLY
        access = PartnerAccess.objects.create(
            account=account, partner=partner, level=level, is_first=is_first, since=at
        )
        record(
            account,
            "bring-in-partner",
            access,
            f"{partner} came in as {'the first' if is_first else 'a further'} partner: {level.label}",
            actor=actor,
            at=at,
            after={"partner": partner.name, "level": level.value},
        )
    return access


def raise_partner(access: PartnerAccess, *, actor: Actor, at: datetime) -> None:
    """Give a further partner full administration; no trace where it has it.

    Raises Refused where the actor is not an owner or admin of the customer's own.
    """
    _set_level(access, PartnerLevel.FULL, actor=actor, at=at)


def lower_partner(access: PartnerAccess, *, actor: Actor, at: datetime) -> None:
    """Take a further partner's full administration back; no trace where it has none.

    Raises Refused for the first partner, and where the actor is not an owner or admin of the
    customer's own.
    """
    _set_level(access, PartnerLevel.READ_ONLY, actor=actor, at=at)


def remove_partner(access: PartnerAccess, *, actor: Actor, at: datetime) -> None:
    """Take a partner out of the account; what it sold stays as it is.

    A further partner is removed by an owner or admin of the customer's own, the first by an owner
    only; raises Refused for all others. Once an account has no partner, the next to come in is its first.
    """
    with transaction.atomic():
        account = _locked(access.account)
        access = _found(account, access)
        _check_may_decide(account, access, actor)
        if access.is_first and _role_of(account, actor) is not Role.OWNER:
            raise Refused("Only an owner can remove the account's first partner.", rule="ACC-2")
        record(
            account,
            "remove-partner",
            access,
            f"{access.partner} is no longer a partner of the account",
            actor=actor,
            at=at,
            before={"partner": access.partner.name, "level": access.level},
        )
        access.delete()


def may_decide(access: PartnerAccess, user: User | None, role: Role | None) -> bool:
    """Whether a member with this role raises, lowers and removes the partner; `user` None: a task or command.

    Partners are the customer's to decide about: never their own, nor other partners' or the provider's.
    Whoever administers for a partner can make a colleague an admin, but never an owner. So a person
    who works for a partner decides as an owner, or not at all, and about the own organisation never.
    """
    if user is None or user.partner_id is None:
        return role in (Role.OWNER, Role.ADMIN)
    return role is Role.OWNER and user.partner_id != access.partner_id


def _set_level(access: PartnerAccess, level: PartnerLevel, *, actor: Actor, at: datetime) -> None:
    with transaction.atomic():
        account = _locked(access.account)
        access = _found(account, access)
        _check_may_decide(account, access, actor)
        before = PartnerLevel(access.level)
        if before is level:
            return
        if access.is_first:
            raise Refused(
                f"{access.partner} is the account's first partner, and keeps full administration.",
                rule="ACC-2",
            )
        access.level = level
        access.save(update_fields=["level"])
        is_raised = level is PartnerLevel.FULL
        record(
            account,
            "raise-partner" if is_raised else "lower-partner",
            access,
            f"{access.partner}: {before.label} became {level.label}",
            actor=actor,
            at=at,
            before={"level": before.value},
            after={"level": level.value},
        )


def _locked(account: Account) -> Account:
    # The key stays as it is, so others can write rows that point at the account meanwhile.
    return Account.objects.select_for_update(no_key=True).get(pk=account.pk)


def _found(account: Account, access: PartnerAccess) -> PartnerAccess:
    places = PartnerAccess.objects.select_related("account", "partner")
    found = places.filter(account=account, pk=access.pk).first()
    if found is None:
        raise Refused("This partner is no longer there. Nothing was changed.")
    return found


def _role_of(account: Account, actor: Actor) -> Role | None:
    """The actor's role as a member; tasks and commands count as owners."""
    if actor.user is None:
        return Role.OWNER
    found = account.memberships.filter(user=actor.user).values_list("role", flat=True).first()
    return Role(found) if found else None


def _check_may_decide(account: Account, access: PartnerAccess, actor: Actor) -> None:
    if not may_decide(access, actor.user, _role_of(account, actor)):
        raise Refused(
            f"Only an owner or admin of {account}, who works for no partner, decides about partners.",
            rule="ACC-2",
        )
