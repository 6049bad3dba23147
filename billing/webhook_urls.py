"""Where gateways send their messages. Nobody is signed in there."""

from django.urls import path

from billing.views import webhooks

app_name = "webhooks"

urlpatterns = [path("stripe/", webhooks.stripe, name="stripe")]
