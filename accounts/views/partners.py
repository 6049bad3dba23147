"""The partners of an account: more rights for one, fewer, or none any more (ACC-2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.forms import PARTNER_LEVELS
from accounts.models import PartnerAccess, PartnerLevel, Role
from accounts.partners import lower_partner, may_decide, raise_partner, remove_partner
from accounts.permissions import AccountRequest, NotAllowed, account_page
from accounts.queries import partners_of
from accounts.refusals import Refused
from accounts.trail import Actor

if TYPE_CHECKING:
    from django.http import HttpResponse


def partner_rows(request: AccountRequest) -> list[dict[str, Any]]:
    """The account's partners, what each level means, and what the person may do about each."""
    is_owner = request.membership_role is Role.OWNER
    rows = []
    for access in partners_of(request.account):
        mine = _decides(request, access)
        rows.append(
            {
                "access": access,
                "is_full": access.level == PartnerLevel.FULL,
                "means": PARTNER_LEVELS[PartnerLevel(access.level)],
                "may_change": mine and not access.is_first,
                "may_remove": mine and (is_owner or not access.is_first),
            }
        )
    return rows


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def partner_raise(request: AccountRequest, pk: int) -> HttpResponse:
    """Ask, then give a further partner full administration."""
    access = _own_partner(request, pk)
    refusal = None
    if request.method == "POST":
        try:
            raise_partner(access, actor=Actor.of(request), at=request.at)
        except Refused as refused:
            refusal = refused
        else:
            messages.success(request, f"{access.partner} now has full administration.")
            return _to_list(request)
    return _asked(
        request,
        access,
        refusal,
        title=f"Give {access.partner} full administration",
        consequences=[
            f"Everybody who signs in for {access.partner} can change everything in {request.account} that an "
            "admin can, and order what costs money.",
            "They read the account's activity, and add and remove administrators other than owners.",
            "They make nobody an owner, and decide nothing about partners.",
            "You can take it back at any time, under Administrators.",
        ],
        submit="Give full administration",
    )


@require_POST
@account_page()
def partner_lower(request: AccountRequest, pk: int) -> HttpResponse:
    """Take a further partner's full administration back."""
    access = _own_partner(request, pk)
    try:
        lower_partner(access, actor=Actor.of(request), at=request.at)
    except Refused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"{access.partner} is back to read-only.")
    return _to_list(request)


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def partner_remove(request: AccountRequest, pk: int) -> HttpResponse:
    """Ask, then take a partner out of the account."""
    access = _own_partner(request, pk)
    refusal = None
    if request.method == "POST":
        try:
            remove_partner(access, actor=Actor.of(request), at=request.at)
        except Refused as refused:
            refusal = refused
        else:
            messages.success(request, f"{access.partner} is no longer a partner of the account.")
            return _to_list(request)
    return _asked(
        request,
        access,
        refusal,
        title=f"Remove {access.partner}",
        consequences=[
            f"Nobody who signs in for {access.partner} opens {request.account} any more, "
            "except those who are members of it.",
            "Subscriptions that it sold stay, and are billed as before.",
            "It comes in again with a further subscription, as a new partner.",
            "What its people did stays in the activity.",
        ],
        submit="Remove partner",
        danger=True,
    )


def _asked(
    request: AccountRequest, access: PartnerAccess, refusal: Refused | None, **words: Any
) -> HttpResponse:
    context = {"access": access, "refusal": refusal, **words}
    return render(request, "accounts/partner_confirm.html", context, status=400 if refusal else 200)


def _own_partner(request: AccountRequest, pk: int) -> PartnerAccess:
    """A partner of the account that the person decides about; 404 for other accounts' (ACC-4), else 403."""
    places = PartnerAccess.objects.select_related("account", "partner")
    access = get_object_or_404(places, pk=pk, account=request.account)
    if not _decides(request, access):
        raise NotAllowed("Only an owner or admin of the customer, who works for no partner, decides this.")
    return access


def _decides(request: AccountRequest, access: PartnerAccess) -> bool:
    # Whoever is here for a partner works for one and is no owner, which is enough to refuse.
    return may_decide(access, request.user, request.membership_role)


def _to_list(request: AccountRequest) -> HttpResponse:
    return redirect("accounts:administrators", account=request.account.slug)
