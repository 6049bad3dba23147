"""Partner organisations of an account: coming in, and what the customer decides about them (ACC-2)."""

import threading
from collections.abc import Callable

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from accounts.members import add_member, change_role, grant_link
from accounts.models import Account, AuditEntry, Membership, Partner, PartnerAccess, PartnerLevel, Role, User
from accounts.partners import bring_in_partner, lower_partner, raise_partner, remove_partner
from accounts.refusals import Refused
from accounts.trail import Actor
from tests import factories
from tests.factories import AT, TESTS, PartnerAccessFactory, PartnerFactory, UserFactory, partner_user

DECISIONS = (raise_partner, lower_partner, remove_partner)


@pytest.fixture
def first(account: Account) -> PartnerAccess:
    """The account's first partner."""
    found: PartnerAccess = PartnerAccessFactory(account=account, partner__name="First & Co")
    return found


@pytest.fixture
def further(account: Account, first: PartnerAccess) -> PartnerAccess:
    """A further one, after the first."""
    found: PartnerAccess = PartnerAccessFactory(account=account, partner__name="Further & Co")
    return found


def level_of(access: PartnerAccess) -> str:
    return PartnerAccess.objects.get(pk=access.pk).level


def trail() -> list[str]:
    return list(AuditEntry.objects.filter(target_kind="partneraccess").values_list("action", flat=True))


def test_first_partner_has_full_administration(account: Account, actor: Actor) -> None:
    """ACC-2, ACC-5."""
    partner = PartnerFactory(brand=account.brand, name="First & Co")
    access = bring_in_partner(account, partner, actor=actor, at=AT)
    assert (access.level, access.is_first, access.since) == (PartnerLevel.FULL, True, AT)
    entry = AuditEntry.objects.get(action="bring-in-partner")
    assert (entry.account, entry.user) == (account, actor.user)
    assert entry.summary == "First & Co came in as the first partner: Full administration"
    assert entry.after == {"partner": "First & Co", "level": "full"}


def test_further_partner_starts_read_only(account: Account, first: PartnerAccess, actor: Actor) -> None:
    """ACC-2: the second, and the third when the second was given full administration."""
    for _ in range(2):
        access = bring_in_partner(account, PartnerFactory(brand=account.brand), actor=actor, at=AT)
        assert (access.level, access.is_first) == (PartnerLevel.READ_ONLY, False)
        raise_partner(access, actor=actor, at=AT)


def test_partner_of_another_account_is_the_first_of_this_one(other: Account, account: Account) -> None:
    """ACC-2: which partner is first is a matter of each account."""
    other_brand = PartnerAccessFactory(account=other)
    assert other_brand.is_first
    assert PartnerAccessFactory(account=account).is_first


def test_partner_that_is_there_stays_as_it_is(account: Account, first: PartnerAccess, actor: Actor) -> None:
    further = PartnerAccessFactory(account=account, level=PartnerLevel.FULL)
    before = trail()
    for there in (first, further):
        assert bring_in_partner(account, there.partner, actor=actor, at=AT) == there
        assert level_of(there) == PartnerLevel.FULL
    assert trail() == before


def test_partner_switched_off_does_not_come_in(account: Account, actor: Actor) -> None:
    partner = PartnerFactory(brand=account.brand, is_active=False)
    with pytest.raises(Refused) as refused:
        bring_in_partner(account, partner, actor=actor, at=AT)
    assert (refused.value.rule, refused.value.field) == ("ACC-2", "partner")
    assert not account.partner_accesses.exists()


def test_partner_of_another_brand_does_not_come_in(account: Account, actor: Actor) -> None:
    with pytest.raises(Refused, match="another brand"):
        bring_in_partner(account, PartnerFactory(), actor=actor, at=AT)


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
def test_owner_or_admin_raises_and_lowers(account: Account, further: PartnerAccess, role: Role) -> None:
    """ACC-2, ACC-5."""
    actor = Actor(user=factories.member(account, role))
    raise_partner(further, actor=actor, at=AT)
    assert level_of(further) == PartnerLevel.FULL
    lower_partner(further, actor=actor, at=AT)
    assert level_of(further) == PartnerLevel.READ_ONLY
    raised, lowered = AuditEntry.objects.filter(action__in=("raise-partner", "lower-partner")).order_by("pk")
    assert raised.summary == "Further & Co: Read-only became Full administration"
    assert (raised.before, raised.after) == ({"level": "read-only"}, {"level": "full"})
    assert (lowered.before, lowered.after) == ({"level": "full"}, {"level": "read-only"})
    assert raised.account == account


