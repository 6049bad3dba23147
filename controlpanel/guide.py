"""The style guide: every component of the design system, live and with sample data, for those who build pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.messages import constants as levels
from django.contrib.messages.storage.base import Message
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.permissions import STAFF_GROUPS, StaffRequest, staff_page

SAMPLE_STATES = ("assigned", "parked", "waiting", "ended", "overdue")


class SampleForm(forms.Form):
    """One field of every kind."""

    name = forms.CharField(max_length=80, help_text="As it should stand in the directory.")
    email = forms.EmailField(required=False)
    quantity = forms.IntegerField(min_value=1, max_value=500, initial=3)
    starts_on = forms.DateField(widget=forms.DateInput(attrs={"type": "date"}), required=False)
    kind = forms.ChoiceField(choices=[("local", "Local"), ("toll-free", "Toll-free")])
    holder = forms.ChoiceField(
        widget=forms.RadioSelect,
        choices=[("end-user", "An end user"), ("service", "A service"), ("parked", "Nobody: park it")],
        help_text="A parked local number is free for 30 days.",
    )
    notes = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), required=False)
    is_listed = forms.BooleanField(required=False, label="Show in the company directory")

    def clean_quantity(self) -> int:
        """Refuse the sample that is there to be refused."""
        quantity: int = self.cleaned_data["quantity"]
        if quantity > 12:
            raise ValidationError("Only 12 licences are free. Buy more, or assign fewer.", code="LIC-1")
        return quantity


class SampleFilters(forms.Form):
    """Filters as a list has them."""

    q = forms.CharField(required=False, label="Search numbers")
    state = forms.ChoiceField(
        required=False, choices=[("", "Any"), *[(state, state.capitalize()) for state in SAMPLE_STATES]]
    )
    since = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))


@dataclass(frozen=True, slots=True)
class SampleEntry:
    """An entry of the trail as the timeline wants it."""

    at: datetime
    summary: str
    by: str
    is_task: bool = False
    address: str = ""
    before: dict[str, object] | None = None
    after: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class SamplePage:
    """Cursors of keyset paging."""

    previous: str | None
    next: str | None


@require_safe
@staff_page(*STAFF_GROUPS)
def guide(request: StaffRequest) -> HttpResponse:
    """The page. ``?state=parked`` shows the filter's chip."""
    return render(request, "components/guide.html", sample(request.at))


def sample(at: datetime) -> dict[str, Any]:
    """Sample data for every component, around the instant ``at``."""
    today = at.date()
    filled = SampleForm(
        {"name": "", "email": "maria@", "quantity": "40", "kind": "local", "holder": "service"}
    )
    filled.is_valid()
    return {
        "today": today,
        "form": SampleForm(),
        "bad_form": filled,
        "filters": SampleFilters({"state": "parked", "q": ""}),
        "toasts": [
            Message(levels.SUCCESS, "(212) 555-0142 is assigned to Maria Lindqvist."),
            Message(levels.WARNING, "Two numbers begin to be billed tomorrow."),
            Message(levels.ERROR, "The invoice could not be made. Nothing was changed."),
        ],
        "tabs": [
            {"label": "Assigned", "url": "?", "is_active": True, "count": 42},
            {"label": "Parked", "url": "?tab=parked", "count": 6},
            {"label": "Released", "url": "?tab=released", "count": 1204},
            {"label": "History", "url": "?tab=history"},
        ],
        "figures": [
            {"label": "Bought", "value": 48},
            {"label": "Assigned", "value": 42},
            {"label": "Free", "value": 6},
        ],
        "rows": _rows(today),
        "page": SamplePage(None, "42"),
        "bulk": [
            {"value": "park", "label": "Park"},
            {"value": "release", "label": "Release", "kind": "danger"},
        ],
        "entries": _entries(at),
        "cost": _cost(today),
        "events": _events(today),
        "bdom": today + timedelta(days=12),
        "bridge": _bridge(),
        "invoice": _invoice(today),
        "facts": [
            {"term": "Billing day", "value": "The 31st", "hint": "The last day of a shorter month"},
            {"term": "Time zone", "value": "America/New_York"},
            {"term": "Currency", "value": "USD"},
        ],
    }


def _rows(today: date) -> list[dict[str, Any]]:
    holders = ("Maria Lindqvist", "", "Ama Boateng", "Fax line, front desk", "Hunt group, sales")
    return [
        {
            "number": f"+1212555{100 + index * 17:04d}",
            "state": state,
            "holder": holder,
            "since": today - timedelta(days=index * 19 + 2),
            "price": Decimal("2.99") if index % 2 else Decimal(0),
        }
        for index, (state, holder) in enumerate(zip(SAMPLE_STATES, holders, strict=True))
    ]


