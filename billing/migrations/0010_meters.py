"""The meters of USE-2, and the rates that the panel begins with. Later rates are new rows."""

from datetime import date
from decimal import Decimal

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

FROM = date(2020, 1, 1)

# code, name, aggregation, pooling, ledger code, USD, EUR; the price of a minute
CALLS = [
    ("domestic-local", "Local calls", "sum", "none", "4710", "0.0100", "0.0090"),
    ("domestic-long-distance", "Long-distance calls", "sum", "none", "4720", "0.0200", "0.0180"),
    ("international", "International calls", "sum", "none", "4730", "0.2500", "0.2300"),
    ("toll-free-inbound", "Toll-free calls", "sum", "package", "4740", "0.0300", "0.0270"),
    (
        "toll-free-inbound-ak-hi-pr-vi",
        "Toll-free calls from Alaska, Hawaii, Puerto Rico and the Virgin Islands",
        "sum",
        "none",
        "4741",
        "0.0800",
        "0.0740",
    ),
    ("toll-free-inbound-canada", "Toll-free calls from Canada", "sum", "none", "4742", "0.0600", "0.0550"),
]
# code, name, unit, aggregation, pooling, ledger code, USD, EUR; the price of a unit
OTHERS = [
    ("agents", "Agents", "agent", "maximum", "agents", "4810", "95.0000", "88.0000"),
    ("ivr-ports", "IVR ports", "port", "maximum", "peaks", "4820", "25.0000", "23.0000"),
    ("connect-messages", "Connect messages", "message", "sum", "primary", "4830", "0.0090", "0.0080"),
    ("ai-agent", "AI agent", "session", "sum", "tenant", "4840", "0.9900", "0.9000"),
    ("ai-assistant", "AI assistant", "session", "sum", "tenant", "4841", "0.2500", "0.2300"),
    ("outbound-ivr", "Outbound IVR", "minute", "sum", "tenant", "4850", "0.0500", "0.0460"),
]


def load(apps: Apps, _: BaseDatabaseSchemaEditor) -> None:
    """Make the meters and their first rates."""
    meter_model, rate_model = apps.get_model("billing", "Meter"), apps.get_model("billing", "MeterRate")
    rows = [(*row[:2], "minute", *row[2:], True) for row in CALLS] + [(*row, False) for row in OTHERS]
    for rank, (code, name, unit, aggregation, pooling, ledger_code, usd, eur, is_call) in enumerate(rows, 1):
        meter = meter_model.objects.create(
            code=code,
            name=name,
            unit=unit,
            is_call=is_call,
            aggregation=aggregation,
            pooling=pooling,
            ledger_code=ledger_code,
            rank=rank * 10,
        )
        for currency, amount in (("USD", usd), ("EUR", eur)):
            rate_model.objects.create(
                meter=meter, per_unit=Decimal(amount), per_unit_currency=currency, effective_on=FROM
            )


def unload(apps: Apps, _: BaseDatabaseSchemaEditor) -> None:
    """Take them away again."""
    apps.get_model("billing", "MeterRate").objects.all().delete()
    apps.get_model("billing", "Meter").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("billing", "0009_usage_and_subscriptions")]

    operations = [migrations.RunPython(load, unload)]
