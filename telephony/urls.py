"""Addresses of numbers, services and the contact center, below the account's own."""

from django.urls import path

from telephony.views import (
    contact_center,
    contact_center_subscription,
    contact_center_users,
    number,
    numbers,
    packages,
    porting,
    services,
)

app_name = "telephony"

urlpatterns = [
    path("numbers/", numbers.numbers, name="numbers"),
    path("numbers.csv", numbers.numbers_csv, name="numbers-csv"),
    path("numbers/add/", numbers.number_add, name="number-add"),
    path("numbers/bulk/", numbers.numbers_bulk, name="numbers-bulk"),
    path("numbers/assign/", number.assign_to, name="number-assign-to"),
    path("numbers/porting/", porting.ports, name="number-ports"),
    path("numbers/porting.csv", porting.ports_csv, name="number-ports-csv"),
    path("numbers/porting/in/", porting.port_in, name="number-port-in"),
    path("numbers/porting/out/", porting.port_out, name="number-port-out"),
    path("numbers/porting/<int:pk>/", porting.port, name="number-port"),
    path("numbers/porting/<int:pk>/submit/", porting.port_submit, name="number-port-submit"),
    path("numbers/porting/<int:pk>/cancel/", porting.port_cancel, name="number-port-cancel"),
    path("numbers/<int:pk>/", number.number, name="number"),
    path("numbers/<int:pk>/assign/", number.number_assign, name="number-assign"),
    path("numbers/<int:pk>/swap/", number.number_swap, name="number-swap"),
    path("numbers/<int:pk>/park/", number.number_park, name="number-park"),
    path("numbers/<int:pk>/release/", number.number_release, name="number-release"),
    path("numbers/<int:pk>/toll-free/", packages.number_toll_free, name="number-toll-free"),
    path("services/", services.services, name="services"),
    path("services.csv", services.services_csv, name="services-csv"),
    path("services/add/", services.service_add, name="service-add"),
    path("services/<int:pk>/", services.service, name="service"),
    path("services/<int:pk>/edit/", services.service_edit, name="service-edit"),
    path("services/<int:pk>/remove/", services.service_remove, name="service-remove"),
    path("contact-center/", contact_center.contact_center, name="contact-center"),
    path("contact-center/install/", contact_center.install_contact_center, name="contact-center-install"),
    path("contact-center/ready/", contact_center.ready, name="contact-center-ready"),
    path("contact-center/test-call/", contact_center.test_call, name="contact-center-test-call"),
    path(
        "contact-center/subscription/",
        contact_center_subscription.subscription,
        name="contact-center-subscription",
    ),
    path("contact-center/subscription/add/", contact_center_subscription.add, name="contact-center-add"),
    path(
        "contact-center/subscription/remove/",
        contact_center_subscription.remove,
        name="contact-center-remove",
    ),
    path(
        "contact-center/subscription/storage/",
        contact_center_subscription.storage,
        name="contact-center-storage",
    ),
    path("contact-center/users/", contact_center_users.users, name="contact-center-users"),
    path("contact-center/users.csv", contact_center_users.users_csv, name="contact-center-users-csv"),
    path("contact-center/numbers/", contact_center_users.numbers, name="contact-center-numbers"),
    path("contact-center/numbers.csv", contact_center_users.numbers_csv, name="contact-center-numbers-csv"),
    path("contact-center/toll-free/", contact_center_subscription.toll_free, name="contact-center-toll-free"),
]
