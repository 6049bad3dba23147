"""Factories of what every test needs: brands, accounts, people. Other apps have theirs beside their tests."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import factory
from django.contrib.auth.models import Group
from factory.django import DjangoModelFactory

from accounts.end_users import add_end_user
from accounts.models import (
    Account,
    Brand,
    EndUser,
    Location,
    Membership,
    Partner,
    PartnerAccess,
    PartnerLevel,
    Role,
    User,
)
from accounts.partners import bring_in_partner, lower_partner, raise_partner
from accounts.trail import Actor
from billing.opening import open_account

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
"""The instant at which things happen in tests unless they say otherwise: a Monday, 10:00 in New York."""

PASSWORD = "correct horse battery"
TESTS = Actor.for_command("tests")


class BrandFactory(DjangoModelFactory[Brand]):
    """A brand with contacts."""

    class Meta:
        model = Brand

    name = factory.Sequence(lambda n: f"Brand {n}")
    slug = factory.Sequence(lambda n: f"brand-{n}")
    logo_text = factory.SelfAttribute("name")
    support_email = "support@brand.example"
    onboarding_email = "onboarding@brand.example"
    legal_name = factory.LazyAttribute(lambda brand: f"{brand.name} Inc.")
    invoice_prefix = factory.Sequence(lambda n: f"B{n}")


class AccountFactory(DjangoModelFactory[Account]):
    """An account, opened by the action, so it has its place in the billing calendar."""

    class Meta:
        model = Account

    brand = factory.SubFactory(BrandFactory)
    name = factory.Sequence(lambda n: f"Account {n}")
    slug = factory.Sequence(lambda n: f"account-{n}")
    bdom = 10
    opened_on = date(2026, 1, 10)

    @classmethod
    def _create(cls, model_class: type[Account], *args: Any, **kwargs: Any) -> Account:
        return open_account(
            kwargs.pop("brand"), kwargs.pop("name"), actor=TESTS, at=kwargs.pop("at", AT), **kwargs
        )


class UserFactory(DjangoModelFactory[User]):
    """Somebody who signs in with PASSWORD."""

    class Meta:
        model = User

    email = factory.Sequence(lambda n: f"person{n}@example.com")
    full_name = factory.Sequence(lambda n: f"Person {n}")
    password = PASSWORD
    joined_at = AT

    @classmethod
    def _create(cls, model_class: type[User], *args: Any, **kwargs: Any) -> User:
        return User.objects.create_user(*args, **kwargs)


class MembershipFactory(DjangoModelFactory[Membership]):
    """Somebody's place in an account, an owner's unless it says otherwise."""

    class Meta:
        model = Membership

    account = factory.SubFactory(AccountFactory)
    user = factory.SubFactory(UserFactory)
    role = Role.OWNER
    since = AT


class PartnerFactory(DjangoModelFactory[Partner]):
    """A partner organisation; without a brand of its own it sells under a new one."""

    class Meta:
        model = Partner

    brand = factory.SubFactory(BrandFactory)
    name = factory.Sequence(lambda n: f"Partner {n}")
    slug = factory.Sequence(lambda n: f"partner-{n}")
    email = factory.LazyAttribute(lambda partner: f"hello@{partner.slug}.example")


class PartnerAccessFactory(DjangoModelFactory[PartnerAccess]):
    """A partner's place in an account, brought in by the action: the account's first has full administration.

    `level`: for a further partner, what an owner gives it afterwards.
    """

    class Meta:
        model = PartnerAccess

    account = factory.SubFactory(AccountFactory)
    partner = factory.SubFactory(PartnerFactory, brand=factory.SelfAttribute("..account.brand"))

    @classmethod
    def _create(cls, model_class: type[PartnerAccess], *args: Any, **kwargs: Any) -> PartnerAccess:
        at = kwargs.get("at", AT)
        access = bring_in_partner(kwargs["account"], kwargs["partner"], actor=TESTS, at=at)
        level = kwargs.get("level", access.level)
        if level != access.level:
            change = raise_partner if level == PartnerLevel.FULL else lower_partner
            change(access, actor=TESTS, at=at)
            access.refresh_from_db()
        return access


class LocationFactory(DjangoModelFactory[Location]):
    """A site of an account."""

    class Meta:
        model = Location

    account = factory.SubFactory(AccountFactory)
    name = factory.Sequence(lambda n: f"Site {n}")
    street = "1 Main Street"
    city = "Boston"
    region = "MA"
    postal_code = "02110"


class EndUserFactory(DjangoModelFactory[EndUser]):
    """An end user, added by the action, so its extension is claimed."""

    class Meta:
        model = EndUser

    account = factory.SubFactory(AccountFactory)
    name = factory.Sequence(lambda n: f"End user {n}")

    @classmethod
    def _create(cls, model_class: type[EndUser], *args: Any, **kwargs: Any) -> EndUser:
        return add_end_user(kwargs.pop("account"), actor=TESTS, at=kwargs.pop("at", AT), **kwargs)


def member(account: Account, role: Role = Role.OWNER, **user: Any) -> User:
    """A user who is a member of the account."""
    found: User = MembershipFactory(account=account, role=role, user=UserFactory(**user)).user
    return found


def staff(*groups: str, **user: Any) -> User:
    """A user who works for the provider, in these staff groups."""
    person: User = UserFactory(is_staff=True, **user)
    person.groups.set(Group.objects.get_or_create(name=name)[0] for name in groups)
    return person


def partner_user(account: Account, level: PartnerLevel = PartnerLevel.FULL, **user: Any) -> User:
    """A user who works for a partner of the account: its first with full administration, or a further one."""
    if level == PartnerLevel.READ_ONLY and not account.partner_accesses.exists():
        PartnerAccessFactory(account=account)
    access: PartnerAccess = PartnerAccessFactory(account=account, level=level)
    found: User = UserFactory(partner=access.partner, **user)
    return found


def suspended(account: Account, because: str = "Invoice B1-000001 is overdue.", **fields: Any) -> None:
    """Have an account be suspended, as the task leaves it."""
    Account.objects.filter(pk=account.pk).update(suspended_on=AT.date(), suspended_because=because, **fields)
