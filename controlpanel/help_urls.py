"""Addresses of the help."""

from django.urls import path

from controlpanel import help as help_pages

app_name = "help"

urlpatterns = [
    path("", help_pages.index, name="index"),
    path("<slug:slug>/", help_pages.topic, name="topic"),
]
