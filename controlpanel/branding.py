"""The brand's colour as a stylesheet of its own, and the theme a person chose.

Both are served, not written into the page: the policy forbids inline styles, and a theme that the server knows
does not flash.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_POST, require_safe

from accounts.colours import accent
from accounts.models import Brand

THEME_COOKIE = "theme"
THEMES = ("light", "dark")
YEAR = 365 * 24 * 3600

STYLESHEET = """\
@layer tokens {{
  :root {{
    --brand-text-light: {light.text};
    --brand-fill-light: {light.fill};
    --brand-on-fill-light: {light.on_fill};
    --brand-hover-light: {light.hover};
    --brand-text-dark: {dark.text};
    --brand-fill-dark: {dark.fill};
    --brand-on-fill-dark: {dark.on_fill};
    --brand-hover-dark: {dark.hover};
  }}
}}
"""


def stylesheet_url(brand: Brand) -> str:
    """Where the brand's stylesheet is; the colour is part of the address, so a new colour is seen at once."""
    return f"{reverse('brand-css', args=[brand.slug])}?accent={brand.accent.removeprefix('#').lower()}"


@require_safe
@cache_control(public=True, max_age=7 * 24 * 3600)
def stylesheet(request: HttpRequest, slug: str) -> HttpResponse:
    """The accent of a brand as CSS variables; 404 for a brand there is not."""
    brand = get_object_or_404(Brand.objects.only("accent"), slug=slug)
    shades = accent(brand.accent)
    return HttpResponse(STYLESHEET.format(light=shades.light, dark=shades.dark), content_type="text/css")


def chosen_theme(request: HttpRequest) -> str:
    """``light`` or ``dark`` as the person chose it, "" to follow the system."""
    theme = request.COOKIES.get(THEME_COOKIE, "")
    return theme if theme in THEMES else ""


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep the theme in a cookie and go back to the page; anything but light and dark follows the system."""
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(
        back, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        back = "/"
    response = HttpResponseRedirect(back)
    chosen = request.POST.get("theme", "")
    if chosen in THEMES:
        response.set_cookie(THEME_COOKIE, chosen, max_age=YEAR, samesite="Lax", secure=request.is_secure())
    else:
        response.delete_cookie(THEME_COOKIE, samesite="Lax")
    return response