def test_same_level_again_leaves_no_trace(first: PartnerAccess, further: PartnerAccess, actor: Actor) -> None:
    before = trail()
    lower_partner(further, actor=actor, at=AT)
    raise_partner(first, actor=actor, at=AT)
    assert trail() == before


def test_first_partner_is_not_lowered(first: PartnerAccess, actor: Actor) -> None:
    """ACC-2: its full administration stays."""
    with pytest.raises(Refused) as refused:
        lower_partner(first, actor=actor, at=AT)
    assert refused.value.rule == "ACC-2"
    assert level_of(first) == PartnerLevel.FULL


@pytest.mark.parametrize("decide", DECISIONS)
@pytest.mark.parametrize("role", [Role.BILLING, Role.READ_ONLY])
def test_lesser_members_decide_nothing(
    account: Account, further: PartnerAccess, role: Role, decide: Callable[..., None]
) -> None:
    """ACC-2: an owner or admin decides."""
    refused_to(decide, further, factories.member(account, role))


@pytest.mark.parametrize("decide", DECISIONS)
def test_partners_decide_nothing(
    account: Account, further: PartnerAccess, decide: Callable[..., None]
) -> None:
    """ACC-2: neither the partner itself nor one with full administration."""
    refused_to(decide, further, UserFactory(partner=further.partner))
    refused_to(decide, further, partner_user(account, PartnerLevel.FULL))


@pytest.mark.parametrize("decide", DECISIONS)
def test_admin_who_works_for_a_partner_decides_nothing(
    account: Account, first: PartnerAccess, further: PartnerAccess, decide: Callable[..., None]
) -> None:
    """ACC-2: a partner with full administration can make its own people admins, and gains nothing by it."""
    for partner in (first.partner, further.partner):
        user = UserFactory(partner=partner)
        add_member(account, email=user.email, role=Role.ADMIN, actor=TESTS, at=AT)
        refused_to(decide, further, user)


@pytest.mark.parametrize("decide", DECISIONS)
def test_owner_who_works_for_the_partner_does_not_decide_about_it(
    account: Account, further: PartnerAccess, decide: Callable[..., None]
) -> None:
    """ACC-2: never the partner itself; about other partners an owner decides, wherever they work."""
    user = factories.member(account, Role.OWNER, partner=further.partner)
    refused_to(decide, further, user)
    decide(PartnerAccessFactory(account=account), actor=Actor(user=user), at=AT)


@pytest.mark.parametrize("decide", DECISIONS)
def test_staff_and_other_customers_decide_nothing(
    account: Account, other: Account, further: PartnerAccess, decide: Callable[..., None]
) -> None:
    """ACC-2: the customer's own decide, and nobody else."""
    refused_to(decide, further, factories.staff("Support"))
    refused_to(decide, further, factories.member(other, Role.OWNER))


def refused_to(decide: Callable[..., None], access: PartnerAccess, user: User) -> None:
    """Nothing comes of the decision when this person takes it."""
    before = level_of(access), trail()
    with pytest.raises(Refused, match="owner or admin") as refused:
        decide(access, actor=Actor(user=user), at=AT)
    assert refused.value.rule == "ACC-2"
    assert (level_of(access), trail()) == before


def test_admin_removes_a_further_partner(account: Account, further: PartnerAccess) -> None:
    """ACC-2, ACC-5; the next time it comes in read-only again."""
    raise_partner(further, actor=TESTS, at=AT)
    remove_partner(further, actor=Actor(user=factories.member(account, Role.ADMIN)), at=AT)
    assert not PartnerAccess.objects.filter(pk=further.pk).exists()
    entry = AuditEntry.objects.get(action="remove-partner")
    assert entry.summary == "Further & Co is no longer a partner of the account"
    assert entry.before == {"partner": "Further & Co", "level": "full"}
    again = bring_in_partner(account, further.partner, actor=TESTS, at=AT)
    assert again.level == PartnerLevel.READ_ONLY


