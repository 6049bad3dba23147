"""Registering and upgrading a plan: the choice, the review, the payment, done (PLN-3, PLN-4).

An order has an address of its own, which is the review while it is to be paid and the receipt afterwards. So a
reload, the way back, a double click and a second tab all come to the same order, and that is paid once.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.forms import show_refusal
from accounts.permissions import BILLING_ADMINS, EVERY_ROLE, AccountRequest, account_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.explain import figures_words
from billing.gather import decimals_of
from billing.models import (
    Collection,
    CollectionState,
    PlanOrder,
    PlanOrderKind,
    PlanOrderState,
    PlanState,
    Product,
)
from billing.payments import gateways
from billing.payments.collecting import begin_collection, collection_url, drive
from billing.payments.methods import saved_methods
from billing.plan_forms import PayForm, PlanForm
from billing.plan_words import RULES, Box, box_of, done_words, order_row, sum_of
from billing.plans.changes import schedule_change
from billing.plans.deals import Deal, DealKind, deal_of, discounts_on
from billing.plans.orders import (
    cancel_order,
    current_order,
    due_now,
    pay_with_credit,
    place_order,
    transfer_reference,
)
from billing.views.collection import leads_to
from billing.views.places import place
from billing.views.plans import offers, own_plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpResponse

    from billing.models import Plan

FIRST_QUANTITY: Final = 10
"""What the form of somebody without a plan begins with."""
SAME: Final = "This is what your plan is already. Choose another package, quantity or cycle."
CHANGED: Final = (
    "What is to be paid has changed since you saw it. Nothing was charged. Please look once more."
)


# --- the choice ------------------------------------------------------------------------------


class Choice:
    """What was chosen on the form, and what it comes to for the plan as it is."""

    def __init__(self, request: AccountRequest, data: Mapping[str, Any] | None) -> None:
        self.request = request
        self.plan = own_plan(request)
        self.packages = offers(request, self.plan)
        self.form = PlanForm(
            data,
            packages=self.packages,
            discounts=discounts_on(request.account, request.today),
            initial=_initial(request, self.plan, [row.product.pk for row in self.packages]),
        )
        self.deal: Deal | None = None
        self.box: Box | None = None
        self.refusal: Refused | None = None
        chosen = self._chosen()
        if chosen is not None:
            try:
                self.deal = deal_of(request.account, *chosen, plan=self.plan, on=request.today)
                names = {row.product.pk: row.product.name for row in self.packages}
                self.box = box_of(request.account, self.deal, self.plan, names)
            except Refused as refusal:
                self.refusal = refusal

    def _chosen(self) -> tuple[Product, int, int] | None:
        products = {row.product.pk: row.product for row in self.packages}
        asked: Mapping[str, Any]
        if self.form.is_bound and self.form.is_valid():
            asked = self.form.cleaned_data
        elif not self.form.is_bound and products:
            asked = self.form.initial
        else:
            return None
        return products[asked["package"]], asked["quantity"], asked["months"]

    @property
    def query(self) -> str:
        """The choice as an address carries it."""
        asked = self.form.cleaned_data if self.form.is_bound else self.form.initial
        return urlencode({name: asked[name] for name in ("package", "quantity", "months")})

    def context(self) -> dict[str, Any]:
        """What the template expects."""
        return {"form": self.form, "plan": self.plan, "box": self.box, "refusal": self.refusal}


def _initial(request: AccountRequest, plan: Plan | None, codes: list[str]) -> dict[str, Any]:
    """What the plan is, or a first suggestion; a package that the address names goes before."""
    asked = request.GET.get("package", "")
    is_active = plan is not None and plan.state == PlanState.ACTIVE
    found = {"package": codes[0] if codes else "", "quantity": FIRST_QUANTITY, "months": 1}
    if plan is not None and plan.product_id in codes:
        months = plan.next_terms.months if is_active else plan.months
        found = {"package": plan.product_id, "quantity": plan.quantity, "months": months}
    if asked in codes:
        found["package"] = asked
    return found


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(read=EVERY_ROLE, write=BILLING_ADMINS, is_form=True)
def plan_choose(request: AccountRequest) -> HttpResponse:
    """Choose package, quantity and cycle beside what they come to; Next writes down what is to be paid (PLN-3)."""
    data = request.POST if request.method == "POST" else request.GET if "quantity" in request.GET else None
    choice = Choice(request, data)
    is_sent = request.method == "POST" and "preview" not in request.POST
    if is_sent and choice.deal is not None:
        try:
            return _next(request, choice, choice.deal)
        except Refused as refusal:
            choice.refusal = refusal
    if choice.form.is_bound and choice.refusal is not None:
        show_refusal(choice.form, choice.refusal)
    context = {**choice.context(), "up": place(request, "billing:plans")}
    return render(request, "billing/plan_choose.html", context, status=400 if is_sent else 200)


def _next(request: AccountRequest, choice: Choice, deal: Deal) -> HttpResponse:
    """To the review of what was chosen. Raises Refused where nothing would change."""
    if deal.kind is DealKind.NOTHING:
        raise Refused(SAME, rule="PLN-4")
    if deal.kind is DealKind.AT_RENEWAL:
        return redirect(f"{place(request, 'billing:plan-schedule')}?{choice.query}")
    asked = choice.form.cleaned_data
    product = Product.objects.get(pk=asked["package"])
    by: dict[str, Any] = {"actor": Actor.of(request), "at": request.at}
    order = place_order(request.account, product, asked["quantity"], asked["months"], **by)
    return redirect(order_url(request, order))


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(read=EVERY_ROLE, write=BILLING_ADMINS, is_form=True)
def plan_schedule(request: AccountRequest) -> HttpResponse:
    """What becomes of the plan with its renewal, confirmed; nothing is charged now (PLN-4)."""
    choice = Choice(request, request.GET)
    if choice.deal is None or choice.box is None or choice.deal.kind is not DealKind.AT_RENEWAL:
        query = request.GET.urlencode()
        return redirect(place(request, "billing:plan-choose") + (f"?{query}" if query else ""))
    if request.method == "POST" and request.POST.get("seen") == choice.box.seen:
        asked = choice.form.cleaned_data
        product = Product.objects.get(pk=asked["package"])
        try:
            schedule_change(
                request.account,
                product,
                asked["quantity"],
                asked["months"],
                actor=Actor.of(request),
                at=request.at,
            )
        except Refused as refusal:
            messages.error(request, f"{refusal.message} Nothing was changed.")
        else:
            messages.success(request, f"From its renewal on the plan is {choice.box.following.words}.")
        return redirect(place(request, "billing:plans"))
    back = f"{place(request, 'billing:plan-choose')}?{choice.query}"
    return render(request, "billing/plan_schedule.html", {**choice.context(), "up": back})


# --- the order: review, payment, receipt -----------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(read=EVERY_ROLE, write=BILLING_ADMINS, while_suspended=True)
def plan_order(request: AccountRequest, key: Any) -> HttpResponse:
    """One order: what is to be paid and how, or what was paid and by which invoice (PLN-3)."""
    order = own_order(request, key)
    if request.method == "POST" and order.state == PlanOrderState.OPEN:
        return _pay(request, order)
    if request.method == "POST":
        return redirect(order_url(request, order))
    return _shown(request, order)


@require_POST
@account_page(read=EVERY_ROLE, write=BILLING_ADMINS)
def plan_order_cancel(request: AccountRequest, key: Any) -> HttpResponse:
    """Have nothing come of what was chosen; a renewal is unsubscribed instead."""
    order = own_order(request, key)
    if order.kind == PlanOrderKind.RENEWAL:
        messages.info(request, "A renewal is not cancelled. Unsubscribe the plan if you want it no more.")
        return redirect(order_url(request, order))
    try:
        cancel_order(order, actor=Actor.of(request), at=request.at)
    except Refused as refusal:
        messages.error(request, refusal.message)
        return redirect(order_url(request, order))
    messages.success(request, "The order is cancelled. Nothing was charged.")
    return redirect(place(request, "billing:plans"))


def _pay(request: AccountRequest, order: PlanOrder) -> HttpResponse:
    """Take what is due, once, if it is what was seen."""
    tried = _collections(order)
    live = _live(tried)
    if live is not None:
        return redirect(collection_url(live))
    by: dict[str, Any] = {"actor": Actor.of(request), "at": request.at}
    sent, _, tries = request.POST.get("seen", "").rpartition("/")
    try:
        current = current_order(order, **by)
        due = due_now(current, request.at)
        if sent != _amounts(current, due):
            messages.warning(request, CHANGED)
            return redirect(order_url(request, current))
        if current.pk == order.pk and tries != str(len(tried)):
            # The same click once more, after the first has had its answer.
            return redirect(order_url(request, current))
        if not due:
            pay_with_credit(current, **by)
            return redirect(order_url(request, current))
        form = _pay_form(request, current, request.POST)
        if not form.is_valid():
            return _shown(request, order, form=form, status=400)
        card = form.card
        if card is None:
            return redirect(order_url(request, _by_transfer(request, current)))
        begun = begin_collection(request.account, due, card, plan_order=current, off_session=False, **by)
    except Refused as refusal:
        return _refused(request, order, refusal)
    return redirect(leads_to(drive(begun, actor=by["actor"], clock=timezone.now)))


def _refused(request: AccountRequest, order: PlanOrder, refusal: Refused) -> HttpResponse:
    """The review with the reason; where the order is settled meanwhile, what became of it."""
    if not PlanOrder.objects.filter(pk=order.pk, state=PlanOrderState.OPEN).exists():
        return redirect(order_url(request, order))
    form = _pay_form(request, order, request.POST)
    form.is_valid()
    show_refusal(form, refusal)
    return _shown(request, order, form=form, status=400)


def _by_transfer(request: AccountRequest, order: PlanOrder) -> PlanOrder:
    return place_order(
        request.account,
        order.product,
        order.quantity,
        order.months,
        by_transfer=True,
        actor=Actor.of(request),
        at=request.at,
    )


def _shown(
    request: AccountRequest, order: PlanOrder, *, form: PayForm | None = None, status: int = 200
) -> HttpResponse:
    """The page of an order, as it stands."""
    currency = request.account.currency
    decimals = decimals_of(currency)
    context: dict[str, Any] = {
        "order": order,
        "row": order_row(order),
        "currency": currency,
        "sum": sum_of(order.terms, order.product.name, decimals),
        "following": None
        if order.next_terms == order.terms
        else sum_of(order.next_terms, order.product.name, decimals),
        "why": figures_words(order.why),
        "rule": RULES.get(PlanOrderKind(order.kind), "PLN-3"),
    }
    if order.state == PlanOrderState.PAID:
        context["done"] = done_words(order)
        return render(request, "billing/plan_order_paid.html", context)
    tried = _collections(order)
    if order.state == PlanOrderState.CANCELLED:
        context["came_in"] = next((one for one in tried if one.state == CollectionState.SUCCEEDED), None)
        return render(request, "billing/plan_order_cancelled.html", context)
    due = due_now(order, request.at)
    live = _live(tried)
    form = form if form is not None else _pay_form(request, order, None)
    gateway = gateways.current()
    context |= {
        "form": form,
        "due": due,
        "credit": order.amount - due,
        "seen": f"{_amounts(order, due)}/{len(tried)}",
        "live_url": collection_url(live) if live is not None else "",
        "declined": tried[0] if tried and tried[0].state == CollectionState.FAILED else None,
        "takes_cards": gateway is not None,
        "reference": transfer_reference(order),
        "ends": order.kind == PlanOrderKind.CHANGE and _is_unsubscribed(request),
        "back": _choice_url(request, order),
        "here": order_url(request, order),
    }
    return render(request, "billing/plan_order.html", context, status=status)


def _is_unsubscribed(request: AccountRequest) -> bool:
    found = own_plan(request)
    return found is not None and found.unsubscribed_on is not None


def _pay_form(request: AccountRequest, order: PlanOrder, data: Mapping[str, Any] | None) -> PayForm:
    """The ways to pay; a card that was just added is chosen, else the default one."""
    cards = list(saved_methods(request.account))
    form = PayForm(data, cards=cards, takes_transfer=_takes_transfer(request, order), at=request.at)
    added = request.GET.get("card", "")
    if added in form.cards:
        form.initial["method"] = added
    elif cards:
        form.initial["method"] = str(cards[0].pk)
    return form


def _takes_transfer(request: AccountRequest, order: PlanOrder) -> bool:
    """A transfer takes days, so it is for what begins with the payment; and somebody has to know where to."""
    is_new = order.kind == PlanOrderKind.REGISTRATION and not order.by_transfer
    return is_new and bool(request.account.brand.bank_details)


def _collections(order: PlanOrder) -> list[Collection]:
    """Every go at taking the money of an order, the latest first."""
    found = list(Collection.objects.filter(plan_order=order).select_related("method").order_by("-pk"))
    for collection in found:
        collection.account, collection.plan_order = order.account, order
    return found


def _live(tried: list[Collection]) -> Collection | None:
    return next((collection for collection in tried if collection.is_live), None)


def _amounts(order: PlanOrder, due: Decimal) -> str:
    """What a person who has seen the review has seen; amounts in one form, whether read or just worked out."""
    sums = f"{due.normalize():f}:{order.amount.normalize():f}"
    return f"{sums}:{order.product_id}:{order.quantity}:{order.months}"


def _choice_url(request: AccountRequest, order: PlanOrder) -> str:
    """Back to the choice, as it was made."""
    asked = {
        "package": order.product_id,
        "quantity": order.quantity,
        "months": order.next_months or order.months,
    }
    return f"{place(request, 'billing:plan-choose')}?{urlencode(asked)}"


def own_order(request: AccountRequest, key: Any) -> PlanOrder:
    """The account's own order by its key; 404 for another's (ACC-4)."""
    found = PlanOrder.objects.select_related("product", "invoice")
    order = get_object_or_404(found, account=request.account, key=key)
    order.account = request.account
    return order


def order_url(request: AccountRequest, order: PlanOrder) -> str:
    """Where an order is reviewed, paid, and kept."""
    return place(request, "billing:plan-order", key=order.key)
