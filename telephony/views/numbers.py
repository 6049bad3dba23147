"""The account's numbers: the list, actions on several at once, and adding some (NUM-1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.exporting import csv_response
from accounts.forms import filters_of, show_refusal
from accounts.paging import chosen_order, page_of
from accounts.permissions import AccountRequest, account_page
from accounts.refusals import Refused
from accounts.trail import Actor
from billing.catalogue import prices_on
from billing.explain import label_words
from billing.models import Product
from telephony.bulk import add_numbers, park_numbers, release_numbers
from telephony.charging import NUMBER_PRODUCTS
from telephony.forms import BULK_ACTIONS, AddNumbersForm, AreaForm, BulkForm, NumberFilter
from telephony.models import Number, NumberKind, NumberState
from telephony.numbers import free_inventory
from telephony.queries import Choice, account_numbers, with_costs
from telephony.views.choosing import Group, is_preview
from telephony.views.costs import Priced, priced

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.db.models import QuerySet
    from django.http import HttpResponse, StreamingHttpResponse

    from accounts.exporting import Cell
    from accounts.models import Account

ORDERS: Final = {
    "number": ("e164", "pk"),
    "holder": ("holder_name", "e164", "pk"),
    "region": ("country", "region", "e164", "pk"),
    "state": ("state", "e164", "pk"),
}
COLUMNS: Final = (
    "number",
    "state",
    "kind",
    "country",
    "region",
    "holder",
    "cost",
    "monthly",
    "currency",
    "billed from",
    "added on",
)
STOCK_SHOWN: Final = 40
CHUNK: Final = 500


@require_safe
@account_page()
def numbers(request: AccountRequest) -> HttpResponse:
    """The account's numbers with holder and cost, searched, filtered and sorted."""
    form, found = _asked(request)
    order = chosen_order(request.GET, ORDERS, default="number")
    page = page_of(found, order=order, query=request.GET)
    slug = request.account.slug
    released = Number.objects.filter(account=request.account, state=NumberState.RELEASED)
    context = {
        "form": form,
        "page": page,
        "rows": with_costs(request.account, page.rows, request.today),
        # The released ones are found by the filter alone.
        "has_released": not page.rows and released.exists(),
        "is_filtered": any(filters_of(form).values()),
        "tabs": number_tabs(request, "numbers"),
        "export_url": reverse("telephony:numbers-csv", kwargs={"account": slug}),
        "bulk_actions": [
            {"value": value, "label": label, "kind": "danger" if value == "release" else "plain"}
            for value, label in BULK_ACTIONS.items()
        ],
    }
    return render(request, "telephony/numbers.html", context)


@require_safe
@account_page()
def numbers_csv(request: AccountRequest) -> StreamingHttpResponse:
    """The same numbers as a file, all of them."""
    _, found = _asked(request)
    return numbers_file(request, "numbers", found)


def numbers_file(request: AccountRequest, name: str, found: QuerySet[Number]) -> StreamingHttpResponse:
    """Numbers that came from `account_numbers` as a CSV file, with their costs; `name` ends that of the file."""
    account = request.account

    def rows() -> Iterator[list[Cell]]:
        for chunk in _chunks(found.order_by("e164", "pk")):
            for row in with_costs(account, chunk, request.today):
                number = row.number
                yield [
                    number.e164,
                    number.state,
                    number.kind,
                    number.country,
                    number.region,
                    str(number.holder or ""),
                    row.cost.kind.value,
                    row.cost.monthly,
                    account.currency,
                    row.cost.starts_on,
                    number.added_on,
                ]

    return csv_response(f"{account.slug}-{name}", COLUMNS, rows())