def test_only_an_owner_removes_the_first_partner(
    account: Account, first: PartnerAccess, further: PartnerAccess, actor: Actor
) -> None:
    """ACC-2: no other becomes the first by that, until the account has none."""
    with pytest.raises(Refused, match="Only an owner"):
        remove_partner(first, actor=Actor(user=factories.member(account, Role.ADMIN)), at=AT)
    remove_partner(first, actor=actor, at=AT)
    assert not PartnerAccessFactory(account=account).is_first
    for access in PartnerAccess.objects.filter(account=account):
        remove_partner(access, actor=actor, at=AT)
    assert PartnerAccessFactory(account=account).is_first


@pytest.mark.parametrize("decide", DECISIONS)
def test_partner_that_is_gone_is_said_so(
    further: PartnerAccess, actor: Actor, decide: Callable[..., None]
) -> None:
    stale = PartnerAccess.objects.get(pk=further.pk)
    remove_partner(further, actor=actor, at=AT)
    with pytest.raises(Refused, match="no longer there"):
        decide(stale, actor=actor, at=AT)


def test_database_keeps_one_first_partner(first: PartnerAccess, further: PartnerAccess) -> None:
    """ACC-2: whatever a program does."""
    with pytest.raises(IntegrityError), transaction.atomic():
        PartnerAccess.objects.filter(pk=further.pk).update(is_first=True, level=PartnerLevel.FULL)
    with pytest.raises(IntegrityError), transaction.atomic():
        PartnerAccess.objects.filter(pk=first.pk).update(level=PartnerLevel.READ_ONLY)


def test_staff_work_for_no_partner(db: None) -> None:
    """ACC-2, ACC-3."""
    user = factories.staff("Support")
    user.partner = PartnerFactory()
    with pytest.raises(ValidationError, match="never both"):
        user.full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        user.save()


def test_partner_makes_no_owner(account: Account) -> None:
    """ACC-1, ACC-2: full administration is an admin's."""
    actor = Actor(user=partner_user(account))
    with pytest.raises(Refused, match="Only an owner"):
        add_member(account, email="x@example.com", full_name="X", role=Role.OWNER, actor=actor, at=AT)
    owner = Membership.objects.get(user=factories.member(account, Role.OWNER))
    factories.member(account, Role.OWNER)
    with pytest.raises(Refused, match="Only an owner"):
        change_role(owner, Role.READ_ONLY, actor=actor, at=AT)


def test_partner_gets_no_link_for_an_admin(account: Account, actor: Actor) -> None:
    """ACC-2: with it, it would sign in as one who decides about partners; not so for the roles below."""
    partner = Actor(user=partner_user(account))
    admin = Membership.objects.get(user=factories.member(account, Role.ADMIN))
    with pytest.raises(Refused, match="own owners and admins") as refused:
        grant_link(admin, actor=partner, at=AT)
    assert refused.value.rule == "ACC-2"
    grant_link(admin, actor=actor, at=AT)
    grant_link(Membership.objects.get(user=factories.member(account, Role.BILLING)), actor=partner, at=AT)


def test_no_link_for_a_person_of_a_partner(account: Account, actor: Actor) -> None:
    """ACC-2: whoever got it would open all of the partner's accounts."""
    user = factories.member(account, Role.READ_ONLY, partner=PartnerFactory())
    with pytest.raises(Refused, match="more than this account"):
        grant_link(Membership.objects.get(user=user), actor=actor, at=AT)


def test_person_of_a_partner_who_never_signed_in_is_not_added(account: Account, actor: Actor) -> None:
    """ACC-2: as for members of other accounts."""
    user = UserFactory(partner=PartnerFactory(), password=None)
    with pytest.raises(Refused, match="invited elsewhere"):
        add_member(account, email=user.email, role=Role.READ_ONLY, actor=actor, at=AT)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_only_one_becomes_the_first_however_many_come_at_once() -> None:
    """ACC-2: each in a transaction that has written for the account already, as a subscription's has."""
    account = factories.AccountFactory()
    partners = [PartnerFactory(brand=account.brand) for _ in range(6)]
    gate = threading.Barrier(len(partners))
    faults: list[BaseException] = []

    def come_in(partner: Partner) -> None:
        try:
            with transaction.atomic():
                factories.LocationFactory(account=account)
                gate.wait()
                bring_in_partner(account, partner, actor=TESTS, at=AT)
        except BaseException as fault:
            faults.append(fault)
            raise
        finally:
            connection.close()

    crew = [threading.Thread(target=come_in, args=[partner]) for partner in partners]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    assert not faults
    levels = sorted(account.partner_accesses.values_list("level", flat=True))
    assert levels == ["full"] + 5 * ["read-only"]
