"""Addresses of the sales pages of quotes, below /staff/quotes/."""

from django.urls import path

from billing.views import quotes

app_name = "quotes"

urlpatterns = [
    path("", quotes.quotes, name="quotes"),
    path("list.csv", quotes.quotes_csv, name="quotes-csv"),
    path("new/", quotes.compose, name="compose"),
    path("<int:pk>/", quotes.quote, name="quote"),
    path("<int:pk>/edit/", quotes.edit, name="edit"),
    path("<int:pk>/quote.pdf", quotes.pdf, name="pdf"),
    path("<int:pk>/send/", quotes.send, name="send"),
    path("<int:pk>/copy/", quotes.copy, name="copy"),
    path("<int:pk>/invoice/", quotes.against_invoice, name="against-invoice"),
]
