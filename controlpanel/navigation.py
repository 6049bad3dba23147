"""The frame around every page: which sections a person sees, where they are, and which accounts are at hand.

``frame`` is the context processor. What it gives is lazy: a page that draws no frame asks the database nothing,
and a page that does asks one question, for the accounts of the switcher.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from accounts.models import Account, Brand, Partner, Role, User
from accounts.permissions import (
    ADMINS,
    ALL_BUT_BILLING,
    EVERY_ROLE,
    FINANCE,
    ONBOARDING,
    SALES,
    STAFF_GROUPS,
    SUPPORT,
    staff_groups,
)
from accounts.standing import opened_by, standing_in, with_standing
from controlpanel.branding import chosen_theme, stylesheet_url
from telephony.views.installed import Onboarding, onboarding_of

SWITCHER_ACCOUNTS = 6
BRAND_IN_FRAME = ("name", "slug", "logo_text", "accent", "support_name", "support_email", "support_phone")


@dataclass(frozen=True, slots=True)
class Section:
    """An entry of the sidebar. ``covers``: beginnings of the URL names of the pages that belong to it.

    ``audience``: roles for a section of an account, staff groups for one of the staff pages.
    """

    label: str
    icon: str
    url_name: str
    covers: tuple[str, ...]
    audience: frozenset[str] | frozenset[Role]

    def weight(self, view_name: str) -> int:
        """How closely the section fits the page: the length of the longest beginning that matches, 0 for none."""
        return max((len(start) for start in self.covers if view_name.startswith(start)), default=0)


@dataclass(frozen=True, slots=True)
class Item:
    """An entry as it is drawn."""

    label: str
    icon: str
    url: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Entries under one heading; no heading for an account's own."""

    label: str
    items: Sequence[Item]


@dataclass(frozen=True, slots=True)
class Place:
    """A link of the switcher."""

    label: str
    url: str
    icon: str = ""
    is_current: bool = False

    @property
    def name(self) -> str:
        """The account's name, where the link is an account."""
        return self.label


@dataclass(frozen=True, slots=True)
class Switcher:
    """Where the person is, the accounts at hand, and the way to all of them."""

    kind: str
    name: str
    accounts: Sequence[Place]
    links: Sequence[Place]


ACCOUNT_SECTIONS = (
    Section(_("Home"), "house", "home", ("home",), ALL_BUT_BILLING),
    Section(
        _("Users"), "users", "accounts:end-users", ("accounts:end-user", "billing:end-user"), ALL_BUT_BILLING
    ),
    Section(_("Licences"), "badge-check", "billing:licences", ("billing:licence",), ALL_BUT_BILLING),
    Section(_("Numbers"), "hash", "telephony:numbers", ("telephony:number",), ALL_BUT_BILLING),
    Section(_("Services"), "layers", "telephony:services", ("telephony:service",), ALL_BUT_BILLING),
    Section(_("Locations"), "map-pin", "accounts:locations", ("accounts:location",), ALL_BUT_BILLING),
    Section(
        _("Contact Center"),
        "headset",
        "telephony:contact-center",
        ("telephony:contact-center",),
        ALL_BUT_BILLING,
    ),
    Section(
        _("Subscriptions"),
        "file-clock",
        "billing:subscriptions",
        ("billing:subscription", "billing:overage"),
        ALL_BUT_BILLING,
    ),
    Section(_("Plans"), "gem", "billing:plans", ("billing:plan",), EVERY_ROLE),
    Section(_("Usage"), "chart-column", "billing:usage", ("billing:usage",), EVERY_ROLE),
    Section(_("Devices"), "phone", "hardware:devices", ("hardware:device",), ALL_BUT_BILLING),
    Section(_("Orders"), "package", "hardware:orders", ("hardware:order",), EVERY_ROLE),
    Section(_("Billing"), "receipt-text", "billing:overview", ("billing:",), EVERY_ROLE),
    Section(
        _("Administrators"),
        "shield-check",
        "accounts:administrators",
        ("accounts:administrator", "accounts:partner"),
        ALL_BUT_BILLING,
    ),
    Section(_("Activity"), "history", "accounts:activity", ("accounts:activity",), ADMINS),
)
FINANCE_SECTIONS = (
    Section(_("Invoices"), "receipt-text", "finance:invoices", ("finance:",), frozenset({FINANCE})),
    Section(
        _("Payments"),
        "wallet",
        "finance:payments",
        ("finance:payment", "finance:refund", "finance:transfer", "finance:credits", "finance:bank"),
        frozenset({FINANCE}),
    ),
    Section(_("Dunning"), "bell-ring", "finance:dunning", ("finance:dunning",), frozenset({FINANCE})),
    Section(_("Usage imports"), "upload", "imports:imports", ("imports:",), frozenset({FINANCE})),
    Section(_("Rates"), "coins", "finance:rates", ("finance:rate", "finance:rerate"), frozenset({FINANCE})),
)
STAFF_SECTIONS = (
    Section(_("Accounts"), "building-2", "accounts:choose", ("accounts:choose",), STAFF_GROUPS),
    Section(_("Quotes"), "file-pen-line", "quotes:quotes", ("quotes:",), frozenset({SALES})),
    Section(_("Invoice runs"), "circle-play", "staff:runs", ("staff:run",), STAFF_GROUPS),
    Section(_("Usage imports"), "upload", "imports:imports", ("imports:",), frozenset({SUPPORT})),
    Section(_("Mail"), "mail", "staff:mail", ("staff:mail",), frozenset({ONBOARDING, SUPPORT})),
    Section(_("Style guide"), "swatch-book", "style-guide", ("style-guide",), STAFF_GROUPS),
    Section(_("Administration"), "settings", "admin:index", ("admin:",), STAFF_GROUPS),
)


