"""The contact center's first page, its installation, and the way to going live (ONB-1, ONB-2, ONB-7)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.forms import show_refusal
from accounts.permissions import SAFE_METHODS, AccountRequest, Page, account_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.catalogue import prices_on
from telephony.contact_center import (
    LICENCES,
    MOST_LICENCES,
    confirm_test_call,
    install,
    request_activation,
)
from telephony.contact_center_forms import InstallForm
from telephony.contact_center_queries import assigned_users, count_numbers, subscription_of
from telephony.models import ContactCenter, Edition
from telephony.onboarding import steps
from telephony.queries import Choice
from telephony.views.choosing import Group
from telephony.views.installed import installed_in, onboarding_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpResponse
    from django.http.response import HttpResponseBase

FORM: Final = ["GET", "HEAD", "POST"]
TABS: Final = {
    "contact-center": "Overview",
    "contact-center-subscription": "Subscription",
    "contact-center-users": "Users",
    "contact-center-numbers": "Phone numbers",
    "contact-center-toll-free": "Toll-free",
}
# Where each step of the set-up is done.
STEP_PAGES: Final = {
    "users": "contact-center-users",
    "numbers": "contact-center-numbers",
    "channels": "contact-center-subscription",
    "recording": "contact-center-storage",
    "toll-free": "contact-center-toll-free",
}
FEE: Final = "cc-activation-fee"

View = Callable[[AccountRequest, ContactCenter], "HttpResponseBase"]


def installed_page(*, is_form: bool = False) -> Callable[[View], Page]:
    """Let a view be a page of the account's contact center; where none is installed, on to the page that says so.

    A POST is answered with 404 then. Rights are those of `account_page`.
    """

    def decorate(view: View) -> Page:
        @account_page(is_form=is_form)
        @wraps(view)
        def page(request: AccountRequest) -> HttpResponseBase:
            contact_center = installed_in(request)
            if contact_center is not None:
                return view(request, contact_center)
            if request.method not in SAFE_METHODS:
                raise Http404
            return redirect("telephony:contact-center", account=request.account.slug)

        return page

    return decorate


def cc_address(request: AccountRequest, name: str, query: str = "") -> str:
    """The address of one of the contact center's pages."""
    return reverse(f"telephony:{name}", kwargs={"account": request.account.slug}) + query


def tabs_of(request: AccountRequest, active: str) -> list[dict[str, Any]]:
    """The tabs of the contact center, for components/tabs.html."""
    return [
        {"label": label, "url": cc_address(request, name), "is_active": name == active}
        for name, label in TABS.items()
    ]


@require_safe
@account_page()
def contact_center(request: AccountRequest) -> HttpResponse:
    """State, set-up checklist and whom to contact; where nothing is installed, the way to install it."""
    found = installed_in(request)
    if found is None:
        return render(request, "telephony/contact_center/none.html")
    return _overview(request, found)


def _overview(
    request: AccountRequest, contact_center: ContactCenter, refusal: Refused | None = None
) -> HttpResponse:
    subscription = subscription_of(contact_center, request.today)
    own = LICENCES[Edition(contact_center.edition)]
    licences = sum(item.held for item in subscription.licences)
    context = {
        "contact_center": contact_center,
        "tabs": tabs_of(request, "contact-center"),
        "onboarding": onboarding_of(request),
        "checklist": [
            (step, cc_address(request, STEP_PAGES[step.key]) if step.key in STEP_PAGES else "")
            for step in steps(contact_center)
        ],
        "licences": licences,
        "is_full": contact_center.is_onboarding and licences >= MOST_LICENCES,
        "most_licences": MOST_LICENCES,
        "price": next((item.price for item in subscription.licences if item.pk == own), None),
        "fee": subscription.fee,
        "monthly": subscription.monthly,
        "users": assigned_users(contact_center),
        "numbers": count_numbers(contact_center),
        "refusal": refusal,
    }
    status = 400 if refusal else 200
    return render(request, "telephony/contact_center/overview.html", context, status=status)


@require_http_methods(FORM)
@account_page(is_form=True)
def install_contact_center(request: AccountRequest) -> HttpResponse:
    """Choose an edition and install it: Pro and Elite begin in onboarding, Express is active (ONB-1)."""
    account = request.account
    if request.method != "POST" and installed_in(request) is not None:
        return redirect("telephony:contact-center", account=account.slug)
    form = InstallForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        edition = Edition(form.cleaned_data["edition"])
        try:
            installed = install(account, edition, actor=Actor.of(request), at=request.at)
        except Refused as refusal:
            show_refusal(form, refusal)
        else:
            words = "It is in onboarding: set it up." if installed.is_onboarding else "It is active."
            messages.success(request, f"{installed} is installed. {words}")
            return redirect("telephony:contact-center", account=account.slug)
    prices = prices_on([*LICENCES.values(), FEE], account, request.today)
    chosen = form["edition"].value() or (request.GET.get("edition", "") if not form.is_bound else "")
    choices = [
        Choice(
            value=edition.value,
            label=edition.label,
            detail=(
                "For each licence. Active at once, without onboarding."
                if edition == Edition.EXPRESS
                else "For each licence. Set up in onboarding mode, and not billed before it is activated."
            ),
            amount=prices.get(LICENCES[edition]),
            is_chosen=edition.value == chosen,
        )
        for edition in Edition
    ]
    context = {
        "form": form,
        "groups": [Group("", choices)],
        "fee": prices.get(FEE),
        "most_licences": MOST_LICENCES,
    }
    status = 400 if form.is_bound else 200
    return render(request, "telephony/contact_center/install.html", context, status=status)


@require_POST
@installed_page()
def ready(request: AccountRequest, contact_center: ContactCenter) -> HttpResponse:
    """Ask the onboarding team to go live (ONB-7)."""
    try:
        request_activation(contact_center, actor=Actor.of(request), at=request.at)
    except Refused as refusal:
        return _overview(request, contact_center, refusal)
    brand = request.account.brand
    messages.success(request, f"{brand.onboarding_name} was asked to activate {contact_center}.")
    return redirect("telephony:contact-center", account=request.account.slug)


@require_POST
@installed_page()
def test_call(request: AccountRequest, contact_center: ContactCenter) -> HttpResponse:
    """Tick off the test call of the set-up."""
    try:
        confirm_test_call(contact_center, actor=Actor.of(request), at=request.at)
    except Refused as refusal:
        return _overview(request, contact_center, refusal)
    messages.success(request, "Test call confirmed.")
    return redirect("telephony:contact-center", account=request.account.slug)


def kept_data(request: AccountRequest, *names: str) -> Mapping[str, Any] | None:
    """What a form is bound to: what was sent, or on a GET the fields in the address, if they are there."""
    if request.method == "POST":
        return request.POST
    return request.GET if all(name in request.GET for name in names) else None
