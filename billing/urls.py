"""Addresses of the billing pages of an account, under the namespace `billing`."""

from django.urls import path

from billing.views import charges, invoices, licences, overview

app_name = "billing"

account = "a/<slug:account>/"
bought = f"{account}licences/"
billing = f"{account}billing/"

urlpatterns = [
    path(bought, licences.licences, name="licences"),
    path(f"{bought}add/", licences.licence_add, name="licence-add"),
    path(f"{bought}remove/", licences.licence_remove, name="licence-remove"),
    path(f"{account}users/<int:pk>/licences/", licences.end_user_licences, name="end-user-licences"),
    path(billing, overview.overview, name="overview"),
    path(f"{billing}next/", overview.next_invoice, name="next-invoice"),
    path(f"{billing}charges/", charges.charges, name="charges"),
    path(f"{billing}charges.csv", charges.charges_csv, name="charges-csv"),
    path(f"{billing}invoices/", invoices.invoices, name="invoices"),
    path(f"{billing}invoices.csv", invoices.invoices_csv, name="invoices-csv"),
    path(f"{billing}invoices/<str:number>/", invoices.invoice, name="invoice"),
    path(f"{billing}invoices/<str:number>.csv", invoices.invoice_csv, name="invoice-csv"),
]
