"""What is done to subscriptions: added, ended, licences bought and given back, commitments changed (SUB-1 to SUB-3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.models import EndUser
from accounts.permissions import AccountRequest, account_page
from accounts.queries import departments_of
from accounts.refusals import Refused
from accounts.trail import Actor
from billing import explain
from billing import subscription_queries as queries
from billing.commitments import (
    AGENTS,
    add_own_subscription,
    give_back_licences,
    licences_on,
    set_own_commitments,
)
from billing.engine import BillingFault
from billing.engine.calendar import months_after
from billing.licences import Holding, add_licences
from billing.models import (
    LicenceMode,
    Meter,
    Product,
    Subscription,
    TelephonyOption,
    Tenancy,
)
from billing.preview import cost_of
from billing.subscription_forms import (
    CommitmentForm,
    SubscriptionForm,
    committed_words,
    field_of,
    seen_of,
    show_by_field,
)
from billing.subscriptions import Terms, end_subscription, subscriptions_of
from billing.views.licences import BUYING, GIVING_BACK, NO_PRICE, close_deal, giving_back_box
from billing.views.places import place
from billing.views.subscriptions import own_subscription, primary_words

if TYPE_CHECKING:
    from django.http import HttpResponse

FIRST_TERM: Final = 12
MOST_NAMED: Final = 10


# --- adding ----------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def subscription_add(request: AccountRequest) -> HttpResponse:
    """Add a subscription, after a look at what it costs and from when (SUB-1, SUB-10).

    What is sent with a cost that was not seen yet is shown with it first.
    """
    account = request.account
    form = _add_form(request)
    terms = _terms(request, form)
    context: dict[str, Any] = {
        "form": form,
        "departments": departments_of(account),
        "up": place(request, "billing:subscriptions"),
        "ends_on": terms.ends_on if terms else None,
        "agreed": _agreed(form.meters, {}),
    }

    def act() -> Subscription:
        if terms is None:
            raise ValueError("nothing is added without terms")
        return add_own_subscription(account, terms, actor=Actor.of(request), at=request.at)

    if terms is not None:
        try:
            box = explain.cost_box(account, cost_of(account, act))
            context |= {"cost": box, "seen": seen_of(terms, box)}
            if request.method == "POST" and request.POST.get("seen") == context["seen"]:
                added = act()
                messages.success(request, _added(added, box["lines"]))
                return redirect("billing:subscription", account=account.slug, pk=added.pk)
        except Refused as refusal:
            context["refusal"] = refusal
        except BillingFault:
            context["refusal"] = Refused(NO_PRICE, rule="BIL-10")
        if "refusal" in context and form.is_bound:
            show_by_field(form, context["refusal"])
        elif request.method == "POST":
            context["facts"] = _facts(terms, form.meters)
            return render(request, "billing/subscription_review.html", context)
    status = 400 if request.method == "POST" else 200
    return render(request, "billing/subscription_add.html", context, status=status)


def _add_form(request: AccountRequest) -> SubscriptionForm:
    account = request.account
    asked = request.GET if "starts_on" in request.GET else None
    data = request.POST if request.method == "POST" else asked
    form = SubscriptionForm(
        data,
        account=account,
        tenancy=Tenancy.objects.filter(account=account).first(),
        meters=_asked_for(data),
        products=queries.on_offer(request.account, request.today),
        initial={
            "starts_on": request.today,
            "term_months": FIRST_TERM,
            "offer": "flex-3",
            "partner": request.user.partner_id,
        },
    )
    if data is not None and request.method != "POST":
        # Its cost follows the fields before it has a name.
        form.fields["name"].required = False
    if field_of(AGENTS) in form.fields:
        form.fields[field_of(AGENTS)].help_text = "At most one for each Contact Center licence above."
    return form


def _terms(request: AccountRequest, form: SubscriptionForm) -> Terms | None:
    """What would be added: as it was entered, at first a subscription of today without products."""
    if form.is_bound:
        return form.terms() if form.is_valid() else None
    return Terms(
        name="",
        starts_on=request.today,
        ends_on=months_after(request.today, FIRST_TERM),
        licence_mode=LicenceMode(form.fields["licence_mode"].initial or LicenceMode.CONCURRENT),
        telephony_option=TelephonyOption(
            form.fields["telephony_option"].initial or TelephonyOption.WEBEX_CALLING
        ),
    )


def _facts(terms: Terms, meters: Sequence[Meter]) -> list[dict[str, str]]:
    """The terms once more, as they will be kept."""
    facts = (
        ("Offer", terms.offer.label),
        ("Start", explain.day_words(terms.starts_on)),
        ("End", explain.day_words(terms.ends_on)),
        ("Licence mode", terms.licence_mode.label),
        ("Telephony option", terms.telephony_option.label),
        ("Commitments", committed_words(terms.commitments, meters) or "None"),
        ("Partner", str(terms.partner or "")),
        ("Department", terms.department),
        ("Billing contact", terms.billing_contact),
    )
    return [{"term": term, "value": value} for term, value in facts if value]


def _added(subscription: Subscription, lines: Sequence[object]) -> str:
    start, end = explain.day_words(subscription.starts_on), explain.day_words(subscription.ends_on)
    billed = f"Billing begins on {start}." if lines else "It holds nothing yet that is billed monthly."
    return f"Subscription {subscription} added: {start} to {end}. {billed}"


# --- licences --------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def subscription_buy(request: AccountRequest, pk: int) -> HttpResponse:
    """Buy licences on a subscription; they are billed from today or its start to its end (SUB-10)."""
    found = own_subscription(request, pk)
    if found.has_ended(request.today):
        return _is_over(request, found)
    deal = replace(
        BUYING,
        title=f"Add licences to {found}",
        act=lambda request, product, quantity: add_licences(
            request.account,
            product,
            quantity,
            subscription=found,
            actor=Actor.of(request),
            at=request.at,
        ),
        held=lambda request: _licences(request, found),
        is_offered=lambda holding: holding.is_offered,
        **_up(found),
    )
    return close_deal(request, deal)


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def subscription_give_back(request: AccountRequest, pk: int) -> HttpResponse:
    """Give back licences of a subscription that nobody holds and no agent is committed to (LIC-1, SUB-6)."""
    found = own_subscription(request, pk)
    if found.has_ended(request.today):
        return _is_over(request, found)
    deal = replace(
        GIVING_BACK,
        title=f"Give back licences of {found}",
        act=lambda request, product, quantity: give_back_licences(
            found, product, quantity, actor=Actor.of(request), at=request.at
        ),
        held=lambda request: _licences(request, found),
        **_up(found),
    )
    return close_deal(request, deal)


def _licences(request: AccountRequest, subscription: Subscription) -> list[Holding]:
    """The licences of a subscription, and those that it could have."""
    held = {
        product.product: product
        for product in queries.held_on(request.account, subscription, request.today)
        if product.is_licence
    }
    on_offer = {product.pk for product in queries.on_offer(request.account, request.today)}
    return [
        Holding(
            product,
            held[product.pk].units if product.pk in held else 0,
            held[product.pk].assigned if product.pk in held else 0,
            is_offered=product.pk in on_offer,
        )
        for product in Product.objects.filter(is_licence=True)
        if product.pk in held or product.pk in on_offer
    ]


def _up(subscription: Subscription) -> dict[str, Any]:
    return {
        "up": "billing:subscription",
        "up_kwargs": {"pk": subscription.pk},
        "up_label": subscription.name,
    }


def _is_over(request: AccountRequest, subscription: Subscription) -> HttpResponse:
    ended = explain.day_words(subscription.ends_on)
    words = subscription.end_words if subscription.was_called_off else f"ended on {ended}"
    messages.error(request, f"{subscription} {words}: it can no longer be changed.")
    return redirect("billing:subscription", account=request.account.slug, pk=subscription.pk)


# --- commitments -----------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def subscription_commitments(request: AccountRequest, pk: int) -> HttpResponse:
    """Change what a subscription commits to from today, after a look at the next invoice (SUB-6)."""
    found = own_subscription(request, pk)
    if found.has_ended(request.today):
        return _is_over(request, found)
    own = next(one for one in subscriptions_of(request.account) if one.id == pk)
    current = queries.commitments_on(own, request.today)
    initial = {field_of(meter): quantity for meter, quantity in current.items()}
    asked = request.GET if any(name.startswith(field_of("")) for name in request.GET) else None
    data = request.POST if request.method == "POST" else asked
    form = CommitmentForm(data, meters=_asked_for(data), initial=initial)
    _say_limit(form, licences_on(found), current.get(AGENTS, 0))
    context: dict[str, Any] = {
        "agreed": _agreed(form.meters, current),
        "form": form,
        "subscription": found,
        "from_on": max(request.today, found.starts_on),
        "up": place(request, "billing:subscription", pk=pk),
    }
    wanted: Mapping[str, int] | None = current
    if form.is_bound:
        wanted = form.commitments() if form.is_valid() else None
    if wanted is not None:
        changes = [
            (meter, current.get(meter.pk, 0), wanted.get(meter.pk, 0))
            for meter in form.meters
            if current.get(meter.pk, 0) != wanted.get(meter.pk, 0)
        ]
        done = _set(request, found, changes, form, context)
        if done is not None:
            return done
    status = 400 if request.method == "POST" else 200
    return render(request, "billing/subscription_commitments.html", context, status=status)


def _asked_for(data: Mapping[str, Any] | None) -> list[Meter]:
    """The meters that the form has fields for: agents, and whatever else was sent, to be refused by its field."""
    pooled = queries.pooled(queries.meters_by_code())
    return [meter for meter in pooled if meter.pk == AGENTS or field_of(meter.pk) in (data or ())]


def _agreed(asked_for: Sequence[Meter], current: Mapping[str, int]) -> list[dict[str, str]]:
    """What is agreed with the provider of the other meters, to look at."""
    fields = {meter.pk for meter in asked_for}
    return [
        {"term": meter.name, "value": f"{current[meter.pk]:,}" if current.get(meter.pk) else "None"}
        for meter in queries.pooled(queries.meters_by_code())
        if meter.pk not in fields
    ]


def _say_limit(form: CommitmentForm, licences: int, committed: int) -> None:
    """How far agents can be committed to, beside their field."""
    held = f"{licences:,} Contact Center licence{'' if licences == 1 else 's'}"
    words = f"At most {licences:,}: it has {held}."
    if committed > licences:
        words = (
            f"{committed:,} were agreed with the provider, and it has {held}. What you change is {licences:,} at "
            "most, and only support can raise it again."
        )
    form.fields[field_of(AGENTS)].help_text = words


def _set(
    request: AccountRequest,
    subscription: Subscription,
    changes: Sequence[tuple[Meter, int, int]],
    form: CommitmentForm,
    context: dict[str, Any],
) -> HttpResponse | None:
    """Price the changes, and make them if that was seen; None for the form once more."""

    def act() -> None:
        wanted = {meter.pk: quantity for meter, _, quantity in changes}
        set_own_commitments(subscription, wanted, actor=Actor.of(request), at=request.at)

    try:
        box = explain.cost_box(request.account, cost_of(request.account, act))
        told = [(meter.pk, after) for meter, _, after in changes]
        context |= {"cost": box, "seen": seen_of(told, box)}
        if request.method == "POST" and (not changes or request.POST.get("seen") == context["seen"]):
            act()
            words = ", ".join(f"{meter.name} {after:,}" for meter, _, after in changes)
            messages.success(
                request, f"{subscription} now commits to: {words}." if words else "Nothing was changed."
            )
            return redirect(context["up"])
    except Refused as refusal:
        context["refusal"] = refusal
    except BillingFault:
        context["refusal"] = Refused(NO_PRICE, rule="BIL-10")
    if "refusal" in context:
        if form.is_bound:
            show_by_field(form, context["refusal"])
        return None
    if request.method != "POST":
        return None
    context["facts"] = [
        {"term": meter.name, "value": f"{before:,} to {after:,}"} for meter, before, after in changes
    ]
    return render(request, "billing/subscription_review.html", context)


# --- ending ----------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def subscription_end(request: AccountRequest, pk: int) -> HttpResponse:
    """End a subscription today, once its name was typed: what is credited, and who loses access (BIL-5, SUB-8)."""
    found = own_subscription(request, pk)
    if found.has_ended(request.today):
        return _is_over(request, found)
    up = place(request, "billing:subscription", pk=pk)
    context: dict[str, Any] = {"subscription": found, "up": up}

    def act() -> None:
        end_subscription(found, actor=Actor.of(request), at=request.at)

    if request.method == "POST":
        if request.POST.get("confirm_name", "").strip() == found.name:
            act()
            messages.success(request, f"Subscription {found} ended today.")
            return redirect(up)
        context["error"] = f"Type {found.name} exactly as it stands here. Nothing was changed."
    people = EndUser.objects.filter(
        licence_assignments__subscription=found, licence_assignments__unassigned_on=None, removed_on=None
    )
    names = [str(person) for person in people.order_by("name", "pk").distinct()]
    context["consequences"] = _consequences(request, found, names)
    try:
        context["cost"] = giving_back_box(request, cost_of(request.account, act))
    except BillingFault:
        context["refusal"] = Refused(NO_PRICE.removesuffix(" Nothing was changed."), rule="BIL-10")
    status = 400 if request.method == "POST" else 200
    return render(request, "billing/subscription_end.html", context, status=status)


def _consequences(request: AccountRequest, subscription: Subscription, names: Sequence[str]) -> list[str]:
    """What ending a subscription today leads to, in sentences."""
    today = request.today
    if subscription.starts_on > today:
        told = [
            f"It would start on {subscription.starts_on}, and now never begins. Nothing is billed for it."
        ]
    else:
        told = ["Billing of all its products ends today. Days that were paid ahead are credited."]
    if names:
        shown = ", ".join(names[:MOST_NAMED])
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        verb = "loses" if len(names) == 1 else "lose"
        told.append(f"{shown}{more} {verb} access at once. Move them to another subscription first.")
    else:
        told.append("Nobody holds a licence of it, so nobody loses access.")
    facts = subscriptions_of(request.account)
    own = next(one for one in facts if one.id == subscription.pk)
    committed = queries.commitments_on(own, today) if subscription.starts_on <= today else {}
    words = committed_words(committed, queries.pooled(queries.meters_by_code()))
    if words:
        told.append(f"Its commitments count no more from today on: {words}.")
    before = queries.succession(facts, today).primary
    ended = own._replace(ends_on=max(today, own.starts_on))
    after = queries.succession([ended if one.id == own.id else one for one in facts], today)
    if before is not None and before.id == own.id:
        told.extend(primary_words(after)[:1])
    return told
