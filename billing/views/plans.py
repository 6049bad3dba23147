"""The plan of an account: the packages on the system, what is had, its history, its end (PLN-1, PLN-2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.exporting import csv_response
from accounts.forms import show_refusal
from accounts.models import AuditEntry
from accounts.paging import page_of
from accounts.permissions import ADMINS, BILLING_ADMINS, EVERY_ROLE, AccountRequest, account_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing import explain
from billing.catalogue import prices_on
from billing.models import (
    Collection,
    Plan,
    PlanOrder,
    PlanOrderKind,
    PlanOrderState,
    PlanState,
    Product,
)
from billing.models.payments import LIVE
from billing.payments.collecting import collection_url
from billing.plan_forms import PackageForm
from billing.plan_words import Package, order_rows, package_rows, standing_of
from billing.plans import changes
from billing.plans.deals import open_order, packages, plan_of
from billing.views.places import place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpResponse, StreamingHttpResponse

    from accounts.exporting import Cell

CHANGES: Final = (
    "try-plan",
    "register-plan",
    "change-plan",
    "renew-plan",
    "schedule-plan-change",
    "unsubscribe-plan",
    "keep-plan",
    "end-plan",
    "decline-plan-order",
)
"""What the trail calls the things that happen to a plan."""
LATEST_CHANGES: Final = 20
COLUMNS: Final = (
    "placed at",
    "placed by",
    "kind",
    "state",
    "package",
    "accounts",
    "cycle in months",
    "price of an account and month",
    "discount",
    "from",
    "to (excluded)",
    "amount",
    "currency",
    "working",
    "paid at",
    "invoice",
)


@require_safe
@account_page(read=EVERY_ROLE, write=BILLING_ADMINS)
def plans(request: AccountRequest) -> HttpResponse:
    """The packages with how many accounts of each are registered, and the current plan (PLN-1)."""
    plan = own_plan(request)
    found = list(packages())
    waiting = open_order(request.account)
    renewal = waiting if waiting is not None and waiting.kind == PlanOrderKind.RENEWAL else None
    live = _live(request, waiting)
    context = {
        "packages": package_rows(found, prices_of(request, found), plan),
        "plan": plan,
        "standing": standing_of(plan) if plan is not None else None,
        "renewal": renewal,
        "waiting": waiting if renewal is None else None,
        "live_url": collection_url(live) if live is not None else "",
        "trial_days": request.account.brand.trial_days if plan is None else None,
    }
    return render(request, "billing/plans.html", context)


def _live(request: AccountRequest, order: PlanOrder | None) -> Collection | None:
    """The payment of an order that is on its way."""
    if order is None:
        return None
    found = Collection.objects.filter(plan_order=order, state__in=LIVE).first()
    if found is not None:
        found.account = request.account
    return found


@require_safe
@account_page(read=EVERY_ROLE, write=BILLING_ADMINS)
def plan(request: AccountRequest) -> HttpResponse:
    """The plan in detail: its terms, what was paid for it and by which invoice, and what was changed when."""
    found = own_plan(request)
    orders = _orders(request)
    page = page_of(orders, order=("-pk",), query=request.GET)
    waiting = next((order for order in page.rows if _is_unpaid_renewal(order)), None)
    context = {
        "plan": found,
        "standing": standing_of(found) if found is not None else None,
        "renewal": waiting,
        "page": page,
        "rows": order_rows(page.rows),
        "changes": _changes(request),
        "export_url": place(request, "billing:plan-orders-csv"),
    }
    return render(request, "billing/plan.html", context)


def _is_unpaid_renewal(order: PlanOrder) -> bool:
    return order.state == PlanOrderState.OPEN and order.kind == PlanOrderKind.RENEWAL


@require_safe
@account_page(read=EVERY_ROLE)
def plan_orders_csv(request: AccountRequest) -> StreamingHttpResponse:
    """What was ordered of plans, as a file."""

    def rows() -> Iterator[list[Cell]]:
        for order in _orders(request).order_by("-pk").iterator(chunk_size=500):
            yield [
                order.placed_at,
                order.placed_by,
                order.get_kind_display(),
                PlanOrderState(order.state).label,
                order.product.name,
                order.quantity,
                order.months,
                order.unit_price.normalize(),
                order.discount.normalize(),
                order.starts_on,
                order.ends_on,
                explain.whole(order.amount, request.account.currency),
                request.account.currency,
                order.why,
                order.paid_at,
                order.invoice.number if order.invoice else None,
            ]

    return csv_response(f"{request.account.slug}-plan-orders", COLUMNS, rows())


def _orders(request: AccountRequest) -> Any:
    found = PlanOrder.objects.filter(account=request.account)
    return found.select_related("product", "invoice")


def _changes(request: AccountRequest) -> list[AuditEntry]:
    """What the trail tells of the plan, for those who may read it (ACC-5)."""
    if request.membership_role is not None and request.membership_role not in ADMINS:
        return []
    found = AuditEntry.objects.filter(account=request.account, action__in=CHANGES)
    return list(found.select_related("user").order_by("-id")[:LATEST_CHANGES])


# --- trying, ending, keeping -----------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(read=EVERY_ROLE, write=BILLING_ADMINS, is_form=True)
def plan_try(request: AccountRequest) -> HttpResponse:
    """Try a package: free for the brand's days, and over without a payment (PLN-2)."""
    offered = offers(request, None)
    first = request.GET.get("package", "")
    initial = {"package": first or (offered[0].product.pk if offered else ""), "quantity": 1}
    form = PackageForm(request.POST if request.method == "POST" else None, packages=offered, initial=initial)
    status = 200
    if request.method == "POST":
        status = 400
        if form.is_valid():
            product = Product.objects.get(pk=form.cleaned_data["package"])
            by: dict[str, Any] = {"actor": Actor.of(request), "at": request.at}
            try:
                tried = changes.start_trial(request.account, product, form.cleaned_data["quantity"], **by)
            except Refused as refusal:
                show_refusal(form, refusal)
            else:
                ends_on = explain.day_words(tried.trial_ends_on or request.today)
                messages.success(request, f"You can try {product.name} until {ends_on}. It costs nothing.")
                return redirect(place(request, "billing:plans"))
    context = {"form": form, "days": request.account.brand.trial_days, "up": place(request, "billing:plans")}
    return render(request, "billing/plan_try.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(read=EVERY_ROLE, write=BILLING_ADMINS, is_form=True)
def plan_unsubscribe(request: AccountRequest) -> HttpResponse:
    """Let the plan end with what is paid, after a look at when that is (PLN-4)."""
    up = place(request, "billing:plans")
    found = own_plan(request)
    if found is None or not found.is_current:
        messages.info(request, "There is no plan that could be unsubscribed.")
        return redirect(up)
    if found.unsubscribed_on is not None:
        messages.info(request, f"The plan is unsubscribed already. {_ends_words(found, request)}")
        return redirect(up)
    refusal = None
    if request.method == "POST":
        try:
            ended = changes.unsubscribe(request.account, actor=Actor.of(request), at=request.at)
        except Refused as refused:
            refusal = refused
        else:
            messages.success(request, f"The plan is unsubscribed. {_ends_words(ended, request)}")
            return redirect(up)
    waiting = open_order(request.account)
    context = {
        "plan": found,
        "renewal": waiting if waiting is not None and waiting.kind == PlanOrderKind.RENEWAL else None,
        "ends_on": found.trial_ends_on if found.state == PlanState.TRY else found.cycle_ends_on,
        "refusal": refusal,
        "up": up,
    }
    return render(request, "billing/plan_unsubscribe.html", context, status=400 if refusal else 200)


@require_POST
@account_page(read=EVERY_ROLE, write=BILLING_ADMINS)
def plan_keep(request: AccountRequest) -> HttpResponse:
    """Take an unsubscription back (PLN-4)."""
    try:
        changes.keep(request.account, actor=Actor.of(request), at=request.at)
    except Refused as refusal:
        messages.error(request, f"{refusal.message} Nothing was changed.")
    else:
        messages.success(request, "The plan is kept. It renews as before.")
    return redirect(place(request, "billing:plans"))


def _ends_words(found: Plan, request: AccountRequest) -> str:
    ends_on = found.ends_on
    if ends_on is None or ends_on <= request.today:
        return "It is inactive now."
    return f"It can be used until it ends on {explain.day_words(ends_on)}."


# --- what these pages and the checkout share -------------------------------------------------


def own_plan(request: AccountRequest) -> Plan | None:
    """The account's plan with its products; None where it never had one."""
    found = plan_of(request.account)
    if found is not None:
        found.account = request.account
    return found


def prices_of(request: AccountRequest, products: list[Product]) -> dict[str, Any]:
    """Today's prices of packages for the account, by code."""
    return prices_on([product.pk for product in products], request.account, request.today)


def offers(request: AccountRequest, found: Plan | None) -> list[Package]:
    """The packages that can be chosen: those with a price, and the one that is had."""
    products = list(packages())
    rows = package_rows(products, prices_of(request, products), found)
    return [row for row in rows if row.price is not None]
