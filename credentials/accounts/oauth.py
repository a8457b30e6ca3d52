# Placeholder of the lead so that imports work: H2 overwrites this file.
class OAuthError(Exception):
    remedy = ""


class LoginEnded(OAuthError): ...


class OAuthUnavailable(OAuthError): ...
