"""Addresses of devices, below the account's own."""

from django.urls import path

from hardware.views import basket, changes, device, devices, orders

app_name = "hardware"

urlpatterns = [
    path("devices/", devices.devices, name="devices"),
    path("devices.csv", devices.devices_csv, name="devices-csv"),
    path("devices/assign/", device.assign_to, name="device-assign-to"),
    path("devices/<int:pk>/", device.device, name="device"),
    path("devices/<int:pk>/assign/", device.device_assign, name="device-assign"),
    path("devices/<int:pk>/location/", device.device_location, name="device-location"),
    path("devices/<int:pk>/swap/", changes.device_swap, name="device-swap"),
    path("devices/<int:pk>/replace/", changes.device_replace, name="device-replace"),
    path("devices/<int:pk>/unassign/", changes.device_unassign, name="device-unassign"),
    path("devices/<int:pk>/secret/", changes.device_secret, name="device-secret"),
    path("devices/<int:pk>/retire/", changes.device_retire, name="device-retire"),
    path("orders/", orders.orders, name="orders"),
    path("orders.csv", orders.orders_csv, name="orders-csv"),
    path("orders/new/", basket.order_new, name="order-new"),
    path("orders/review/", basket.order_review, name="order-review"),
    path("orders/<int:pk>/", orders.order, name="order"),
    path("orders/<int:pk>/cancel/", orders.order_cancel, name="order-cancel"),
]
