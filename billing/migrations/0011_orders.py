"""Orders and their lines."""

import django.db.models.deletion
import django.db.models.expressions
import django_fsm
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0006_partners'),
        ('billing', '0010_meters'),
    ]

    operations = [
        migrations.CreateModel(
            name='Order',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('initial', 'Initial order'), ('add-on', 'Add-on order')], max_length=10)),
                ('state', django_fsm.FSMField(choices=[('quoted', 'Quoted'), ('accepted', 'Accepted'), ('processing', 'Processing'), ('completed', 'Completed'), ('cancelled', 'Cancelled')], default='quoted', max_length=50, protected=True)),
                ('reference', models.CharField(blank=True, help_text="The customer's own, as a purchase order.", max_length=80)),
                ('placed_on', models.DateField(help_text="The account's own date.")),
                ('placed_at', models.DateTimeField()),
                ('placed_by', models.CharField(max_length=120)),
                ('completed_on', models.DateField(blank=True, null=True)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='orders', to='accounts.account')),
            ],
            options={
                'ordering': ('-id',),
            },
        ),
        migrations.CreateModel(
            name='OrderLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('quantity', models.PositiveIntegerField()),
                ('unit_price', models.DecimalField(decimal_places=8, max_digits=18)),
                ('state', django_fsm.FSMField(choices=[('waiting', 'Waiting'), ('shipped', 'Shipped'), ('provided', 'Provided'), ('cancelled', 'Cancelled')], default='waiting', max_length=50, protected=True)),
                ('shipped', models.PositiveIntegerField(default=0)),
                ('cancelled', models.PositiveIntegerField(default=0)),
                ('charge', models.OneToOneField(blank=True, help_text='The charge of the units that wait for their shipment.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='order_line', to='billing.charge')),
                ('order', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='billing.order')),
                ('product', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='order_lines', to='billing.product')),
            ],
            options={
                'ordering': ('id',),
            },
        ),
        migrations.AddIndex(
            model_name='order',
            index=models.Index(fields=['account', '-id'], name='order_by_account'),
        ),
        migrations.AddConstraint(
            model_name='orderline',
            constraint=models.CheckConstraint(condition=models.Q(('quantity__gte', 1)), name='order_line_has_a_quantity'),
        ),
        migrations.AddConstraint(
            model_name='orderline',
            constraint=models.CheckConstraint(condition=models.Q(('quantity__gte', django.db.models.expressions.CombinedExpression(models.F('shipped'), '+', models.F('cancelled')))), name='order_line_not_exceeded'),
        ),
    ]
