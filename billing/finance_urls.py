"""Addresses of the finance pages, below /finance/."""

from django.urls import path

from billing.views import finance

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
]
