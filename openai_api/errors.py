"""The errors that a caller can meet, in one family. No Django here: the dialect's body is made in `exception_handler.py`.

GatewayError
├── InvalidRequest            400  the caller's body, with the field named in `param`
│   └── StrictRefusal         400  X-Castor-Strict, and something would have been dropped
├── NotAuthenticated          401  no token, or not one of ours, or an expired or revoked one
├── ModelNotAllowed           403  this token may not use this model
├── MetricsForbidden          403  whoever asks may not read the numbers
├── ModelNotFound             404  no upstream serves this model
├── PathNotFound              404
├── FileNotFound              404  no such file among those of this owner
├── MethodNotAllowed          405
├── BodyTooLarge              413
├── UpstreamRefusal           4xx  the upstream refused this very request; another credential would not help
├── QuotaExhausted            429  every credential for the model rests; Retry-After says until when
├── NoCredential              503  there is none for the model, or none alive
├── Overloaded                503  this worker has enough to do
├── NotReady                  503  the pool is not loaded yet
├── UpstreamUnavailable       503  the upstream failed, and so did every retry
├── EncoderFailed             500  ffmpeg did not make of the sound what was asked for
├── UpstreamBroken            502  the upstream's answer broke off, after which nothing may be restarted
├── DeadlineExceeded          504  TIMEOUT ran out
└── StorageFull               507  an upload finds no room on the disk
"""

from typing import ClassVar


class GatewayError(Exception):
    """An error that becomes an answer. `kind` is OpenAI's `type`, `code` its machine-readable cause."""

    status: int = 500
    kind: str = "server_error"
    default_code: ClassVar[str | None] = None

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or self.default_code
        self.retry_after = retry_after
        """Seconds after which a retry can succeed, or None."""


class InvalidRequest(GatewayError):
    status = 400
    kind = "invalid_request_error"


class StrictRefusal(InvalidRequest):
    default_code = "unsupported_parameter"


class NotAuthenticated(GatewayError):
    status = 401
    kind = "invalid_request_error"
    default_code = "invalid_api_key"


class ModelNotAllowed(GatewayError):
    status = 403
    kind = "permission_error"
    default_code = "model_not_allowed"


class MetricsForbidden(GatewayError):
    status = 403
    kind = "permission_error"
    default_code = "metrics_forbidden"


class ModelNotFound(GatewayError):
    status = 404
    kind = "invalid_request_error"
    default_code = "model_not_found"


class PathNotFound(GatewayError):
    status = 404
    kind = "invalid_request_error"
    default_code = "unknown_url"


class FileNotFound(GatewayError):
    status = 404
    kind = "invalid_request_error"
    default_code = "file_not_found"


class MethodNotAllowed(GatewayError):
    status = 405
    kind = "invalid_request_error"
    default_code = "method_not_supported"


class BodyTooLarge(GatewayError):
    status = 413
    kind = "invalid_request_error"
    default_code = "request_too_large"


class UpstreamRefusal(GatewayError):
    kind = "invalid_request_error"

    def __init__(
        self, message: str, *, status: int, code: str | None = None, param: str | None = None, kind: str = "invalid_request_error"
    ) -> None:
        super().__init__(message, code=code, param=param)
        self.status = status
        self.kind = kind


class QuotaExhausted(GatewayError):
    status = 429
    kind = "rate_limit_error"
    default_code = "rate_limit_exceeded"


class NoCredential(GatewayError):
    status = 503
    default_code = "no_credential"


class Overloaded(GatewayError):
    status = 503
    kind = "overloaded"
    default_code = "overloaded"


class NotReady(GatewayError):
    status = 503
    default_code = "not_ready"


class UpstreamUnavailable(GatewayError):
    status = 503
    default_code = "upstream_unavailable"


class EncoderFailed(GatewayError):
    default_code = "encoder_failed"


class UpstreamBroken(GatewayError):
    status = 502
    default_code = "upstream_broken"


class DeadlineExceeded(GatewayError):
    status = 504
    kind = "timeout_error"
    default_code = "deadline_exceeded"


class StorageFull(GatewayError):
    status = 507
    default_code = "storage_full"
