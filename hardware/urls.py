"""Addresses of devices, below the account's own."""

from django.urls import path

from hardware.views import changes, device, devices

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
]
