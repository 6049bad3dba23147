"""Put Contact Center and the toll-free packages on sale, with what they require, bring and hold."""

from datetime import date
from decimal import Decimal

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

FROM = date(2020, 1, 1)
INSTALLED = "contact-center-installed"
ACTIVE = "contact-center-active"
SHELVES = ("contact-center", "package")

# minutes, overage in USD and in EUR
PACKAGES = [
    (500, "0.0250", "0.0230"),
    (1000, "0.0240", "0.0220"),
    (2500, "0.0230", "0.0210"),
    (5000, "0.0220", "0.0200"),
    (10000, "0.0210", "0.0190"),
    (25000, "0.0200", "0.0180"),
    (50000, "0.0190", "0.0175"),
    (100000, "0.0180", "0.0165"),
    (225000, "0.0170", "0.0155"),
]


def sell(apps: Apps, _: BaseDatabaseSchemaEditor) -> None:
    """Open both shelves."""
    products = apps.get_model("billing", "Product").objects
    products.filter(family__in=SHELVES).update(is_on_sale=True)
    products.filter(family="contact-center").update(requires=INSTALLED)
    # With Express it is met on the day of installation; beside Pro or Elite an Express licence waits as all do.
    products.filter(pk="cc-express-licence").update(delay="activated", condition=ACTIVE)
    # The fee comes with a licence, and is not sold by itself.
    products.filter(pk="cc-activation-fee").update(is_on_sale=False, requires="")
    products.filter(pk__in=("cc-pro-licence", "cc-elite-licence")).update(brings="cc-activation-fee")
    terms = apps.get_model("billing", "PackageTerms")
    terms.objects.bulk_create(
        terms(
            product_id=f"toll-free-{minutes}",
            minutes=minutes,
            overage=Decimal(overage),
            overage_currency=currency,
            effective_on=FROM,
        )
        for minutes, usd, eur in PACKAGES
        for currency, overage in (("USD", usd), ("EUR", eur))
    )


def withdraw(apps: Apps, _: BaseDatabaseSchemaEditor) -> None:
    """Close them again."""
    apps.get_model("billing", "PackageTerms").objects.all().delete()
    products = apps.get_model("billing", "Product").objects
    products.filter(family__in=SHELVES).update(is_on_sale=False, requires="", brings=None)
    products.filter(pk="cc-express-licence").update(delay="none", condition="")


class Migration(migrations.Migration):
    dependencies = [("billing", "0007_contact_center_products")]

    operations = [migrations.RunPython(sell, withdraw)]
