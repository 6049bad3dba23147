"""Choosing the account's toll-free package, from the contact center's pages and from a number's (USE-6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.forms import show_refusal
from accounts.permissions import AccountRequest, account_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.explain import label_words
from billing.packages import PAY_PER_USE, package_charge, packages_on
from telephony.contact_center import set_toll_free_package
from telephony.contact_center_forms import PackageForm
from telephony.models import Number, NumberKind, NumberState, ServiceKind
from telephony.views.choosing import is_preview
from telephony.views.contact_center import FORM, kept_data
from telephony.views.costs import Priced, priced
from telephony.views.installed import installed_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpResponse

    from telephony.models import ContactCenter

# Whose toll-free number's page offers the change, beside that of a UC end user (USE-6).
SERVICES: Final = frozenset({ServiceKind.AUTO_ATTENDANT, ServiceKind.RESOURCE_LINE, ServiceKind.FAX_LINE})


def offers_package(number: Number) -> bool:
    """Whether a number's page is one from which the account's toll-free package is changed (USE-6)."""
    if number.kind != NumberKind.TOLL_FREE or number.state != NumberState.ASSIGNED:
        return False
    return number.end_user is not None or (number.service is not None and number.service.kind in SERVICES)


@require_http_methods(FORM)
@account_page()
def number_toll_free(request: AccountRequest, pk: int) -> HttpResponse:
    """Change the account's toll-free package from the page of a number that is assigned; 404 for others (USE-6)."""
    numbers = Number.objects.select_related("end_user", "service")
    number = get_object_or_404(numbers, pk=pk, account=request.account)
    if not offers_package(number):
        raise Http404
    return choose_package(
        request,
        installed_in(request),
        "telephony/number_toll_free.html",
        {"number": number, "label": label_words(number.e164)},
        redirect("telephony:number", account=request.account.slug, pk=pk),
    )


def choose_package(
    request: AccountRequest,
    contact_center: ContactCenter | None,
    template: str,
    context: Mapping[str, Any],
    done: HttpResponse,
) -> HttpResponse:
    """The packages on offer beside what a change costs; a POST changes it, and answers with `done`.

    `contact_center` is the account's, if it has one: in onboarding it bars packages with more minutes (ONB-5).
    """
    account = request.account
    charge = package_charge(account)
    current = charge.product_id if charge else PAY_PER_USE
    offers = packages_on(account, request.today)
    minutes = {PAY_PER_USE: 0, **{offer.product.pk: offer.minutes for offer in offers}}
    is_onboarding = contact_center is not None and contact_center.is_onboarding
    is_blocked = is_onboarding and not account.brand.toll_free_upgrade_in_onboarding
    form = PackageForm(kept_data(request, "package"))
    cost = Priced()
    if form.is_valid():
        code, actor = form.cleaned_data["package"], Actor.of(request)

        def act() -> None:
            set_toll_free_package(account, code, actor=actor, at=request.at)

        if request.method == "POST" and not is_preview(request):
            try:
                act()
            except Refused as refusal:
                show_refusal(form, refusal)
            else:
                messages.success(request, _chosen_words(request, code, current))
                return done
        if request.can_write:
            cost = priced(account, act)
    shown = {
        **context,
        "form": form,
        "cost": cost,
        "pay_per_use": PAY_PER_USE,
        "current": current,
        "chosen": form["package"].value() if form.is_bound else current,
        "offers": [
            (offer, is_blocked and offer.minutes > minutes.get(current, 0), offer.product.pk == current)
            for offer in offers
        ],
        "is_blocked": is_blocked,
        "keep": [("package", current)],
        "is_unchosen": is_onboarding
        and charge is None
        and contact_center is not None
        and contact_center.toll_free_chosen_on is None,
    }
    status = 400 if request.method == "POST" and form.errors else 200
    return render(request, template, shown, status=status)


def _chosen_words(request: AccountRequest, code: str, before: str) -> str:
    charge = package_charge(request.account)
    name = charge.product.name if charge else "Pay-per-use"
    if code == before:
        return f"{name} it stays."
    return f"{name} from today on."
