"""The admin's sign-in: tried as seldom as the API's, and counted apart from it."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from unfold.forms import AuthenticationForm

from accounts.throttles import remember_device, seconds_until_allowed


class LoginForm(AuthenticationForm):  # type: ignore[misc]
    """Has the same message for a wrong password, an unknown e-mail, a suspended user and one who isn't staff."""

    def clean(self) -> dict[str, Any]:
        """Validate the credentials. Raises ValidationError; throttles before the password is looked at."""
        self.cleaned_data["username"] = str(self.cleaned_data.get("username", "")).strip()
        if seconds := seconds_until_allowed(self.request, email=self.cleaned_data["username"]):
            raise ValidationError(f"Too many attempts. Try again in {seconds:.0f} seconds.", code="throttled")
        cleaned: dict[str, Any] = super().clean()
        return cleaned


def login(request: HttpRequest) -> HttpResponse:
    """Show and take the admin's form, and remember the browser of who signed in by it."""
    response = admin.site.login(request)
    if request.method == "POST" and request.user.is_authenticated:
        remember_device(request, response, request.user.email or "")
    return response
