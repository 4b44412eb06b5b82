import os
import secrets
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import IntegrityError
from django.utils import timezone

from accounts.models import User
from accounts.providers.sign_in import clean_username
from accounts.staff import ensure_superuser
from core.api.errors import DomainError
from devtools.management.commands.dev import bring_database_up_to_date, own_url

EMAIL = "admin@example.com"
PASSWORD_BYTES = 12


class Command(BaseCommand):
    help = "Make a superuser for the admin, or give it a new password: `make admin`. For development."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--email", default=os.environ.get("ADMIN_EMAIL") or EMAIL, help="or ADMIN_EMAIL")
        parser.add_argument("--username", help="of a new one; else it is made of the e-mail")
        parser.add_argument(
            "--password", default=os.environ.get("ADMIN_PASSWORD"), help="or ADMIN_PASSWORD; else random"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("In production: manage.py createsuperuser, and changepassword.")
        email, password = options["email"], options["password"] or secrets.token_urlsafe(PASSWORD_BYTES)
        username = options["username"] or clean_username(email.partition("@")[0], "admin")
        try:
            validate_email(email)
            validate_password(password, User(email=email, username=username))
        except ValidationError as refusal:
            raise CommandError(" ".join(refusal.messages)) from refusal
        bring_database_up_to_date()
        try:
            _, is_new = ensure_superuser(email=email, username=username, password=password, now=timezone.now())
        except IntegrityError as exc:
            raise CommandError(f"The username {username} is taken: give another with --username.") from exc
        except DomainError as refusal:
            raise CommandError(str(refusal)) from refusal
        done = f"Made the superuser {email}." if is_new else f"{email} is a superuser, with a new password."
        rows = {"Admin": f"{own_url()}/admin/", "E-mail": email, "Password": password}
        self.stdout.write("\n".join([done, *(f"  {name:<8}  {value}" for name, value in rows.items())]))
