"""The tabs of finance's pages of money."""

from __future__ import annotations

from typing import Any, Final

from django.urls import reverse

_TABS: Final = (
    ("payments", "Payments"),
    ("refunds", "Refunds"),
    ("credits", "Accounts with credit"),
    ("bank-files", "Bank files"),
    ("bank-lines", "Unmatched transfers"),
)


def money_tabs(current: str) -> list[dict[str, Any]]:
    """The tabs; `current` is the name of one."""
    return [
        {"label": label, "url": reverse(f"finance:{name}"), "is_active": name == current}
        for name, label in _TABS
    ]
