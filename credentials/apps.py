from django.apps import AppConfig


class CredentialsConfig(AppConfig):
    name = "credentials"
    verbose_name = "Pool"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from credentials import signals

        signals.connect()