def _entries(at: datetime) -> list[SampleEntry]:
    return [
        SampleEntry(
            at - timedelta(minutes=7),
            "Assigned (212) 555-0142 to Maria Lindqvist",
            "dana@northwind.example",
            address="203.0.113.7",
            before={"state": "parked", "holder": None},
            after={"state": "assigned", "holder": "Maria Lindqvist"},
        ),
        SampleEntry(at - timedelta(hours=5), "Issued invoice CP-000123", "invoice-run", is_task=True),
        SampleEntry(
            at - timedelta(days=2),
            "Bought 5 UC licences, billed from 2026-01-17",
            "dana@northwind.example",
            address="203.0.113.7",
            after={"product": "uc-licence", "quantity": 5},
        ),
    ]


def _cost(today: date) -> dict[str, Any]:
    return {
        "currency": "USD",
        "monthly": Decimal("149.95"),
        "once": Decimal(0),
        "begins_on": today + timedelta(days=7),
        "begins_reason": "after 7 free days",
        "rule": "BIL-3",
        "next_on": today + timedelta(days=12),
        "next_now": Decimal("512.40"),
        "next_then": Decimal("686.54"),
        "lines": [
            {
                "label": "5 × UC licence",
                "amount": Decimal("149.95"),
                "note": "29.99 each, price locked today",
            },
        ],
    }


def _events(today: date) -> list[dict[str, Any]]:
    return [
        {
            "on": today + timedelta(days=1),
            "label": "(212) 555-0134",
            "amount": Decimal("1.99"),
            "note": "parked 29 d",
        },
        {"on": today + timedelta(days=7), "label": "5 UC licences", "amount": Decimal("149.95"), "url": "#"},
        {"on": today + timedelta(days=7), "label": "(646) 555-0199", "amount": Decimal("1.99")},
        {"on": today + timedelta(days=23), "label": "2 UC licences", "amount": Decimal("59.98"), "url": "#"},
    ]


def _bridge() -> list[dict[str, Any]]:
    return [
        {"label": "Last invoice", "amount": Decimal("512.40"), "kind": "total", "note": "CP-000101"},
        {"label": "5 UC licences added", "amount": Decimal("149.95"), "kind": "change"},
        {
            "label": "Their partial month",
            "amount": Decimal("140.28"),
            "kind": "change",
            "note": "29 of 31 days",
        },
        {"label": "Fax line removed", "amount": Decimal("-24.00"), "kind": "change"},
        {
            "label": "Credit for its days left",
            "amount": Decimal("-11.61"),
            "kind": "change",
            "note": "15 of 31 days",
        },
        {"label": "Next invoice", "amount": Decimal("767.02"), "kind": "total"},
    ]


def _invoice(today: date) -> dict[str, Any]:
    why = {
        "formula": "29.99 × 5 × 29 of 31 days",
        "reason": "7-day delay from 2026-01-10",
        "rule": "BIL-4",
        "who": "Bought by Dana Whitfield",
        "at": "2026-01-10",
        "url": "#",
        "url_label": "Open the charge",
    }
    ahead = {"formula": "29.99 × 5", "reason": "The month ahead", "rule": "BIL-2"}
    recurring = [
        {
            "description": "UC licence, partial month",
            "dates": "2026-01-17 to 2026-02-14",
            "quantity": 5,
            "unit_price": Decimal("29.99"),
            "amount": Decimal("140.28"),
            "why": why,
        },
        {
            "description": "UC licence",
            "dates": "2026-02-15 to 2026-03-14",
            "quantity": 5,
            "unit_price": Decimal("29.99"),
            "amount": Decimal("149.95"),
            "why": ahead,
        },
        {
            "description": "Additional number (212) 555-0142",
            "dates": "2026-02-15 to 2026-03-14",
            "quantity": 1,
            "unit_price": Decimal("2.9925"),
            "amount": Decimal("2.99"),
            "why": ahead | {"formula": "2.9925 × 1"},
        },
    ]
    credit = {
        "description": "Fax line, removed",
        "dates": "2026-01-31 to 2026-02-14",
        "quantity": 1,
        "unit_price": Decimal("24.00"),
        "amount": Decimal("-11.61"),
        "why": {"formula": "−24.00 × 1 × 15 of 31 days", "reason": "Ended on 2026-01-31", "rule": "BIL-5"},
    }
    return {
        "title": "Invoice CP-000123",
        "state_label": "Issued",
        "state_tone": "info",
        "currency": "USD",
        "seller": {
            "name": "Control Panel Communications, Inc.",
            "address": "100 Harbor Street\nBoston, MA 02110",
        },
        "buyer": {
            "name": "Northwind Trading Company",
            "address": "Accounts payable\n42 Pier Road\nPortland, ME 04101",
        },
        "facts": [
            {"term": "Invoice date", "value": "Feb 15, 2026"},
            {"term": "Due", "value": "Mar 1, 2026"},
            {"term": "Period", "value": "Feb 15 to Mar 14, 2026"},
            {"term": "Account", "value": "northwind"},
        ],
        "sections": [
            {"label": "Recurring charges", "subtotal": Decimal("293.22"), "lines": recurring},
            {"label": "Credits", "subtotal": Decimal("-11.61"), "lines": [credit]},
        ],
        "total": Decimal("281.61"),
        "notes": ["Please name the invoice number with your transfer."],
    }
