"""One number: what it costs, who held it when, and each action on it (NUM-2)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from accounts.forms import show_refusal
from accounts.models import EndUser
from accounts.permissions import AccountRequest, account_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.explain import label_words
from billing.usage_queries import package_standing
from telephony.forms import AssignForm, NumberChoiceForm
from telephony.models import Number, NumberState, Service, ServiceKind
from telephony.numbers import assign_number, park_number, release_number, swap_numbers
from telephony.queries import (
    CHOICES,
    Choice,
    account_numbers,
    charges_by_subject,
    choice_of,
    history_of,
    holder_by,
    holder_numbers,
    holders_to_choose,
    with_costs,
)
from telephony.views.choosing import Chooser, Group, choose, is_preview, search_of
from telephony.views.costs import Priced, priced, remark
from telephony.views.packages import offers_package

if TYPE_CHECKING:
    from django.http import HttpResponse

    from telephony.charging import Holder

ACTIONS: Final = ["GET", "HEAD", "POST"]


def own_number(request: AccountRequest, pk: int) -> Number:
    """The account's number by its key; 404 for another account's (ACC-4)."""
    numbers = Number.objects.select_related("account", "end_user", "service")
    return get_object_or_404(numbers, pk=pk, account=request.account)


@require_safe
@account_page()
def number(request: AccountRequest, pk: int) -> HttpResponse:
    """One number: facts, holder, cost, and who held it when."""
    found = own_number(request, pk)
    context = {
        "number": found,
        "row": with_costs(request.account, [found], request.today)[0],
        "history": history_of(found),
        "holder_url": holder_url(request, found.holder),
        "package": package_standing(request.account, request.today) if offers_package(found) else None,
    }
    return render(request, "telephony/number.html", context)


@require_http_methods(ACTIONS)
@account_page(is_form=True)
def number_assign(request: AccountRequest, pk: int) -> HttpResponse:
    """Assign a number, or move it from the one who has it, to an end user or a service (NUM-2, NUM-8)."""
    found = own_number(request, pk)
    form, holder = _chosen_holder(request)
    cost = Priced()
    if holder is not None:
        if request.method == "POST" and not is_preview(request):
            try:
                assign_number(found, to=holder, actor=Actor.of(request), at=request.at)
            except Refused as refusal:
                show_refusal(form, refusal)
            else:
                messages.success(request, f"{label_words(found.e164)} is assigned to {holder}.")
                return redirect("telephony:number", account=request.account.slug, pk=pk)
        else:
            cost = cost_of_assigning(request, found, holder)
    search = search_of(request)
    people, services, has_more = holders_to_choose(request.account, search, but=found.holder)
    groups = [Group("Users with a UC licence", people), Group("Services", services)]
    is_move = found.state == NumberState.ASSIGNED
    slug = request.account.slug
    chooser = Chooser(
        title=f"{'Move' if is_move else 'Assign'} {label_words(found.e164)}",
        lead=f"Now with {found.holder}." if is_move else "Active as soon as it is assigned.",
        back_url=number_url(request, pk),
        back_label=label_words(found.e164),
        submit="Move number" if is_move else "Assign number",
        name="to",
        legend="Who gets it",
        search_label="Search users and services",
        search=search,
        groups=_with_chosen(groups, choice_of(holder) if holder is not None else None),
        has_more=has_more,
        hint="Choose who gets the number to see what it costs.",
        empty="There is nobody to give it to yet. A user needs a UC licence first; a service does not.",
        empty_url=reverse("telephony:service-add", kwargs={"account": slug}),
        empty_label="Add service",
        cost=cost,
    )
    return choose(request, form, chooser)


@require_http_methods(ACTIONS)
@account_page(is_form=True)
def assign_to(request: AccountRequest) -> HttpResponse:
    """Give an end user or a service, named by `to`, one of the account's parked numbers."""
    token = request.POST.get("to") or request.GET.get("to", "")
    holder = holder_by(request.account, token)
    if holder is None:
        raise Http404
    form, found = _chosen_number(request)
    cost = Priced()
    if found is not None:
        if request.method == "POST" and not is_preview(request):
            try:
                assign_number(found, to=holder, actor=Actor.of(request), at=request.at)
            except Refused as refusal:
                show_refusal(form, refusal)
            else:
                messages.success(request, f"{label_words(found.e164)} is assigned to {holder}.")
                return redirect(holder_url(request, holder))
        else:
            cost = cost_of_assigning(request, found, holder)
    search = search_of(request)
    slug = request.account.slug
    choices, has_more = _numbers_to_choose(request, search, state=NumberState.PARKED)
    chooser = Chooser(
        title=f"Assign a number to {holder}",
        lead="One of your parked numbers. To take one from somebody else, move it from the number’s own page.",
        back_url=holder_url(request, holder),
        back_label=str(holder),
        submit="Assign number",
        name="number",
        legend="Parked numbers",
        search_label="Search parked numbers",
        search=search,
        groups=_with_chosen([Group("", choices)], _number_choice(found) if found else None),
        has_more=has_more,
        hint="Choose a number to see what it costs.",
        empty="No number is parked. Add one first, from the stock or one that you have already.",
        empty_url=reverse("telephony:number-add", kwargs={"account": slug}),
        empty_label="Add number",
        kept=[("to", token)],
        cost=cost,
    )
    return choose(request, form, chooser)


