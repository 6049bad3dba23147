"""Addresses of a quote for who has its link, below /quotes/."""

from django.urls import path, register_converter

from billing.views import offer


class TokenConverter:
    """What a token is made of; what is not is no address."""

    regex = "[A-Za-z0-9_-]{20,40}"

    def to_python(self, value: str) -> str:
        """The token of an address."""
        return value

    def to_url(self, value: str) -> str:
        """A token in an address."""
        return value


register_converter(TokenConverter, "quote_token")

app_name = "offer"

urlpatterns = [
    path("<quote_token:token>/", offer.offer, name="offer"),
    path("<quote_token:token>.pdf", offer.pdf, name="pdf"),
    path("<quote_token:token>/accept/", offer.accept, name="accept"),
    path("<quote_token:token>/decline/", offer.decline, name="decline"),
]
