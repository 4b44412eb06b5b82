"""Takes allauth's pages out: X's app is set up by the environment, and accounts change by signing in."""

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin

for model in (EmailAddress, SocialAccount, SocialApp, SocialToken):
    admin.site.unregister(model)
