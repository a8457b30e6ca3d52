from django.urls import path

from credentials.accounts import status, views

app_name = "auth"
urlpatterns = [
    path("login", views.login, name="login"),
    path("callback", views.callback, name="callback"),
    path("status", status.status, name="status"),
]
