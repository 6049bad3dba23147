"""What a person is in an account: a member, somebody of one of its partners, both, or neither (ACC-1, ACC-2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import JSONObject

from accounts.models import Account, Membership, Partner, PartnerAccess, PartnerLevel, Role, User

if TYPE_CHECKING:
    from collections.abc import Mapping

BY_STRENGTH: Final = (Role.OWNER, Role.ADMIN, Role.BILLING, Role.READ_ONLY)
"""Whoever is two things in an account is the first of them that is here."""

PARTNER_ROLES: Final[Mapping[str, Role]] = {
    PartnerLevel.FULL: Role.ADMIN,
    PartnerLevel.READ_ONLY: Role.READ_ONLY,
}
"""What a partner's people are in an account, by its level there."""

PARTNER_FIELDS: Final = ("id", "brand_id", "name", "slug", "email", "is_active")


@dataclass(frozen=True, slots=True)
class Standing:
    """The role in an account, None for neither; `partner` is set where the role comes from a partner's place."""

    role: Role | None
    partner: Partner | None = None

    @property
    def label(self) -> str:
        """What the person is, in words; "" for neither."""
        if self.role is None:
            return ""
        if self.partner is None:
            return self.role.label
        level = next(level for level, role in PARTNER_ROLES.items() if role is self.role)
        return f"Partner: {PartnerLevel(level).label.lower()}"


NEITHER: Final = Standing(None)


def opened_by(user: User) -> Q:
    """Which accounts a person opens: those of the memberships, and those of the partner worked for."""
    mine = Q(pk__in=Membership.objects.filter(user=user).values("account"))
    if user.partner_id is not None:
        mine |= Q(pk__in=_places_of(user).values("account"))
    return mine


def with_standing(accounts: QuerySet[Account], user: User) -> QuerySet[Account]:
    """Have what `standing_in` reads fetched along with accounts, in the one query that they cost."""
    roles = Membership.objects.filter(account=OuterRef("pk"), user=user).values("role")[:1]
    accounts = accounts.annotate(standing_as_member=Subquery(roles))
    if user.partner_id is None:
        return accounts
    partner = JSONObject(**{name: F(f"partner__{name}") for name in PARTNER_FIELDS}, level=F("level"))
    places = _places_of(user).filter(account=OuterRef("pk")).annotate(found=partner).values("found")[:1]
    return accounts.annotate(standing_as_partner=Subquery(places))


def standing_in(account: Account) -> Standing:
    """What the person is in an account that came through `with_standing`: the stronger, of two things."""
    known = vars(account)
    found = [Standing(Role(known["standing_as_member"]))] if known.get("standing_as_member") else []
    if place := known.get("standing_as_partner"):
        partner = Partner.from_db(account._state.db, PARTNER_FIELDS, [place[name] for name in PARTNER_FIELDS])
        found.append(Standing(PARTNER_ROLES[place["level"]], partner))
    return min(found, key=_weakness, default=NEITHER)


def _weakness(standing: Standing) -> int:
    return BY_STRENGTH.index(standing.role) if standing.role else len(BY_STRENGTH)


def _places_of(user: User) -> QuerySet[PartnerAccess]:
    """The places of the partner that a person works for, unless it was switched off."""
    places = PartnerAccess.objects.filter(account__is_simulation=False).order_by()
    return places.filter(partner=user.partner_id, partner__is_active=True)
