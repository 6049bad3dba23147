"""Addresses of the finance pages, below /finance/."""

from django.urls import path

from billing.views import dunning, finance, rate_deck, rates

app_name = "finance"

urlpatterns = [
    path("", finance.invoices, name="invoices"),
    path("totals/", finance.totals, name="totals"),
    path("invoices.csv", finance.invoices_csv, name="invoices-csv"),
    path("lines.csv", finance.lines_csv, name="lines-csv"),
    path("invoices/<str:number>/", finance.invoice, name="invoice"),
    path("invoices/<str:number>/pay/", finance.pay, name="pay"),
    path("invoices/<str:number>/void/", finance.void, name="void"),
    path("invoices/<str:number>/credit/", finance.credit, name="credit"),
    path("dunning/", dunning.accounts, name="dunning"),
    path("dunning.csv", dunning.accounts_csv, name="dunning-csv"),
    path("dunning/<slug:slug>/", dunning.account, name="dunning-account"),
    path("dunning/<slug:slug>/suspend/", dunning.suspend_by_hand, name="dunning-suspend"),
    path("dunning/<slug:slug>/lift/", dunning.lift_by_hand, name="dunning-lift"),
    path("dunning/<slug:slug>/hold/", dunning.hold_by_hand, name="dunning-hold"),
    path("rates/", rates.meters, name="rates"),
    path("rates.csv", rates.meters_csv, name="rates-csv"),
    path("rates/<slug:code>/", rates.meter, name="rate"),
    path("rates/<slug:code>/new/", rates.add, name="rate-add"),
    path("rates/<slug:code>/anew/", rates.rerate, name="rerate"),
    path("rate-deck/", rate_deck.deck, name="rate-deck"),
    path("rate-deck.csv", rate_deck.deck_csv, name="rate-deck-csv"),
    path("rate-deck/sample.csv", rate_deck.deck_sample, name="rate-deck-sample"),
    path("rate-deck/import/", rate_deck.upload, name="rate-deck-import"),
    path("rate-deck/import/<slug:digest>/", rate_deck.review, name="rate-deck-review"),
    path("rate-deck/import/<slug:digest>/rows.csv", rate_deck.review_csv, name="rate-deck-review-csv"),
]
