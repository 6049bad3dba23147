"""The addresses of the panel."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from accounts import urls as accounts_urls
from accounts.views.sign_in import SignIn
from controlpanel import branding, guide, home, people, search, user_import
from controlpanel.demo import sign_ins


def healthz(request: HttpRequest) -> HttpResponse:
    """200 while the process answers; says nothing about anything else."""
    return HttpResponse("ok", content_type="text/plain")


# The pages of end users put three apps together, and answer under the names of the one that knows them.
accounts_patterns = [*accounts_urls.urlpatterns, *user_import.urlpatterns, *people.urlpatterns]

# Who tries the panel need not look for the terminal; without a demo this is the page of the accounts app.
sign_in = SignIn.as_view(extra_context={"demo_sign_ins": sign_ins.shown})

urlpatterns = [
    path("sign-in/", sign_in, name="sign-in"),
    path("", include(accounts_urls.sign_in_patterns)),
    path("", include((accounts_patterns, "accounts"))),
    path("a/<slug:account>/", home.home, name="home"),
    path("a/<slug:account>/search/", search.search, name="search"),
    path("", include("billing.urls")),
    path("a/<slug:account>/", include("telephony.urls")),
    path("a/<slug:account>/", include("hardware.urls")),
    path("", include("hardware.provision_urls")),
    path("healthz", healthz, name="healthz"),
    path("theme/", branding.theme, name="theme"),
    path("brand/<slug:slug>.css", branding.stylesheet, name="brand-css"),
    path("finance/", include("billing.finance_urls")),
    path("staff/quotes/", include("billing.quote_urls")),
    path("staff/", include("billing.staff_urls")),
    path("quotes/", include("billing.offer_urls")),
    path("webhooks/", include("billing.webhook_urls")),
    path("staff/usage/", include("telephony.usage_urls")),
    path("staff/guide/", guide.guide, name="style-guide"),
    path("admin/", admin.site.urls),
    path("help/", include("controlpanel.help_urls")),
]
