"""Quotes and their lines, and shipping as something that is charged."""

from datetime import date
from decimal import Decimal

import accounts.models
import billing.models.quotes
import django.core.validators
import django.db.models.deletion
import django_fsm
from django.conf import settings
from django.db import migrations, models


def offer_shipping(apps, schema_editor):
    """What a quote asks for the way, charged with the first parcel."""
    product = apps.get_model("billing", "Product").objects.create(
        code="shipping",
        name="Shipping and handling",
        family="shipping",
        section="one-time",
        is_recurring=False,
        delay="shipped",
        credit_policy="no-credit",
        ledger_code="4520",
        tax_category="goods",
        rank=900,
    )
    prices = apps.get_model("billing", "Price").objects
    for currency, amount in (("USD", "15.00"), ("EUR", "14.00")):
        prices.create(
            product=product,
            amount=Decimal(amount),
            amount_currency=currency,
            effective_on=date(2020, 1, 1),
        )


def withdraw_shipping(apps, schema_editor):
    """Take it from the catalogue again."""
    apps.get_model("billing", "Price").objects.filter(product="shipping").delete()
    apps.get_model("billing", "Product").objects.filter(pk="shipping").delete()


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0006_partners'),
        ('billing', '0012_sell_hardware'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name='product',
            name='family',
            field=models.CharField(choices=[('licence', 'Licences'), ('contact-center', 'Contact center'), ('number', 'Numbers'), ('service', 'Services'), ('package', 'Toll-free packages'), ('hardware', 'Hardware'), ('shipping', 'Shipping'), ('plan', 'Plans')], max_length=20),
        ),
        migrations.CreateModel(
            name='Quote',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', django_fsm.FSMField(choices=[('draft', 'Draft'), ('sent', 'Sent'), ('accepted', 'Accepted'), ('declined', 'Declined'), ('expired', 'Expired')], default='draft', max_length=50, protected=True)),
                ('token', models.CharField(default=billing.models.quotes.new_token, editable=False, max_length=40, unique=True)),
                ('company', models.CharField(max_length=120)),
                ('contact_name', models.CharField(max_length=120)),
                ('contact_email', models.EmailField(max_length=254)),
                ('billing_address', models.TextField(blank=True)),
                ('shipping_address', models.TextField(blank=True)),
                ('currency', models.CharField(default='USD', max_length=3, validators=[accounts.models.validate_currency])),
                ('timezone', models.CharField(default='America/New_York', max_length=64, validators=[accounts.models.validate_timezone])),
                ('language', models.CharField(default='en-us', max_length=10)),
                ('bdom', models.PositiveSmallIntegerField(blank=True, help_text='Empty: the day of acceptance (ORD-2).', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(31)], verbose_name='billing day of the month')),
                ('edition', models.CharField(blank=True, max_length=10, verbose_name='contact center')),
                ('terms', models.TextField(blank=True)),
                ('valid_until', models.DateField()),
                ('created_at', models.DateTimeField()),
                ('sent_at', models.DateTimeField(blank=True, null=True)),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
                ('decided_by', models.CharField(blank=True, help_text='Who accepted or declined, by name.', max_length=120)),
                ('decline_reason', models.CharField(blank=True, max_length=300)),
                ('account', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='quote', to='accounts.account')),
                ('brand', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='quotes', to='accounts.brand')),
                ('created_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='quotes', to=settings.AUTH_USER_MODEL)),
                ('order', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='quote', to='billing.order')),
            ],
            options={
                'ordering': ('-id',),
            },
        ),
        migrations.CreateModel(
            name='QuoteLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('quantity', models.PositiveIntegerField()),
                ('unit_price', models.DecimalField(decimal_places=8, max_digits=18)),
                ('product', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='quote_lines', to='billing.product')),
                ('quote', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='lines', to='billing.quote')),
            ],
            options={
                'ordering': ('product__rank', 'id'),
            },
        ),
        migrations.AddConstraint(
            model_name='quote',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'accepted'), _negated=True), models.Q(('account__isnull', False), ('order__isnull', False)), _connector='OR'), name='accepted_quote_has_its_order'),
        ),
        migrations.AddConstraint(
            model_name='quote',
            constraint=models.CheckConstraint(condition=models.Q(('bdom', None), models.Q(('bdom__gte', 1), ('bdom__lte', 31)), _connector='OR'), name='quote_bdom_1_to_31'),
        ),
        migrations.AddConstraint(
            model_name='quoteline',
            constraint=models.UniqueConstraint(fields=('quote', 'product'), name='one_line_a_product', violation_error_message='This product is on the quote already.'),
        ),
        migrations.AddConstraint(
            model_name='quoteline',
            constraint=models.CheckConstraint(condition=models.Q(('quantity__gte', 1)), name='quote_line_has_a_quantity'),
        ),
        migrations.AddConstraint(
            model_name='quoteline',
            constraint=models.CheckConstraint(condition=models.Q(('unit_price__gte', 0)), name='quote_price_not_negative'),
        ),
        migrations.RunPython(offer_shipping, withdraw_shipping),
    ]
