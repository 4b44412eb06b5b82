from django.urls import path

from economy.views import TransactionViewSet

urlpatterns = [
    path("/me", TransactionViewSet.as_view({"get": "mine"})),
]
