"""Middleware of the project."""

from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse

# Everything a page needs comes from the panel itself, in files: no inline script or style, no other host, no frame.
POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


class ContentSecurityPolicy:
    """Sends the policy with every answer that does not bring its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response


class NoNulInAdministration:
    """Answers 400 to a request of the administration that holds a NUL, in its address or in a field.

    Nobody types one, PostgreSQL keeps none, and Django's filters, choices and keys hand it on to the database.
    The panel's own pages need no such guard: their forms say by the field what is wrong with it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: object, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        """Called once the address is known to lead to a view. Raises BadRequest, which becomes the 400."""
        match = request.resolver_match
        if match is None or match.app_name != "admin":
            return
        sent = [*request.GET.lists(), *request.POST.lists()]
        if "\0" in request.path or any("\0" in text for name, texts in sent for text in (name, *texts)):
            raise BadRequest("This request holds a NUL character. Nothing was changed.")
