"""Who may open which page, decided in one place for the whole panel (ACC-1 to ACC-4).

Every page of an account is wrapped in `account_page`, every page of the staff in `staff_page`. A
view behind them gets an `AccountRequest` or a `StaffRequest` and asks nothing more about rights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime
from functools import wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, Protocol, TypeVar, cast
from urllib.parse import urlsplit

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django_htmx.http import HttpResponseClientRedirect

from accounts.models import Account, Partner, Role, User
from accounts.standing import standing_in, with_standing

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http.response import HttpResponseBase
    from django_htmx.middleware import HtmxDetails

ONBOARDING: Final = "Onboarding team"
FINANCE: Final = "Finance"
SUPPORT: Final = "Support"
SALES: Final = "Sales"
STAFF_GROUPS: Final = frozenset({ONBOARDING, FINANCE, SUPPORT, SALES})

EVERY_ROLE: Final = frozenset(Role)
"""Billing pages: all members read them."""
ALL_BUT_BILLING: Final = frozenset({Role.OWNER, Role.ADMIN, Role.READ_ONLY})
"""Every other page of the account: the billing role has no business there (ACC-1)."""
ADMINS: Final = frozenset({Role.OWNER, Role.ADMIN})
"""Who changes the account."""
BILLING_ADMINS: Final = frozenset({Role.OWNER, Role.ADMIN, Role.BILLING})
"""Who changes what the billing pages show."""

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

Args = ParamSpec("Args")
Request = TypeVar("Request", bound=HttpRequest)


class StaffRequest(HttpRequest):
    """A request for a page of the staff. `at` is the instant that the whole request counts as now."""

    user: User
    htmx: HtmxDetails
    at: datetime


class AccountRequest(HttpRequest):
    """A request for a page of an account, let through by `account_page`.

    `membership_role` is None for staff who look at an account that they are no member of. For somebody
    who is here for a partner it is the role that the partner's place amounts to, and `via_partner` the
    partner; None for members (ACC-2). `can_write`: the role may write here, and no suspension is in the way.
    `at` is the instant that the whole request counts as now, and
    `today` the account's own date of it.
    """

    user: User
    htmx: HtmxDetails
    account: Account
    membership_role: Role | None
    via_partner: Partner | None
    can_write: bool
    at: datetime
    today: date


class Page(Protocol):
    """What a decorated view looks like to the resolver."""

    def __call__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase: ...


# What rooms above need to know of an account on each of its pages, asked with the account itself.
Enrich = Callable[["QuerySet[Account]"], "QuerySet[Account]"]
_fetched_with: list[Enrich] = []


def fetched_with(enrich: Enrich) -> Enrich:
    """Have something fetched along with the account of every page, in the one query that it costs."""
    if enrich not in _fetched_with:
        _fetched_with.append(enrich)
    return enrich


class NotAllowed(PermissionDenied):
    """A member asks for what the role does not give. The message is fit for the person (403)."""


def account_page(
    *,
    read: Iterable[Role] = ALL_BUT_BILLING,
    write: Iterable[Role] = ADMINS,
    is_form: bool = False,
    while_suspended: bool = False,
) -> Callable[[Callable[Concatenate[AccountRequest, Args], HttpResponseBase]], Page]:
    """Let a view be a page of the account named in its address, as the kwarg `account`, which it takes away.

    `read`: the roles that may look; `write`: those that may send POST and other unsafe methods.
    `is_form`: the page has no use but to write, so even opening it asks for `write`.
    `while_suspended`: the page pays, so its account's suspension does not close it. All others answer 403
    to writing then, with the reason and the way to pay (INV-6).

    Nobody signed in: on to the sign-in page and back. No such account, or neither a member of it nor of
    one of its partners: 404, the same for all (ACC-2, ACC-4). A role that is not among those asked for:
    403, and the view is not entered. Staff of any group look at every page and write on none (ACC-3).
    The view runs in the account's time zone and language; account, brand and role cost one query.
    """
    readers, writers = frozenset(read), frozenset(write)

    def decorate(view: Callable[Concatenate[AccountRequest, Args], HttpResponseBase]) -> Page:
        @wraps(view)
        def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            slug = kwargs.pop("account")
            user = request.user
            if not isinstance(user, User):
                return to_sign_in(request)
            account, role = account_for(user, slug)
            asked = cast(AccountRequest, request)
            asked.account = account
            asked.membership_role = role
            asked.via_partner = partner = standing_in(account).partner
            may_write = role in writers
            asked.can_write = may_write and (while_suspended or not account.is_suspended)
            asked.at = timezone.now()
            asked.today = account.local_date(asked.at)
            if role is not None and role not in readers:
                raise NotAllowed(_no_business(role, partner))
            writes = is_form or request.method not in SAFE_METHODS
            if writes and not may_write:
                raise NotAllowed(_only_looking(role, partner))
            with timezone.override(account.zone), translation.override(account.language):
                if writes and not asked.can_write:
                    return render(asked, "accounts/suspended.html", status=HTTPStatus.FORBIDDEN)
                return view(asked, *args, **kwargs)

        return page

    return decorate


def staff_page(
    *groups: str,
) -> Callable[[Callable[Concatenate[StaffRequest, Args], HttpResponseBase]], Page]:
    """Let a view be a page of these staff groups: 404 to everybody else who is signed in (ACC-3).

    Superusers pass. Nobody signed in: on to the sign-in page and back.
    """
    if not groups or not STAFF_GROUPS.issuperset(groups):
        raise ValueError("name the staff groups: ONBOARDING, FINANCE, SUPPORT, SALES")

    def decorate(view: Callable[Concatenate[StaffRequest, Args], HttpResponseBase]) -> Page:
        @wraps(view)
        def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            user = request.user
            if not isinstance(user, User):
                return to_sign_in(request)
            if not is_in_group(user, *groups):
                raise Http404
            asked = cast(StaffRequest, request)
            asked.at = timezone.now()
            return view(asked, *args, **kwargs)

        return page

    return decorate


def account_for(user: User, slug: str) -> tuple[Account, Role | None]:
    """The account of this address as `user` may see it, with the role in it (None for staff looking on).

    Raises Http404 for everything that is not to be seen, whether it exists or not (ACC-4).
    """
    accounts: QuerySet[Account] = Account.objects.select_related("brand")
    for enrich in _fetched_with:
        accounts = enrich(accounts)
    account = with_standing(accounts, user).filter(slug=slug).first()
    if account is None:
        raise Http404
    role = standing_in(account).role
    if role is None and not is_in_group(user, *STAFF_GROUPS):
        raise Http404
    return account, role


def staff_groups(user: User) -> frozenset[str]:
    """The staff groups that a person is in: all for a superuser, none for customers. One query a request."""
    if not (user.is_active and user.is_staff):
        return frozenset()
    if user.is_superuser:
        return STAFF_GROUPS
    known: frozenset[str] | None = user.__dict__.get("_staff_groups")
    if known is None:
        known = STAFF_GROUPS.intersection(user.groups.values_list("name", flat=True))
        user.__dict__["_staff_groups"] = known
    return known


def is_in_group(user: User, *groups: str) -> bool:
    """Whether a person is in one of these staff groups."""
    return not staff_groups(user).isdisjoint(groups)


def to_sign_in(request: HttpRequest) -> HttpResponse:
    """To the sign-in page, and from there back to where the person was."""
    htmx = getattr(request, "htmx", None)
    here = request.get_full_path()
    if htmx:
        here = htmx.current_url_abs_path or "/"
    elif request.method not in SAFE_METHODS:
        # The address of a form that was sent may answer nothing but POST: back to the page it was on.
        sent_from = urlsplit(request.headers.get("Referer", ""))
        if sent_from.netloc == request.get_host():
            here = sent_from._replace(scheme="", netloc="").geturl()
    redirect = redirect_to_login(here)
    return HttpResponseClientRedirect(redirect.url) if htmx else redirect


def _no_business(role: Role, partner: Partner | None) -> str:
    if partner is not None:
        return f"{partner} has read-only access here: this page is for who administers the account."
    may = {
        Role.BILLING: "Your role here is Billing: it opens the billing pages, and no others.",
        Role.READ_ONLY: "Your role here is Read-only: this page is for owners and admins.",
    }
    return may.get(role, f"Your role here, {role.label}, does not open this page.")


def _only_looking(role: Role | None, partner: Partner | None) -> str:
    if role is None:
        return "You look at this account as staff. Only its members can change something here."
    if partner is not None:
        return f"{partner} has read-only access here: you can look at this account, and change nothing."
    if role is Role.READ_ONLY:
        return "Your role here is Read-only: you can look at this account, and change nothing."
    return f"Your role here, {role.label}, does not allow this change."