def address(url_name: str, **kwargs: str) -> str:
    """The address of a page, "" where the panel has no such page."""
    try:
        return reverse(url_name, kwargs=kwargs or None)
    except NoReverseMatch:
        return ""


def recent_accounts(user: User) -> list[Account]:
    """The accounts for the switcher: the first few that are the person's own or a partner's. One query.

    Each carries what `standing_in` reads.
    """
    own = with_standing(Account.objects.filter(opened_by(user)), user)
    own = own.select_related("brand").only("name", "slug", *(f"brand__{name}" for name in BRAND_IN_FRAME))
    return list(own.order_by("name", "pk")[: SWITCHER_ACCOUNTS + 1])


class Navigation:
    """What the sidebar and the top bar show for one request."""

    def __init__(
        self, request: HttpRequest, accounts_of: Callable[[User], list[Account]] = recent_accounts
    ) -> None:
        self.request = request
        self.accounts_of = accounts_of

    @cached_property
    def account(self) -> Account | None:
        """The account of the address; on a page of no account (help) the only one that a customer has."""
        account: Account | None = getattr(self.request, "account", None)
        if account is None and self.user is not None and not self.staff_groups and len(self.found) == 1:
            account = self.found[0]
        return account

    @cached_property
    def found(self) -> list[Account]:
        """The accounts at hand, one more than are shown."""
        return self.accounts_of(self.user) if self.user is not None else []

    @cached_property
    def brand(self) -> Brand | None:
        """Under whose name the page stands; None for the staff's own pages."""
        brand: Brand | None = getattr(self.request, "brand", None)
        return brand or (self.account.brand if self.account is not None else None)

    @cached_property
    def user(self) -> User | None:
        """The person who is signed in."""
        user = getattr(self.request, "user", None)
        return cast(User, user) if user is not None and user.is_authenticated else None

    @cached_property
    def view_name(self) -> str:
        """The URL name of the page, with its namespace; "" for an address that is none."""
        match = self.request.resolver_match
        return match.view_name if match is not None else ""

    @cached_property
    def onboarding(self) -> Onboarding | None:
        """What the onboarding banner says, None where there is none; it came with the account (ONB-2)."""
        return onboarding_of(self.request)

    @cached_property
    def member_role(self) -> Role | None:
        """The role in the account, None for staff looking on and outside of an account."""
        if getattr(self.request, "account", None) is None and self.account is not None:
            return standing_in(self.account).role or Role.READ_ONLY
        return cast("Role | None", getattr(self.request, "membership_role", None))

    @cached_property
    def via_partner(self) -> Partner | None:
        """The partner organisation for which the person is in the account, None for members and staff (ACC-2)."""
        if getattr(self.request, "account", None) is None and self.account is not None:
            return standing_in(self.account).partner
        return cast("Partner | None", getattr(self.request, "via_partner", None))

    @cached_property
    def staff_groups(self) -> frozenset[str]:
        """The staff groups of the person; all of them for a superuser. Empty for customers."""
        return staff_groups(self.user) if self.user is not None else frozenset()

    @cached_property
    def groups(self) -> list[Group]:
        """The sidebar's sections, those left out that the person may not open or that do not exist."""
        if self.account is not None:
            slug = self.account.slug
            role = self.member_role or Role.ADMIN  # staff look on, at all that an admin sees
            return [Group("", self._items(ACCOUNT_SECTIONS, {role}, account=slug))]
        groups = [
            Group(gettext("Finance"), self._items(FINANCE_SECTIONS, self.staff_groups)),
            Group(gettext("Staff"), self._items(STAFF_SECTIONS, self.staff_groups)),
        ]
        return [group for group in groups if group.items]

    def _items(self, sections: Iterable[Section], audience: Iterable[str], **kwargs: str) -> list[Item]:
        allowed = set(audience)
        open_to = [section for section in sections if allowed & set(section.audience)]
        best = max((section.weight(self.view_name) for section in open_to), default=0)
        items = []
        for section in open_to:
            url = address(section.url_name, **kwargs)
            if url:
                is_active = best > 0 and section.weight(self.view_name) == best
                items.append(Item(gettext(section.label), section.icon, url, is_active))
        return items

    @cached_property
    def switcher(self) -> Switcher | None:
        """The account switcher; None for a person who is not signed in."""
        if self.user is None:
            return None
        is_staff = bool(self.staff_groups)
        found = self.found
        current = self.account
        shown = found[:SWITCHER_ACCOUNTS]
        if current is not None and current not in shown:
            shown = [current, *shown[: SWITCHER_ACCOUNTS - 1]]
        accounts = [
            Place(account.name, self._landing(account), is_current=account == current) for account in shown
        ]
        links = []
        choose = address("accounts:choose")
        if choose and (is_staff or len(found) > 1):
            links.append(Place(gettext("All accounts"), choose, "building-2"))
        if current is not None and is_staff:
            finance = address("finance:invoices") if FINANCE in self.staff_groups else ""
            if finance:
                links.append(Place(gettext("Finance"), finance, "receipt-text"))
            runs = address("staff:runs")
            if runs:
                links.append(Place(gettext("Staff pages"), runs, "circle-play"))
        if current is not None:
            return Switcher(gettext("Account"), current.name, accounts, links)
        if is_staff:
            return Switcher(gettext("Provider"), gettext("Staff pages"), accounts, links)
        return Switcher(gettext("Account"), gettext("Choose an account"), accounts, links)

    def _landing(self, account: Account) -> str:
        """Where an account opens: its home, for the billing role its billing pages."""
        role = self.member_role if account == self.account else standing_in(account).role
        name = "billing:overview" if role == Role.BILLING else "home"
        return address(name, account=account.slug) or "/"

    @cached_property
    def role(self) -> Place | None:
        """What the person may do here, where that is less than all."""
        if self.account is None:
            return None
        if self.member_role is None:
            return Place(gettext("Staff view, read-only"), "", "eye")
        if self.via_partner is not None:
            if self.member_role == Role.READ_ONLY:
                return Place(gettext("Partner: read-only"), "", "eye")
            return Place(gettext("Partner: full administration"), "", "handshake")
        if self.member_role == Role.READ_ONLY:
            return Place(gettext("Read-only"), "", "eye")
        if self.member_role == Role.BILLING:
            return Place(gettext("Billing only"), "", "receipt-text")
        return None

    @cached_property
    def search_url(self) -> str:
        """Where the top bar's search goes; "" where there is nothing to search."""
        if self.account is None or self.member_role == Role.BILLING:
            return ""
        return address("search", account=self.account.slug)

    @property
    def is_search(self) -> bool:
        """Whether this page is the search itself, whose box keeps what was typed."""
        return self.view_name == "search"

    @property
    def help_url(self) -> str:
        """The help's first page."""
        return address("help:index")

    @property
    def sign_out_url(self) -> str:
        """Where the sign-out button posts to."""
        return address("sign-out")

    @property
    def brand_url(self) -> str:
        """Where the word mark leads: the account's home, or the start."""
        return self._landing(self.account) if self.account is not None else "/"


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor: ``nav``, ``brand`` (None outside of an account), ``brand_url``, ``brand_css``, ``theme``.

    All but the theme are asked for when a template names them: those that cost a query are functions.
    """
    nav = Navigation(request)
    return {
        "nav": nav,
        "brand": lambda: nav.brand,
        "brand_url": lambda: nav.brand_url,
        "brand_css": lambda: stylesheet_url(nav.brand) if nav.brand is not None else "",
        "theme": chosen_theme(request),
    }
