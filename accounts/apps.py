"""The app's entry in Django."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class AccountsConfig(AppConfig):
    """Who: brands, accounts, users, end users, the trail."""

    name = "accounts"
    label = "accounts"


class AdministrationConfig(admin_apps.AdminConfig):
    """Django's admin, with the panel's own site in it."""

    default = False
    default_site = "accounts.administration.Administration"
