"""Where a person begins, and the list of accounts to choose from (ACC-1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.models import Account, Role, User
from accounts.paging import chosen_order, page_of
from accounts.permissions import FINANCE, staff_groups
from accounts.queries import visible_accounts
from accounts.standing import standing_in

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

ORDERS = {"name": ("name", "pk"), "bdom": ("bdom", "name", "pk")}
MAX_SEARCH = 100


@require_safe
@login_required
def start(request: HttpRequest) -> HttpResponse:
    """On to the only account, for finance to its invoices, else to the chooser."""
    user = cast(User, request.user)
    groups = staff_groups(user)
    if FINANCE in groups and not user.is_superuser:
        return redirect("finance:invoices")
    if not groups:
        accounts = visible_accounts(user)[:2]
        if len(accounts) == 1:
            return redirect(landing_url(accounts[0], standing_in(accounts[0]).role))
    return redirect("accounts:choose")


@require_safe
@login_required
def choose(request: HttpRequest) -> HttpResponse:
    """The accounts a person may open: of memberships and a partner, for staff all; searched by name or address."""
    user = cast(User, request.user)
    search = request.GET.get("q", "").replace("\0", "").strip()[:MAX_SEARCH]
    accounts = visible_accounts(user, search)
    order = chosen_order(request.GET, ORDERS, default="name")
    page = page_of(accounts, order=order, query=request.GET)
    is_staff = bool(staff_groups(user))
    rows = [
        {"account": account, "url": landing_url(account, standing.role), "role": standing.label}
        for account, standing in ((account, standing_in(account)) for account in page.rows)
    ]
    context = {
        "layout": "layouts/page.html" if is_staff else "layouts/bare.html",
        "is_staff_list": is_staff,
        "is_of_partner": user.partner_id is not None,
        "page": page,
        "rows": rows,
        "search": search,
        "has_search": bool(search) or page.total > len(rows) or page.total > 8,
    }
    return render(request, "accounts/choose.html", context)


def landing_url(account: Account, role: Role | None) -> str:
    """Where an account opens: its home, for the billing role its billing pages."""
    name = "billing:overview" if role is Role.BILLING else "home"
    return reverse(name, kwargs={"account": account.slug})