@require_http_methods(ACTIONS)
@account_page(is_form=True)
def number_swap(request: AccountRequest, pk: int) -> HttpResponse:
    """Let two numbers change places, as a single action (NUM-2)."""
    found = own_number(request, pk)
    form, other = _chosen_number(request)
    cost = Priced()
    if other is not None:
        actor = Actor.of(request)
        if request.method == "POST" and not is_preview(request):
            try:
                swap_numbers(found, other, actor=actor, at=request.at)
            except Refused as refusal:
                show_refusal(form, refusal)
            else:
                messages.success(
                    request, f"{label_words(found.e164)} and {label_words(other.e164)} have changed places."
                )
                return redirect("telephony:number", account=request.account.slug, pk=pk)
        else:
            swapped = other
            cost = priced(request.account, lambda: swap_numbers(found, swapped, actor=actor, at=request.at))
    search = search_of(request)
    is_parked = found.state == NumberState.PARKED
    choices, has_more = _numbers_to_choose(
        request, search, state=NumberState.ASSIGNED if is_parked else "", but=found
    )
    chooser = Chooser(
        title=f"Swap {label_words(found.e164)}",
        lead=f"The two numbers change places. {label_words(found.e164)} is now "
        + ("parked." if is_parked else f"with {found.holder}."),
        back_url=number_url(request, pk),
        back_label=label_words(found.e164),
        submit="Swap numbers",
        name="number",
        legend="Swap it with",
        search_label="Search numbers and holders",
        search=search,
        groups=_with_chosen([Group("", choices)], _number_choice(other) if other else None),
        has_more=has_more,
        hint="Choose the other number to see what changes on your bill.",
        empty="There is no other number to swap it with.",
        cost=cost,
    )
    return choose(request, form, chooser)


@require_http_methods(ACTIONS)
@account_page(is_form=True)
def number_park(request: AccountRequest, pk: int) -> HttpResponse:
    """Say what parking does and costs, then take the number from its holder and keep it."""
    found = own_number(request, pk)
    actor = Actor.of(request)
    refusal = None
    if request.method == "POST":
        try:
            park_number(found, actor=actor, at=request.at)
        except Refused as refused:
            refusal = refused
        else:
            messages.success(request, f"{label_words(found.e164)} is parked.")
            return redirect("telephony:number", account=request.account.slug, pk=pk)
    if found.state == NumberState.PARKED:
        messages.info(request, f"{label_words(found.e164)} is parked already.")
        return redirect("telephony:number", account=request.account.slug, pk=pk)
    cost = priced(request.account, lambda: park_number(found, actor=actor, at=request.at))
    context = {
        "number": found,
        "cost": cost,
        "refusal": refusal or cost.refusal,
        "consequences": [f"{found.holder} no longer has it.", *_next_included(request, found)],
    }
    return render(request, "telephony/number_park.html", context, status=400 if refusal else 200)


@require_http_methods(ACTIONS)
@account_page(is_form=True)
def number_release(request: AccountRequest, pk: int) -> HttpResponse:
    """Give a number up for good, once its name has been typed; what was paid ahead is credited (BIL-5)."""
    found = own_number(request, pk)
    actor = Actor.of(request)
    refusal, error = None, ""
    if request.method == "POST":
        if not is_same_number(request.POST.get("confirm_name", ""), found.e164):
            error = f"Type {label_words(found.e164)} to confirm. Nothing was changed."
        else:
            try:
                release_number(found, actor=actor, at=request.at)
            except Refused as refused:
                refusal = refused
            else:
                messages.success(request, f"{label_words(found.e164)} is released.")
                return redirect("telephony:numbers", account=request.account.slug)
    cost = priced(request.account, lambda: release_number(found, actor=actor, at=request.at))
    held = [f"{found.holder} no longer has it.", *_next_included(request, found)] if found.holder else []
    context = {
        "number": found,
        "typed": label_words(found.e164),
        "cost": cost,
        "refusal": refusal or cost.refusal,
        "error": error,
        "consequences": [
            *held,
            "It leaves your account for good: somebody else can take it, and you may not get it back.",
        ],
    }
    status = 400 if refusal or error else 200
    return render(request, "telephony/number_release.html", context, status=status)


