"""Where phones fetch their configuration. No session, no cookie, no page: what is not right is not found (ORD-6)."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from hardware.provisioning import check_in, configuration_of, find_device

BOOT_STAGE: Final = "Type/Updater"
"""What Poly's phones say of themselves while they start; Yealink's fetch an address with `boot=1` when they have."""


@csrf_exempt
@require_safe
def provision(request: HttpRequest, mac: str, secret: str = "", *, is_line: bool = False) -> HttpResponse:
    """Hand a device its configuration and record the check-in; 404 for an unknown MAC as for a wrong secret.

    The secret comes in the address, as `?key=`, or as the password of basic authentication. In production
    nothing is answered that did not come over HTTPS.
    """
    at = timezone.now()
    if settings.PRODUCTION and not request.is_secure():
        return _not_found()
    device = find_device(mac, secret or request.GET.get("key", "") or _password_of(request), at)
    if device is None:
        return _not_found()
    found = configuration_of(device, is_line=is_line)
    if found is None:
        return _not_found()
    if request.method == "GET":
        check_in(device, starts=_has_started(request), at=at)
    response = HttpResponse(found.text, content_type=f"{found.content_type}; charset=utf-8")
    return _kept_nowhere(response)


def _has_started(request: HttpRequest) -> bool:
    return request.GET.get("boot") == "1" or BOOT_STAGE in request.headers.get("User-Agent", "")


def _password_of(request: HttpRequest) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return b64decode(token.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _not_found() -> HttpResponse:
    return _kept_nowhere(HttpResponse("Not found\n", status=404, content_type="text/plain; charset=utf-8"))


def _kept_nowhere(response: HttpResponse) -> HttpResponse:
    response.headers["Cache-Control"] = "no-store"
    return response
