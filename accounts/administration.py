"""The Django admin as the panel has it: one way to sign in, and 404 for all who are no staff (ACC-3)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _

from accounts.permissions import to_sign_in

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase

View = TypeVar("View", bound=Callable[..., Any])


class Administration(AdminSite):
    """The administration for the provider's staff."""

    site_header = _("Administration")
    site_title = _("Administration")
    index_title = _("What the provider keeps")

    def admin_view(self, view: View, cacheable: Any = False) -> View:
        """A page of the admin, behind the panel's own door."""
        page = super().admin_view(view, cacheable)

        @wraps(page)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return page(request, *args, **kwargs) if self.has_permission(request) else turn_away(request)

        return cast(View, guarded)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The admin has no sign-in page of its own."""
        return redirect("admin:index") if self.has_permission(request) else turn_away(request)


def turn_away(request: HttpRequest) -> HttpResponse:
    """To the sign-in page for those who are not signed in; for the others there is nothing here."""
    if request.user.is_authenticated:
        raise Http404
    return to_sign_in(request)
