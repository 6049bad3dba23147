"""Members of an account: adding, roles, removing, and links to choose a password (ACC-1)."""

import pytest

from accounts.members import add_member, change_role, grant_link, remove_member
from accounts.models import Account, AuditEntry, Membership, Role, User
from accounts.refusals import Refused
from accounts.trail import Actor
from tests import factories
from tests.factories import AT, TESTS


def role_of(user: User, account: Account) -> str:
    return Membership.objects.get(user=user, account=account).role


def membership(user: User, account: Account) -> Membership:
    return Membership.objects.get(user=user, account=account)


def test_new_person_becomes_a_user_without_a_password(account: Account, actor: Actor) -> None:
    added = add_member(
        account, email="New@Example.com", full_name="Nora New", role=Role.BILLING, actor=actor, at=AT
    )
    user = added.membership.user
    assert added.is_new_person
    assert (user.email, user.full_name, user.has_usable_password()) == ("new@example.com", "Nora New", False)
    assert role_of(user, account) == Role.BILLING
    assert AuditEntry.objects.get(action="add-member").after == {
        "email": "new@example.com",
        "role": "billing",
    }


def test_known_person_keeps_name_and_password(account: Account, other: Account, actor: Actor) -> None:
    """ACC-1: a user may be a member of many accounts."""
    user = factories.member(other, full_name="Kay Known", email="kay@example.com")
    added = add_member(account, email="KAY@example.com", full_name="X", role=Role.ADMIN, actor=actor, at=AT)
    user.refresh_from_db()
    assert (added.is_new_person, user.full_name) == (False, "Kay Known")
    assert user.check_password(factories.PASSWORD)


@pytest.mark.parametrize("email", ["", "nobody", "a@b", "a b@example.com"])
def test_malformed_address_is_refused(account: Account, actor: Actor, email: str) -> None:
    with pytest.raises(Refused) as refused:
        add_member(account, email=email, full_name="X", role=Role.ADMIN, actor=actor, at=AT)
    assert refused.value.field == "email"


def test_new_person_needs_a_name(account: Account, actor: Actor) -> None:
    with pytest.raises(Refused) as refused:
        add_member(account, email="new@example.com", role=Role.ADMIN, actor=actor, at=AT)
    assert refused.value.field == "full_name"
    assert not User.objects.filter(email="new@example.com").exists()


def test_member_is_not_added_twice(account: Account, actor: Actor, owner: User) -> None:
    with pytest.raises(Refused, match="already"):
        add_member(account, email=owner.email, role=Role.ADMIN, actor=actor, at=AT)
    assert role_of(owner, account) == Role.OWNER


def test_address_that_waits_elsewhere_is_not_taken_over(
    account: Account, other: Account, actor: Actor
) -> None:
    """Whoever invited it holds the link to its password, and would come in here with it."""
    invited = add_member(other, email="new@example.com", full_name="N", role=Role.OWNER, actor=TESTS, at=AT)
    with pytest.raises(Refused, match="invited elsewhere"):
        add_member(account, email="new@example.com", role=Role.ADMIN, actor=actor, at=AT)
    assert not invited.membership.user.memberships.filter(account=account).exists()


def test_switched_off_person_is_refused(account: Account, actor: Actor) -> None:
    factories.UserFactory(email="off@example.com", is_active=False)
    with pytest.raises(Refused, match="switched off"):
        add_member(account, email="off@example.com", role=Role.ADMIN, actor=actor, at=AT)


def test_only_an_owner_makes_owners(account: Account, owner: User) -> None:
    """ACC-1: an admin may do all but that."""
    admin = Actor(user=factories.member(account, Role.ADMIN))
    reader = factories.member(account, Role.READ_ONLY)
    with pytest.raises(Refused, match="Only an owner") as refused:
        add_member(account, email="x@example.com", full_name="X", role=Role.OWNER, actor=admin, at=AT)
    assert refused.value.rule == "ACC-1"
    with pytest.raises(Refused, match="Only an owner"):
        change_role(membership(reader, account), Role.OWNER, actor=admin, at=AT)
    change_role(membership(reader, account), Role.BILLING, actor=admin, at=AT)
    assert role_of(reader, account) == Role.BILLING


