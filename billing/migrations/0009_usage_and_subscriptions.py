"""Meters, rates, usage records and their imports; subscriptions, and what is billed and assigned of them."""

import django.core.validators
import django.db.models.deletion
import djmoney.models.fields
import djmoney.models.validators
from django.db import migrations, models

from billing.permanence import guard, release


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_partners"),
        ("billing", "0008_sell_contact_center"),
    ]

    operations = [
        # On the way back the triggers are put on when everything else is as it was.
        migrations.RunPython(migrations.RunPython.noop, guard),
        migrations.CreateModel(
            name="Meter",
            fields=[
                ("code", models.SlugField(max_length=40, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=80)),
                (
                    "unit",
                    models.CharField(
                        help_text="What is counted, in the singular: minute, agent.", max_length=20
                    ),
                ),
                (
                    "is_call",
                    models.BooleanField(default=False, help_text="Kept in seconds, priced by the minute."),
                ),
                (
                    "aggregation",
                    models.CharField(
                        choices=[("sum", "sum"), ("maximum", "maximum"), ("distinct", "distinct")],
                        default="sum",
                        max_length=10,
                    ),
                ),
                (
                    "pooling",
                    models.CharField(
                        choices=[
                            ("none", "none"),
                            ("package", "package"),
                            ("agents", "agents"),
                            ("peaks", "peaks"),
                            ("tenant", "tenant"),
                            ("primary", "primary"),
                        ],
                        default="none",
                        max_length=10,
                    ),
                ),
                ("ledger_code", models.CharField(help_text="The account of finance's books.", max_length=20)),
                ("tax_category", models.CharField(default="telecom", max_length=20)),
                (
                    "rank",
                    models.PositiveSmallIntegerField(default=0, help_text="Its place in lists and invoices."),
                ),
            ],
            options={
                "ordering": ("rank", "code"),
            },
        ),
        migrations.CreateModel(
            name="SubscriptionCommitment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("meter", models.CharField(max_length=40)),
                ("quantity", models.PositiveIntegerField()),
                ("starts_on", models.DateField()),
                ("ends_on", models.DateField(blank=True, null=True)),
                ("recorded_on", models.DateField()),
            ],
            options={
                "ordering": ("meter", "starts_on"),
            },
        ),
        migrations.CreateModel(
            name="Tenancy",
            fields=[
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="tenancy",
                        serialize=False,
                        to="accounts.account",
                    ),
                ),
                (
                    "licence_mode",
                    models.CharField(
                        choices=[("concurrent", "Concurrent"), ("named", "Named")], max_length=10
                    ),
                ),
                (
                    "telephony_option",
                    models.CharField(
                        choices=[
                            ("webex-calling", "Webex Calling"),
                            ("bundled-pstn", "Bundled PSTN"),
                            ("vpop", "VPOP"),
                        ],
                        max_length=16,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "tenancies",
            },
        ),
        migrations.CreateModel(
            name="UsageFault",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("line", models.PositiveBigIntegerField()),
                ("field", models.CharField(blank=True, max_length=40)),
                ("reason", models.CharField(max_length=300)),
                (
                    "content",
                    models.CharField(help_text="The line as it came, cut where it is long.", max_length=500),
                ),
            ],
            options={
                "ordering": ("line",),
            },
        ),
        migrations.CreateModel(
            name="UsageImport",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(help_text="The file's name, as it came.", max_length=200)),
                ("path", models.CharField(help_text="Where the file lies while it is read.", max_length=500)),
                ("size", models.PositiveBigIntegerField(help_text="In bytes.")),
                (
                    "source",
                    models.CharField(
                        choices=[("upload", "Upload"), ("command", "Command"), ("folder", "Watched folder")],
                        max_length=10,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("running", "Running"),
                            ("finished", "Finished"),
                            ("failed", "Failed"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("by", models.CharField(max_length=120)),
                ("created_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "lines_done",
                    models.PositiveBigIntegerField(
                        default=0, help_text="Lines of the file dealt with, the header too."
                    ),
                ),
                ("bytes_done", models.PositiveBigIntegerField(default=0)),
                ("taken", models.PositiveBigIntegerField(default=0)),
                (
                    "known",
                    models.PositiveBigIntegerField(default=0, help_text="Records that had come in before."),
                ),
                (
                    "free",
                    models.PositiveBigIntegerField(
                        default=0, help_text="Calls that cost nothing by their kind."
                    ),
                ),
                ("refused", models.PositiveBigIntegerField(default=0)),
                (
                    "unrated",
                    models.PositiveBigIntegerField(
                        default=0, help_text="Taken, and no rate is set for them."
                    ),
                ),
                ("failed_reason", models.CharField(blank=True, max_length=300)),
            ],
            options={
                "ordering": ("-id",),
            },
        ),
        migrations.CreateModel(
            name="UsageRecord",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("record_id", models.CharField(max_length=64)),
                ("meter", models.CharField(max_length=40)),
                ("occurred_at", models.DateTimeField()),
                ("occurred_on", models.DateField()),
                ("recorded_on", models.DateField()),
                ("quantity", models.PositiveBigIntegerField()),
                ("units", models.PositiveBigIntegerField()),
                ("unit_price", models.DecimalField(decimal_places=8, max_digits=18, null=True)),
                ("subject", models.CharField(blank=True, max_length=80)),
                (
                    "destination",
                    models.CharField(
                        blank=True, help_text="The prefix that decided on the rate.", max_length=16
                    ),
                ),
                ("number", models.CharField(blank=True, max_length=16)),
                ("peer", models.CharField(blank=True, max_length=20)),
                ("holder", models.CharField(blank=True, max_length=80)),
            ],
            options={
                "ordering": ("id",),
            },
        ),
        migrations.AlterField(
            model_name="invoiceline",
            name="quantity",
            field=models.DecimalField(decimal_places=4, max_digits=18),
        ),
        migrations.AlterField(
            model_name="invoiceline",
            name="subscription",
            field=models.CharField(max_length=80, null=True),
        ),
        migrations.CreateModel(
            name="MeterRate",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "per_unit_currency",
                    djmoney.models.fields.CurrencyField(
                        choices=[("EUR", "Euro"), ("USD", "US Dollar")],
                        default="USD",
                        editable=False,
                        max_length=3,
                    ),
                ),
                (
                    "per_unit",
                    djmoney.models.fields.MoneyField(
                        decimal_places=8,
                        max_digits=18,
                        validators=[djmoney.models.validators.MinMoneyValidator(0)],
                    ),
                ),
                ("minimum_seconds", models.PositiveIntegerField(default=60)),
                ("increment_seconds", models.PositiveIntegerField(default=60)),
                ("effective_on", models.DateField()),
                (
                    "brand",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="meter_rates",
                        to="accounts.brand",
                    ),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="rates", to="billing.meter"
                    ),
                ),
            ],
            options={
                "ordering": ("meter", "effective_on"),
            },
        ),
        migrations.CreateModel(
            name="PrefixRate",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "prefix",
                    models.CharField(
                        max_length=16,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^\\+[1-9]\\d{0,14}$", "A prefix is like +44 or +1876."
                            )
                        ],
                    ),
                ),
                ("destination", models.CharField(blank=True, max_length=80)),
                (
                    "per_unit_currency",
                    djmoney.models.fields.CurrencyField(
                        choices=[("EUR", "Euro"), ("USD", "US Dollar")],
                        default="USD",
                        editable=False,
                        max_length=3,
                    ),
                ),
                (
                    "per_unit",
                    djmoney.models.fields.MoneyField(
                        decimal_places=8,
                        max_digits=18,
                        validators=[djmoney.models.validators.MinMoneyValidator(0)],
                    ),
                ),
                ("effective_on", models.DateField()),
                ("ends_on", models.DateField(blank=True, null=True)),
                (
                    "brand",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="prefix_rates",
                        to="accounts.brand",
                    ),
                ),
            ],
            options={
                "ordering": ("prefix", "effective_on"),
            },
        ),
        migrations.CreateModel(
            name="Subscription",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=80)),
                (
                    "offer",
                    models.CharField(
                        choices=[("flex", "Flex"), ("flex-3", "Flex 3")], default="flex-3", max_length=10
                    ),
                ),
                (
                    "term_months",
                    models.PositiveSmallIntegerField(
                        help_text="A month that is begun counts.",
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(60),
                        ],
                    ),
                ),
                ("starts_on", models.DateField()),
                ("agreed_until", models.DateField()),
                ("ends_on", models.DateField()),
                ("recorded_on", models.DateField()),
                ("end_recorded_on", models.DateField(blank=True, null=True)),
                ("department", models.CharField(blank=True, max_length=80)),
                ("billing_contact", models.EmailField(blank=True, max_length=254)),
                (
                    "warned_days",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="The last warning before its end that went out, as days.",
                        null=True,
                    ),
                ),
                (
                    "partner",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="subscriptions",
                        to="accounts.partner",
                    ),
                ),
            ],
            options={
                "ordering": ("starts_on", "id"),
            },
        ),
        migrations.AddField(
            model_name="charge",
            name="subscription",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                help_text="The subscription that it is billed for, from its start to its end (SUB-10).",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="charges",
                to="billing.subscription",
            ),
        ),
        migrations.AddField(
            model_name="licenceassignment",
            name="subscription",
            field=models.ForeignKey(
                blank=True,
                help_text="The subscription whose licence it is; without one, the account's own.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="assignments",
                to="billing.subscription",
            ),
        ),
        migrations.AddIndex(
            model_name="charge",
            index=models.Index(
                condition=models.Q(("subscription__isnull", False)),
                fields=["subscription"],
                name="charge_by_subscription",
            ),
        ),
        migrations.AddField(
            model_name="subscriptioncommitment",
            name="subscription",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="commitments",
                to="billing.subscription",
            ),
        ),
        migrations.AddConstraint(
            model_name="tenancy",
            constraint=models.CheckConstraint(
                condition=models.Q(("licence_mode__in", ["concurrent", "named"])),
                name="tenancy_has_a_licence_mode",
            ),
        ),
        migrations.AddConstraint(
            model_name="tenancy",
            constraint=models.CheckConstraint(
                condition=models.Q(("telephony_option__in", ["webex-calling", "bundled-pstn", "vpop"])),
                name="tenancy_has_a_telephony_option",
            ),
        ),
        migrations.AddField(
            model_name="subscription",
            name="tenancy",
            field=models.ForeignKey(
                db_column="account_id",
                on_delete=django.db.models.deletion.PROTECT,
                related_name="subscriptions",
                to="billing.tenancy",
            ),
        ),
        migrations.AddField(
            model_name="usagefault",
            name="usage_import",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="faults", to="billing.usageimport"
            ),
        ),
        migrations.AddField(
            model_name="usagerecord",
            name="account",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="usage",
                to="accounts.account",
            ),
        ),
        migrations.AddField(
            model_name="usagerecord",
            name="subscription",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="usage",
                to="billing.subscription",
            ),
        ),
        migrations.AddField(
            model_name="usagerecord",
            name="usage_import",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="records",
                to="billing.usageimport",
            ),
        ),
        migrations.AddConstraint(
            model_name="meterrate",
            constraint=models.UniqueConstraint(
                condition=models.Q(("brand", None)),
                fields=("meter", "per_unit_currency", "effective_on"),
                name="one_rate_a_day",
                violation_error_message="A rate from that day is there already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="meterrate",
            constraint=models.UniqueConstraint(
                condition=models.Q(("brand__isnull", False)),
                fields=("meter", "brand", "per_unit_currency", "effective_on"),
                name="one_rate_a_day_and_brand",
                violation_error_message="A rate of this brand from that day is there already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="meterrate",
            constraint=models.CheckConstraint(
                condition=models.Q(("per_unit__gte", 0)), name="rate_not_negative"
            ),
        ),
        migrations.AddConstraint(
            model_name="meterrate",
            constraint=models.CheckConstraint(
                condition=models.Q(("increment_seconds__gte", 1)), name="increment_of_a_second"
            ),
        ),
        migrations.AddConstraint(
            model_name="prefixrate",
            constraint=models.UniqueConstraint(
                condition=models.Q(("brand", None)),
                fields=("prefix", "per_unit_currency", "effective_on"),
                name="one_prefix_rate_a_day",
                violation_error_message="A rate of this prefix from that day is there already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="prefixrate",
            constraint=models.UniqueConstraint(
                condition=models.Q(("brand__isnull", False)),
                fields=("prefix", "brand", "per_unit_currency", "effective_on"),
                name="one_prefix_rate_a_day_and_brand",
                violation_error_message="A rate of this prefix and brand from that day is there already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="prefixrate",
            constraint=models.CheckConstraint(
                condition=models.Q(("per_unit__gte", 0)), name="prefix_rate_not_negative"
            ),
        ),
        migrations.AddConstraint(
            model_name="subscriptioncommitment",
            constraint=models.UniqueConstraint(
                fields=("subscription", "meter", "starts_on"), name="one_commitment_a_meter_and_day"
            ),
        ),
        migrations.AddConstraint(
            model_name="subscriptioncommitment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ends_on", None), ("ends_on__gte", models.F("starts_on")), _connector="OR"
                ),
                name="commitment_ends_after_start",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.UniqueConstraint(
                fields=("tenancy", "name"),
                name="one_subscription_a_name",
                violation_error_message="A subscription of this name is there already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(("agreed_until__gt", models.F("starts_on"))), name="subscription_has_a_day"
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("ends_on__gte", models.F("starts_on")), ("ends_on__lte", models.F("agreed_until"))
                ),
                name="subscription_ends_in_its_term",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(("term_months__gte", 1), ("term_months__lte", 60)),
                name="subscription_term_1_to_60",
            ),
        ),
        migrations.AddConstraint(
            model_name="usagefault",
            constraint=models.UniqueConstraint(fields=("usage_import", "line"), name="one_fault_a_line"),
        ),
        migrations.AddIndex(
            model_name="usagerecord",
            index=models.Index(fields=["account", "recorded_on"], name="usage_by_record_day"),
        ),
        migrations.AddIndex(
            model_name="usagerecord",
            index=models.Index(fields=["account", "occurred_on"], name="usage_by_day"),
        ),
        migrations.AddConstraint(
            model_name="usagerecord",
            constraint=models.UniqueConstraint(
                fields=("account", "record_id"), name="one_usage_record_an_id"
            ),
        ),
        migrations.AddField(
            model_name="billingschedule",
            name="usage_recorded_on",
            field=models.DateField(
                blank=True,
                help_text="The last day of which invoice runs find usage, if there is any.",
                null=True,
            ),
        ),
        # SQLite has made the table of lines anew, and its triggers went with the old one.
        migrations.RunPython(guard, release),
    ]
