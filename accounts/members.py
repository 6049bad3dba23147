"""Members of an account and their roles (ACC-1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from accounts.models import Account, Membership, Role, User
from accounts.refusals import Refused
from accounts.trail import Actor, record


@dataclass(frozen=True, slots=True)
class Added:
    """A new membership. `is_new_person`: nobody signed in with this address before."""

    membership: Membership
    is_new_person: bool


def add_member(
    account: Account, *, email: str, full_name: str = "", role: Role, actor: Actor, at: datetime
) -> Added:
    """Make the person with this e-mail address a member, and a user of the panel if there is none yet.

    A new user has no password until one is chosen by a link (`link_for`). Raises Refused where the
    person is a member already, the actor may not give the role, or the address waits for its first
    sign-in elsewhere: only its own account's link may say whose it is.
    """
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise Refused("Enter an e-mail address, like name@example.com.", field="email") from error
    with transaction.atomic():
        account = _locked(account)
        _check_may_give(account, role, actor)
        user = User.objects.filter(email__iexact=email).first()
        is_new = user is None
        if user is None:
            if not full_name.strip():
                raise Refused(
                    "Nobody signs in with this address yet: give the person's name.",
                    field="full_name",
                )
            user = User.objects.create_user(email, full_name=full_name.strip(), joined_at=at)
        elif account.memberships.filter(user=user).exists():
            raise Refused(f"{user} is a member already. Change the role in the list instead.", field="email")
        elif not user.is_active:
            raise Refused("This person's sign-in was switched off by support.", field="email")
        elif not user.has_usable_password() and (user.partner_id or user.memberships.exists()):
            raise Refused(
                "This person was invited elsewhere and has not signed in yet. "
                "Add them once they have chosen a password.",
                field="email",
            )
        membership = Membership.objects.create(account=account, user=user, role=role, since=at)
        record(
            account,
            "add-member",
            membership,
            f"{user} made a member: {role.label}",
            actor=actor,
            at=at,
            after={"email": user.email, "role": role.value},
        )
    return Added(membership, is_new)


def change_role(membership: Membership, role: Role, *, actor: Actor, at: datetime) -> None:
    """Give a member another role; no trace where it is the same.

    Raises Refused where an owner is made or unmade by somebody who is none, or the last would go.
    """
    with transaction.atomic():
        account = _locked(membership.account)
        membership = _found(account, membership)
        before = Role(membership.role)
        if before is role:
            return
        _check_may_give(account, role, actor)
        _check_may_alter(account, before, actor)
        if before is Role.OWNER:
            _check_not_last_owner(account, membership)
        membership.role = role
        membership.save(update_fields=["role"])
        record(
            account,
            "change-role",
            membership,
            f"{membership.user}: {before.label} became {role.label}",
            actor=actor,
            at=at,
            before={"role": before.value},
            after={"role": role.value},
        )


def remove_member(membership: Membership, *, actor: Actor, at: datetime) -> None:
    """Take a member out of the account; the person may be a member of others.

    Raises Refused where an owner is removed by somebody who is none, or the last would go.
    """
    with transaction.atomic():
        account = _locked(membership.account)
        membership = _found(account, membership)
        role = Role(membership.role)
        _check_may_alter(account, role, actor)
        if role is Role.OWNER:
            _check_not_last_owner(account, membership)
        record(
            account,
            "remove-member",
            membership,
            f"{membership.user} is no longer a member",
            actor=actor,
            at=at,
            before={"email": membership.user.email, "role": role.value},
        )
        membership.delete()


def grant_link(membership: Membership, *, actor: Actor, at: datetime) -> User:
    """Whose password may be chosen anew by a link that the actor passes on; writes that one was made.

    Raises Refused where the link would open more than this account: for staff, for people of a partner,
    for members of other accounts, for owners unless an owner asks, and for oneself. Nor does somebody of
    a partner get one for an admin, who would then decide about partners in the admin's name (ACC-2).
    """
    with transaction.atomic():
        account = _locked(membership.account)
        membership = _found(account, membership)
        user = membership.user
        if actor.user == user:
            raise Refused("A link for yourself has to come from somebody else.")
        _check_may_alter(account, Role(membership.role), actor)
        is_admin_s = membership.role == Role.ADMIN and user.has_usable_password()
        if is_admin_s and not _is_member(account, actor, Role.OWNER, Role.ADMIN):
            raise Refused("Only the customer's own owners and admins make a link for an admin.", rule="ACC-2")
        reaches_further = bool(user.partner_id) or user.memberships.exclude(account=account).exists()
        if user.is_staff or not user.is_active or reaches_further:
            raise Refused(
                f"{user} signs in to more than this account, so a link of yours cannot "
                "change the password. Support can help."
            )
        record(
            account,
            "make-password-link",
            membership,
            f"Link made with which {user} chooses a password",
            actor=actor,
            at=at,
        )
    return user


def _locked(account: Account) -> Account:
    return Account.objects.select_for_update().get(pk=account.pk)


def _found(account: Account, membership: Membership) -> Membership:
    found = account.memberships.select_related("user").filter(pk=membership.pk).first()
    if found is None:
        raise Refused("This person is no longer a member. Nothing was changed.")
    return found


def _is_owner(account: Account, actor: Actor) -> bool:
    """Whether the actor acts with an owner's rights; tasks and commands do."""
    return _is_member(account, actor, Role.OWNER)


def _is_member(account: Account, actor: Actor, *roles: Role) -> bool:
    """Whether the actor is a member with one of these roles, not just of a partner; tasks and commands are."""
    if actor.user is None:
        return True
    return account.memberships.filter(user=actor.user, role__in=roles).exists()


def _check_may_give(account: Account, role: Role, actor: Actor) -> None:
    if role is Role.OWNER and not _is_owner(account, actor):
        raise Refused("Only an owner can make somebody an owner.", rule="ACC-1", field="role")


def _check_may_alter(account: Account, role: Role, actor: Actor) -> None:
    if role is Role.OWNER and not _is_owner(account, actor):
        raise Refused("Only an owner can change or remove an owner.", rule="ACC-1", field="role")


def _check_not_last_owner(account: Account, membership: Membership) -> None:
    others = account.memberships.filter(role=Role.OWNER).exclude(pk=membership.pk)
    if not others.exists():
        raise Refused(
            f"{membership.user} is the account's only owner. Make somebody else an owner first.",
            rule="ACC-1",
            field="role",
        )