def test_only_an_owner_alters_owners(account: Account, owner: User) -> None:
    """ACC-1: an admin neither demotes, removes nor opens the sign-in of an owner."""
    factories.member(account, Role.OWNER)
    admin = Actor(user=factories.member(account, Role.ADMIN))
    for attempt in (
        lambda: change_role(membership(owner, account), Role.READ_ONLY, actor=admin, at=AT),
        lambda: remove_member(membership(owner, account), actor=admin, at=AT),
        lambda: grant_link(membership(owner, account), actor=admin, at=AT),
    ):
        with pytest.raises(Refused, match="Only an owner"):
            attempt()
    assert role_of(owner, account) == Role.OWNER


def test_owner_of_another_account_is_none_here(account: Account, other: Account, owner: User) -> None:
    """ACC-4: rights end at the account."""
    stranger = Actor(user=factories.member(other, Role.OWNER))
    factories.member(account, Role.OWNER)
    with pytest.raises(Refused, match="Only an owner"):
        remove_member(membership(owner, account), actor=stranger, at=AT)


def test_account_keeps_an_owner(account: Account, owner: User, actor: Actor) -> None:
    """ACC-1: the last owner neither goes nor becomes something else."""
    with pytest.raises(Refused, match="only owner"):
        change_role(membership(owner, account), Role.ADMIN, actor=actor, at=AT)
    with pytest.raises(Refused, match="only owner"):
        remove_member(membership(owner, account), actor=actor, at=AT)
    factories.member(account, Role.OWNER)
    change_role(membership(owner, account), Role.ADMIN, actor=actor, at=AT)
    assert role_of(owner, account) == Role.ADMIN


def test_same_role_leaves_no_trace(account: Account, owner: User, actor: Actor) -> None:
    change_role(membership(owner, account), Role.OWNER, actor=actor, at=AT)
    assert not AuditEntry.objects.filter(action="change-role").exists()


def test_role_change_is_kept(account: Account, actor: Actor) -> None:
    """ACC-5: before and after."""
    reader = factories.member(account, Role.READ_ONLY)
    change_role(membership(reader, account), Role.ADMIN, actor=actor, at=AT)
    entry = AuditEntry.objects.get(action="change-role")
    assert (entry.before, entry.after) == ({"role": "read-only"}, {"role": "admin"})


def test_removed_member_keeps_other_accounts(account: Account, other: Account, actor: Actor) -> None:
    user = factories.member(account, Role.ADMIN)
    factories.MembershipFactory(account=other, user=user, role=Role.READ_ONLY)
    remove_member(membership(user, account), actor=actor, at=AT)
    assert list(user.memberships.values_list("account__slug", flat=True)) == ["elsewhere"]
    assert AuditEntry.objects.get(action="remove-member").before["email"] == user.email


def test_removed_twice_is_refused(account: Account, actor: Actor) -> None:
    gone = membership(factories.member(account, Role.ADMIN), account)
    remove_member(Membership.objects.get(pk=gone.pk), actor=actor, at=AT)
    with pytest.raises(Refused, match="no longer a member"):
        remove_member(gone, actor=actor, at=AT)


def test_link_opens_this_account_alone(account: Account, other: Account, actor: Actor) -> None:
    """A password link for somebody who is elsewhere too, or staff, would open more than the maker may see."""
    alone = factories.member(account, Role.READ_ONLY)
    assert grant_link(membership(alone, account), actor=actor, at=AT) == alone
    elsewhere = factories.member(account, Role.READ_ONLY)
    factories.MembershipFactory(account=other, user=elsewhere)
    staff = factories.member(account, Role.READ_ONLY, is_staff=True)
    for user in (elsewhere, staff):
        with pytest.raises(Refused, match="more than this account"):
            grant_link(membership(user, account), actor=actor, at=AT)
    assert AuditEntry.objects.filter(action="make-password-link").count() == 1


def test_nobody_makes_a_link_for_themselves(account: Account, owner: User, actor: Actor) -> None:
    with pytest.raises(Refused, match="somebody else"):
        grant_link(membership(owner, account), actor=actor, at=AT)