@require_POST
@account_page()
def numbers_bulk(request: AccountRequest) -> HttpResponse:
    """Say what parking or releasing the chosen numbers does and costs, then do it: all of them or none."""
    account = request.account
    form = BulkForm(request.POST)
    if not form.is_valid():
        messages.error(request, str(next(iter(form.errors.values()))[0]))
        return redirect("telephony:numbers", account=account.slug)
    chosen = _own_numbers(account, form.cleaned_data["selected"])
    action: str = form.cleaned_data["action"]
    if action == "park":
        todo = [number for number in chosen if number.state != NumberState.PARKED]
        act = park_numbers
    else:
        todo, act = chosen, release_numbers
    if not todo:
        messages.info(request, "These numbers are parked already. Nothing was changed.")
        return redirect("telephony:numbers", account=account.slug)
    actor = Actor.of(request)
    count = f"{len(todo)} number{'' if len(todo) == 1 else 's'}"
    refusal, error = None, ""
    if "confirmed" in request.POST:
        if action == "release" and request.POST.get("confirm_name", "").strip() != count:
            error = f"Type “{count}” to confirm. Nothing was changed."
        else:
            try:
                act(todo, actor=actor, at=request.at)
            except Refused as refused:
                refusal = refused
            else:
                messages.success(request, f"{count} {'parked' if action == 'park' else 'released'}.")
                return redirect("telephony:numbers", account=account.slug)
    cost = priced(account, lambda: act(todo, actor=actor, at=request.at))
    context = {
        "action": action,
        "verb": BULK_ACTIONS[action],
        "count": count,
        "numbers": todo,
        "skipped": len(chosen) - len(todo),
        "fields": BulkForm(initial={"action": action, "selected": [number.pk for number in todo]}),
        "cost": cost,
        "refusal": refusal or cost.refusal,
        "error": error,
    }
    status = 400 if refusal or error else 200
    return render(request, "telephony/numbers_bulk.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@account_page(is_form=True)
def number_add(request: AccountRequest) -> HttpResponse:
    """Pick numbers of the brand's inventory by area code, or type one; both say what they cost (NUM-1)."""
    account = request.account
    area = AreaForm(request.POST if request.method == "POST" else request.GET)
    code = area.cleaned_data["area"] if area.is_valid() else ""
    sent = request.POST if request.method == "POST" else request.GET
    is_bound = request.method == "POST" or "picks" in sent or bool(sent.get("number"))
    form = AddNumbersForm(sent if is_bound else None)
    cost = Priced()
    if form.is_valid():
        actor = Actor.of(request)
        picks, typed = form.cleaned_data["picks"], form.cleaned_data["number"]
        if request.method == "POST" and not is_preview(request):
            try:
                added = add_numbers(account, picks, typed, actor=actor, at=request.at)
            except Refused as refusal:
                show_refusal(form, refusal)
            else:
                return _to_added(request, added)
        else:
            cost = priced(account, lambda: add_numbers(account, picks, typed, actor=actor, at=request.at))
            if cost.refusal:
                show_refusal(form, cost.refusal)
    stock = free_inventory(account, area_code=code, limit=STOCK_SHOWN + 1) if area.is_valid() else []
    chosen: list[str] = form.cleaned_data.get("picks", []) if is_bound else []
    offered = [
        Choice(
            value=listed.e164,
            label=label_words(listed.e164),
            detail=", ".join(filter(None, (listed.region, listed.get_kind_display().lower()))),
            is_chosen=listed.e164 in chosen,
        )
        for listed in stock[:STOCK_SHOWN]
    ]
    context = {
        "area": area,
        "code": code,
        "form": form,
        "groups": [Group("Chosen", _picked_before(chosen, offered)), Group("In stock", offered)],
        "has_more": len(stock) > STOCK_SHOWN,
        "cost": cost,
        "tariff": _tariff(request),
    }
    return render(request, "telephony/number_add.html", context)


def number_tabs(request: AccountRequest, active: str) -> list[dict[str, object]]:
    """The two views of the numbers: those that are here, and those that change carriers."""
    return [
        {
            "label": label,
            "url": reverse(f"telephony:{name}", kwargs={"account": request.account.slug}),
            "is_active": name.endswith(active),
        }
        for label, name in (("Numbers", "numbers"), ("Porting", "number-ports"))
    ]


def _to_added(request: AccountRequest, added: Sequence[Number]) -> HttpResponse:
    slug = request.account.slug
    if len(added) == 1:
        messages.success(
            request, f"{label_words(added[0].e164)} is yours, and parked. Assign it to put it to use."
        )
        return redirect("telephony:number", account=slug, pk=added[0].pk)
    messages.success(request, f"{len(added)} numbers are yours, and parked. Assign them to put them to use.")
    return redirect(reverse("telephony:numbers", kwargs={"account": slug}) + "?state=parked")


def _picked_before(chosen: Sequence[str], offered: Sequence[Choice]) -> list[Choice]:
    """What was picked from another area code stays in sight."""
    shown = {choice.value for choice in offered}
    return [Choice(e164, _readable(e164), is_chosen=True) for e164 in chosen if e164 not in shown]


def _readable(text: str) -> str:
    return label_words(text) if text.startswith("+") and text[1:].isdigit() and len(text) > 6 else text


def _tariff(request: AccountRequest) -> list[dict[str, object]]:
    """What numbers cost while nothing is picked: for each kind the free days and the price."""
    products = Product.objects.in_bulk(set(NUMBER_PRODUCTS.values()))
    prices = prices_on(list(products), request.account, request.today)
    return [
        {
            "label": NumberKind(kind).label,
            "free_days": products[code].delay_days,
            "price": prices.get(code),
        }
        for kind, code in NUMBER_PRODUCTS.items()
        if code in products
    ]


def _own_numbers(account: Account, keys: Sequence[int]) -> list[Number]:
    """The account's numbers with these keys; 404 where one is not the account's (ACC-4)."""
    found = Number.objects.select_related("account", "end_user", "service").filter(
        account=account, pk__in=keys
    )
    numbers = list(found.order_by("e164", "pk"))
    if len(numbers) != len(set(keys)):
        raise Http404
    return numbers


def _asked(request: AccountRequest) -> tuple[NumberFilter, QuerySet[Number]]:
    form = NumberFilter(request.GET)
    asked = filters_of(form)
    found = account_numbers(
        request.account,
        today=request.today,
        search=asked["q"] or "",
        state=asked["state"] or "",
        kind=asked["kind"] or "",
        cost=asked["cost"] or "",
    )
    return form, found


def _chunks(found: QuerySet[Number]) -> Iterator[list[Number]]:
    chunk: list[Number] = []
    for number in found.iterator(chunk_size=CHUNK):
        chunk.append(number)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
