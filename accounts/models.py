from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower

from thisthat.common.keys import new_id


class UserManager(BaseUserManager["User"]):
    def create_user(self, *, email: str, username: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=email, username=username, name=fields.pop("name", username), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, username: str, password: str | None = None, **fields: Any) -> "User":
        staff = {"is_staff": True, "is_superuser": True}
        return self.create_user(email=email, username=username, password=password, **staff, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        """A user by e-mail, in any case: what a person signs in to the admin with."""
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A person. E-mail and username are unique whatever their case."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField(max_length=254)
    username = models.CharField(max_length=50)
    name = models.CharField(max_length=100)
    avatar_url = models.URLField(max_length=500, blank=True, default="")
    bio = models.CharField(max_length=280, blank=True, default="")
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["username"]
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        db_table = "users"
        constraints = [
            models.UniqueConstraint(Lower("email"), name="users_email_unique"),
            models.UniqueConstraint(Lower("username"), name="users_username_unique"),
        ]

    def __str__(self) -> str:
        return self.username
