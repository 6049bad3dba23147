"""The catalogue that the panel begins with. Later changes are made in the admin, as new rows."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

FROM = date(2020, 1, 1)
CONTACT_CENTER = "contact-center-active"
ON_SALE = frozenset({"licence", "number", "service"})

# code, name, family, USD, EUR, ledger code
LICENCES = [
    ("uc-licence", "UC licence", "24.99", "22.99", "4010"),
]
CC_LICENCES = [
    ("cc-express-licence", "Contact Center Express licence", "39.00", "36.00", "4110"),
    ("cc-pro-licence", "Contact Center Pro licence", "79.00", "73.00", "4111"),
    ("cc-elite-licence", "Contact Center Elite licence", "109.00", "99.00", "4112"),
]
CC_ITEMS = [
    ("cc-channel-chat", "Chat channel", "15.00", "14.00", "4120"),
    ("cc-channel-email", "E-mail channel", "12.00", "11.00", "4120"),
    ("cc-channel-sms", "SMS channel", "18.00", "16.50", "4120"),
    ("cc-channel-social", "Social channel", "20.00", "18.50", "4120"),
    ("cc-addon-quality", "Quality management add-on", "25.00", "23.00", "4130"),
    ("cc-addon-outbound", "Outbound campaigns add-on", "35.00", "32.00", "4130"),
    ("cc-addon-analytics", "Advanced analytics add-on", "30.00", "27.50", "4130"),
    ("cc-addon-wfo", "Workforce optimization add-on", "45.00", "41.50", "4130"),
    ("cc-recording-10", "Recording storage, 10 GB", "9.00", "8.00", "4140"),
    ("cc-recording-100", "Recording storage, 100 GB", "49.00", "45.00", "4140"),
    ("cc-recording-1000", "Recording storage, 1,000 GB", "299.00", "275.00", "4140"),
]
SERVICES = [
    ("resource-line", "Resource line", "12.99", "11.99", "4210"),
    ("fax-line", "Fax line", "14.99", "13.99", "4220"),
    ("webfax", "Webfax", "9.99", "8.99", "4220"),
    ("auto-attendant", "Further auto attendant", "9.99", "8.99", "4230"),
    ("hunt-group", "Hunt group", "0.00", "0.00", "4240"),
]
PACKAGES = [
    ("toll-free-500", "Toll-free package, 500 minutes", "12.00", "11.00"),
    ("toll-free-1000", "Toll-free package, 1,000 minutes", "22.00", "20.00"),
    ("toll-free-2500", "Toll-free package, 2,500 minutes", "52.00", "48.00"),
    ("toll-free-5000", "Toll-free package, 5,000 minutes", "100.00", "92.00"),
    ("toll-free-10000", "Toll-free package, 10,000 minutes", "190.00", "175.00"),
    ("toll-free-25000", "Toll-free package, 25,000 minutes", "450.00", "415.00"),
    ("toll-free-50000", "Toll-free package, 50,000 minutes", "850.00", "780.00"),
    ("toll-free-100000", "Toll-free package, 100,000 minutes", "1600.00", "1475.00"),
    ("toll-free-225000", "Toll-free package, 225,000 minutes", "3375.00", "3100.00"),
]
HARDWARE = [
    ("phone-desk-basic", "Desk phone, basic", "89.00", "85.00"),
    ("phone-desk-executive", "Desk phone, executive", "249.00", "235.00"),
    ("phone-conference", "Conference phone", "399.00", "375.00"),
    ("phone-cordless", "Cordless phone", "129.00", "119.00"),
    ("headset", "Headset", "149.00", "139.00"),
]
PLANS = [
    ("plan-contact-center-1", "Contact Center 1", "19.00", "17.50"),
    ("plan-contact-center-2", "Contact Center 2", "35.00", "32.00"),
    ("plan-contact-center-3", "Contact Center 3", "59.00", "54.00"),
]


def products() -> Iterator[tuple[dict[str, Any], str, str]]:
    """Yield (fields of the product, USD price, EUR price) in the catalogue's order."""
    for code, name, usd, eur, ledger in LICENCES:
        yield dict(code=code, name=name, family="licence", section="recurring", is_licence=True,
                   delay="timed", delay_days=7, ledger_code=ledger), usd, eur
    for code, name, usd, eur, ledger in CC_LICENCES:
        waits = code != "cc-express-licence"
        yield dict(code=code, name=name, family="contact-center", section="recurring",
                   is_licence=True, delay="activated" if waits else "none",
                   condition=CONTACT_CENTER if waits else "", ledger_code=ledger), usd, eur
    yield dict(code="cc-activation-fee", name="Contact Center activation fee",
               family="contact-center", section="one-time", is_recurring=False, delay="activated",
               condition=CONTACT_CENTER, credit_policy="no-credit", ledger_code="4150"), "50.00", "46.00"
    for code, name, usd, eur, ledger in CC_ITEMS:
        yield dict(code=code, name=name, family="contact-center", section="recurring",
                   delay="activated", condition=CONTACT_CENTER, ledger_code=ledger), usd, eur
    yield dict(code="number-local", name="Local number", family="number", section="recurring",
               delay="parked", delay_days=30, ledger_code="4310"), "2.50", "2.30"
    yield dict(code="number-toll-free", name="Toll-free number", family="number",
               section="recurring", ledger_code="4320"), "4.00", "3.70"
    for code, name, usd, eur, ledger in SERVICES:
        yield dict(code=code, name=name, family="service", section="recurring",
                   ledger_code=ledger), usd, eur
    for code, name, usd, eur in PACKAGES:
        yield dict(code=code, name=name, family="package", section="recurring",
                   ledger_code="4410"), usd, eur
    for code, name, usd, eur in HARDWARE:
        yield dict(code=code, name=name, family="hardware", section="hardware",
                   is_recurring=False, delay="shipped", credit_policy="no-credit",
                   tax_category="goods", ledger_code="4510"), usd, eur
    for code, name, usd, eur in PLANS:
        yield dict(code=code, name=name, family="plan", section="recurring",
                   credit_policy="no-credit", ledger_code="4610"), usd, eur


def load(apps: Apps, _: BaseDatabaseSchemaEditor) -> None:
    """Put the products and their first prices in."""
    product_model = apps.get_model("billing", "Product")
    price_model = apps.get_model("billing", "Price")
    rows, prices = [], []
    for rank, (fields, usd, eur) in enumerate(products(), start=1):
        # The panel sells what it can deliver; the other shelves open with their own parts.
        is_on_sale = fields["family"] in ON_SALE
        rows.append(product_model(rank=rank * 10, is_on_sale=is_on_sale, **fields))
        for currency, amount in (("USD", usd), ("EUR", eur)):
            prices.append(
                price_model(
                    product_id=fields["code"],
                    amount=Decimal(amount),
                    amount_currency=currency,
                    effective_on=FROM,
                )
            )
    product_model.objects.bulk_create(rows)
    price_model.objects.bulk_create(prices)


def unload(apps: Apps, _: BaseDatabaseSchemaEditor) -> None:
    """Take them out again; refused by the database where one is in use."""
    apps.get_model("billing", "Price").objects.all().delete()
    apps.get_model("billing", "Product").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial")]

    operations = [migrations.RunPython(load, unload)]