def is_same_number(typed: str, e164: str) -> bool:
    """Whether a person typed this number, in whatever form: with or without the country's prefix."""
    digits = re.sub(r"\D", "", typed)
    return len(digits) >= 7 and e164.endswith(digits) and len(e164) - len(digits) <= 4


def cost_of_assigning(request: AccountRequest, number: Number, holder: Holder) -> Priced:
    """What it costs to assign a number: included, a new charge, or one that goes on as it is (NUM-7)."""
    subject = f"number:{number.pk}"
    before = charges_by_subject(request.account, [subject]).get(subject)

    def remarks() -> list[dict[str, Any]]:
        charge = charges_by_subject(request.account, [subject]).get(subject)
        if charge is None:
            return [remark(request.account, "Included", Decimal(0), f"the first number of {holder}")]
        if before is not None and charge.pk == before.pk and charge.monthly is not None:
            note = "no credit and no new charge"
            return [remark(request.account, "Goes on being billed", charge.monthly, note)]
        return []

    actor = Actor.of(request)
    return priced(
        request.account,
        lambda: assign_number(number, to=holder, actor=actor, at=request.at),
        remarks=remarks,
    )


def holder_url(request: AccountRequest, holder: Holder | None) -> str:
    """The page of who has a number; "" while nobody has."""
    if holder is None:
        return ""
    if isinstance(holder, Service) and holder.kind == ServiceKind.CONTACT_CENTER:
        return reverse("telephony:contact-center-numbers", kwargs={"account": request.account.slug})
    name = "accounts:end-user" if isinstance(holder, EndUser) else "telephony:service"
    return reverse(name, kwargs={"account": request.account.slug, "pk": holder.pk})


def number_url(request: AccountRequest, pk: int) -> str:
    """The page of a number."""
    return reverse("telephony:number", kwargs={"account": request.account.slug, "pk": pk})


def _chosen_holder(request: AccountRequest) -> tuple[AssignForm, Holder | None]:
    """The form, and the holder that it names; one of another account is an error by the field (ACC-4)."""
    sent = request.POST if request.method == "POST" else request.GET
    form = AssignForm(sent if request.method == "POST" or "to" in sent else None)
    if not form.is_valid():
        return form, None
    holder = holder_by(request.account, form.cleaned_data["to"])
    if holder is None:
        form.add_error("to", "Choose somebody of the list.")
    return form, holder


def _chosen_number(request: AccountRequest) -> tuple[NumberChoiceForm, Number | None]:
    """The form, and the account's number that it names; any other is an error by the field (ACC-4)."""
    sent = request.POST if request.method == "POST" else request.GET
    form = NumberChoiceForm(sent if request.method == "POST" or "number" in sent else None)
    if not form.is_valid():
        return form, None
    numbers = Number.objects.select_related("account", "end_user", "service")
    found = numbers.filter(account=request.account, pk=form.cleaned_data["number"]).first()
    if found is None:
        form.add_error("number", "Choose a number of the list.")
    return form, found


def _numbers_to_choose(
    request: AccountRequest, search: str, *, state: str, but: Number | None = None
) -> tuple[list[Choice], bool]:
    found = account_numbers(request.account, today=request.today, search=search, state=state)
    if but is not None:
        found = found.exclude(pk=but.pk)
    numbers = list(found.order_by("e164", "pk")[: CHOICES + 1])
    return [_number_choice(number) for number in numbers[:CHOICES]], len(numbers) > CHOICES


def _number_choice(number: Number) -> Choice:
    place = f"with {number.holder}" if number.holder else "parked"
    detail = ", ".join(filter(None, (number.region, number.get_kind_display().lower(), place)))
    return Choice(str(number.pk), label_words(number.e164), detail[0].upper() + detail[1:])


def _with_chosen(groups: list[Group], chosen: Choice | None) -> list[Group]:
    """The groups with the choice marked; one that the search does not show stands before them."""
    if chosen is None:
        return groups
    marked = [
        Group(
            group.label,
            [
                Choice(choice.value, choice.label, choice.detail, choice.amount, choice.value == chosen.value)
                for choice in group.choices
            ],
        )
        for group in groups
    ]
    if any(choice.is_chosen for group in marked for choice in group.choices):
        return marked
    return [Group("Chosen", [Choice(chosen.value, chosen.label, chosen.detail, is_chosen=True)]), *marked]


def _next_included(request: AccountRequest, number: Number) -> list[str]:
    """Which number takes the place of the included one when it goes (NUM-3)."""
    holder = number.holder
    if holder is None or (isinstance(holder, Service) and not holder.needs_a_number):
        return []
    held = [row.number for row in holder_numbers(holder, request.today)]
    if not held or held[0].pk != number.pk:
        return []
    if len(held) == 1:
        return [f"{holder} is left without a number."]
    return [f"{label_words(held[1].e164)} becomes the included number of {holder}, at no charge."]
