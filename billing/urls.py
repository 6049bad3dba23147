"""Addresses of the billing pages of an account, under the namespace `billing`."""

from django.urls import path

from billing.views import (
    cards,
    charges,
    collection,
    invoices,
    licences,
    overage,
    overview,
    payments,
    plan_checkout,
    plans,
    quote_walk,
    statement,
    subscription_actions,
    subscription_people,
    subscriptions,
    test_bank,
    usage,
    user_licences,
)

app_name = "billing"

account = "a/<slug:account>/"
bought = f"{account}licences/"
billing = f"{account}billing/"
owned = f"{account}subscriptions/"
used = f"{account}usage/"
planned = f"{account}plans/"
kept = f"{billing}cards/"
bank = f"{account}test-bank/"

urlpatterns = [
    path(bought, licences.licences, name="licences"),
    path(f"{bought}add/", licences.licence_add, name="licence-add"),
    path(f"{bought}remove/", licences.licence_remove, name="licence-remove"),
    path(f"{account}users/<int:pk>/licences/", user_licences.end_user_licences, name="end-user-licences"),
    path(
        f"{account}users/<int:pk>/licences/edit/",
        user_licences.end_user_licences_edit,
        name="end-user-licences-edit",
    ),
    path(owned, subscriptions.subscriptions, name="subscriptions"),
    path(f"{account}subscriptions.csv", subscriptions.subscriptions_csv, name="subscriptions-csv"),
    path(f"{owned}add/", subscription_actions.subscription_add, name="subscription-add"),
    path(f"{owned}overage/", overage.overage, name="overage"),
    path(f"{owned}<int:pk>/", subscriptions.subscription, name="subscription"),
    path(f"{owned}<int:pk>/buy/", subscription_actions.subscription_buy, name="subscription-buy"),
    path(
        f"{owned}<int:pk>/give-back/",
        subscription_actions.subscription_give_back,
        name="subscription-give-back",
    ),
    path(
        f"{owned}<int:pk>/commitments/",
        subscription_actions.subscription_commitments,
        name="subscription-commitments",
    ),
    path(f"{owned}<int:pk>/end/", subscription_actions.subscription_end, name="subscription-end"),
    path(f"{account}subscriptions/<int:pk>/people/", subscription_people.people, name="subscription-people"),
    path(
        f"{account}subscriptions/<int:pk>/people.csv",
        subscription_people.people_csv,
        name="subscription-people-csv",
    ),
    path(used, usage.usage, name="usage"),
    path(f"{used}by/<slug:by>/", usage.usage_by, name="usage-by"),
    path(f"{used}by/<slug:by>.csv", usage.usage_by_csv, name="usage-by-csv"),
    path(f"{used}records/", usage.usage_records, name="usage-records"),
    path(f"{used}records.csv", usage.usage_records_csv, name="usage-records-csv"),
    path(billing, overview.overview, name="overview"),
    path(f"{billing}next/", overview.next_invoice, name="next-invoice"),
    path(f"{billing}quote/", quote_walk.quote, name="quote"),
    path(f"{billing}charges/", charges.charges, name="charges"),
    path(f"{billing}charges.csv", charges.charges_csv, name="charges-csv"),
    path(f"{billing}invoices/", invoices.invoices, name="invoices"),
    path(f"{billing}invoices.csv", invoices.invoices_csv, name="invoices-csv"),
    path(f"{billing}invoices/<str:number>/", invoices.invoice, name="invoice"),
    path(f"{billing}invoices/<str:number>.csv", invoices.invoice_csv, name="invoice-csv"),
    path(f"{billing}payments/<uuid:key>/", collection.collection, name="collection"),
    path(f"{billing}payments/<uuid:key>/cancel/", collection.collection_cancel, name="collection-cancel"),
    path(kept, cards.cards, name="cards"),
    path(f"{kept}add/", cards.card_add, name="card-add"),
    path(f"{kept}add/<uuid:key>/", cards.card_continue, name="card-continue"),
    path(f"{kept}return/<uuid:key>/", cards.card_return, name="card-return"),
    path(f"{kept}<int:pk>/default/", cards.card_default, name="card-default"),
    path(f"{kept}<int:pk>/remove/", cards.card_remove, name="card-remove"),
    path(f"{bank}cards/<uuid:key>/", test_bank.bank_card, name="test-bank-card"),
    path(f"{bank}payments/<uuid:key>/", test_bank.bank_confirm, name="test-bank-confirm"),
    path(planned, plans.plans, name="plans"),
    path(f"{planned}details/", plans.plan, name="plan"),
    path(f"{planned}try/", plans.plan_try, name="plan-try"),
    path(f"{planned}choose/", plan_checkout.plan_choose, name="plan-choose"),
    path(f"{planned}schedule/", plan_checkout.plan_schedule, name="plan-schedule"),
    path(f"{planned}unsubscribe/", plans.plan_unsubscribe, name="plan-unsubscribe"),
    path(f"{planned}keep/", plans.plan_keep, name="plan-keep"),
    path(f"{planned}orders.csv", plans.plan_orders_csv, name="plan-orders-csv"),
    path(f"{planned}orders/<uuid:key>/", plan_checkout.plan_order, name="plan-order"),
    path(f"{planned}orders/<uuid:key>/cancel/", plan_checkout.plan_order_cancel, name="plan-order-cancel"),
    path(f"{billing}payments/", payments.payments, name="payments"),
    path(f"{billing}payments.csv", payments.payments_csv, name="payments-csv"),
    path(f"{billing}payments/<int:pk>/", payments.payment, name="payment"),
    path(f"{billing}pay/", payments.pay, name="pay"),
    path(f"{billing}collect-by-card/", payments.collect_by_card, name="collect-by-card"),
    path(f"{billing}statement/", statement.statement, name="statement"),
    path(f"{billing}statement.csv", statement.statement_csv, name="statement-csv"),
]
