from django.db import models


class OAuthState(models.Model):
    """A sign-in that went to X and has not come back. Written and taken by `accounts.x.state` alone.

    Of the state and of the browser's cookie only the SHA-256 is here, so who reads the table can't use its rows.
    """

    state_hash = models.CharField(max_length=64, primary_key=True)
    browser_hash = models.CharField(max_length=64)
    verifier = models.CharField(max_length=128)
    referral_code = models.CharField(max_length=32, blank=True, default="")
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "oauth_states"
        indexes = [models.Index(fields=["expires_at"], name="oauth_states_expires_at")]

    def __str__(self) -> str:
        return f"a state until {self.expires_at}"
