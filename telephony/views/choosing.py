"""The page on which one of many is chosen: a search that the server answers, a list, and what the choice costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.shortcuts import render

from telephony.views.costs import Priced

if TYPE_CHECKING:
    from django import forms
    from django.http import HttpResponse

    from accounts.permissions import AccountRequest
    from telephony.queries import Choice

PREVIEW = "preview"
"""The button that shows the cost where no script follows the form."""
MAX_SEARCH = 100


@dataclass(frozen=True, slots=True)
class Group:
    """Choices under one heading."""

    label: str
    choices: Sequence[Choice]


@dataclass(frozen=True, slots=True)
class Chooser:
    """What the page `telephony/choose.html` shows.

    `name` is the form's field that is chosen, `kept` what the search and the form carry along; `empty` says what
    to do where there is nothing to choose, with `empty_url` to do it.
    """

    title: str
    lead: str
    back_url: str
    back_label: str
    submit: str
    name: str
    legend: str
    search_label: str
    search: str
    groups: Sequence[Group]
    has_more: bool
    hint: str
    empty: str
    empty_url: str = ""
    empty_label: str = ""
    kept: Sequence[tuple[str, str]] = ()
    cost: Priced = field(default_factory=Priced)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to choose, also without a search."""
        return not self.search and not self.is_found

    @property
    def is_found(self) -> bool:
        """Whether there is something to choose."""
        return any(group.choices for group in self.groups)


def choose(request: AccountRequest, form: forms.Form, chooser: Chooser) -> HttpResponse:
    """Draw the page."""
    context = {"form": form, "chooser": chooser, "field": form[chooser.name]}
    return render(request, "telephony/choose.html", context)


def search_of(request: AccountRequest, name: str = "q") -> str:
    """What is searched for: it comes with the address, and with a form that was sent from there."""
    typed = request.GET.get(name) or request.POST.get(name) or ""
    return typed.replace("\0", "").strip()[:MAX_SEARCH]


def is_preview(request: AccountRequest) -> bool:
    """Whether the form was sent to see the cost, not to do it."""
    return request.method == "POST" and PREVIEW in request.POST
