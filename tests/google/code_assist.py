"""Code Assist, `v1internal`: Gemini's bodies in an envelope, the setting-up of an account, and its quota (section 4)."""

import re
import secrets
from typing import Any

from tests.google import bearer, delivery, faults, faults_code_assist, generating, rules, transcoding
from tests.google.accounts import CLOUD_PLATFORM, User
from tests.google.errors import Refusal, invalid, refusal
from tests.google.exchange import Exchange
from tests.google.faults import Circumstances
from tests.google.log import Call
from tests.google.models import MODELS, Model
from tests.google.scripts import GENERATION, Script
from tests.google.surface import Body, Surface
from tests.google.tiers import eligibility

METHOD_PATH = re.compile(r"/v1internal:(\w+)")
OPERATION_PATH = re.compile(r"/v1internal/(operations/.+)")
MESSAGES = {
    "generateContent": "GenerateContentRequest",
    "streamGenerateContent": "GenerateContentRequest",
    "countTokens": "CountTokensRequest",
    "loadCodeAssist": "LoadCodeAssistRequest",
    "onboardUser": "OnboardUserRequest",
    "retrieveUserQuota": "RetrieveUserQuotaRequest",
    "listExperiments": "ListExperimentsRequest",
    "fetchAdminControls": "FetchAdminControlsRequest",
    "setCodeAssistGlobalUserSetting": "SetCodeAssistGlobalUserSettingRequest",
    "recordCodeAssistMetrics": "RecordCodeAssistMetricsRequest",
}
GETS = ("getCodeAssistGlobalUserSetting",)
WITH_METADATA = ("loadCodeAssist", "onboardUser", "listExperiments", "recordCodeAssistMetrics")
OWN_NAMES = {"gemini-3-flash": "gemini-3.5-flash"}
"""Code Assist's name of a model → the Gemini API's, where they differ (section 4.5)."""


class CodeAssist(Surface):
    name = "code_assist"

    def route(self, http_method: str, path: str) -> tuple[str, str]:
        """The model stands in the body, and joins the call when that is read."""
        if http_method == "GET" and OPERATION_PATH.fullmatch(path):
            return "getOperation", ""
        match = METHOD_PATH.fullmatch(path)
        method = match[1] if match else ""
        return (method, "") if method in (MESSAGES if http_method == "POST" else GETS) else ("", "")

    def read(self, call: Call) -> Body:
        if call.http_method == "GET":
            return {}
        call.body = transcoding.read_json(call.raw)
        request = transcoding.read(call.body, f"google.internal.cloud.code.v1internal.{MESSAGES[call.method]}")
        if call.method == "countTokens":
            call.model = request.get("request", {}).get("model", "").removeprefix("models/")
        else:
            call.model = request.get("model", "")
        return request

    def authenticate(self, call: Call) -> None:
        """An access token, and nothing beside it: a quota project in a header is the wrong one (section 4.2)."""
        if call.headers.get("x-goog-api-key") or call.query.get("key"):
            raise faults.make("credentials_missing", Circumstances())
        token, user = bearer.recognise(call.headers, self.state.oauth)
        call.account = user.email
        if CLOUD_PLATFORM not in token.scopes:
            raise bearer.scope_insufficient(faults_code_assist.SERVICE)
        if quota_project := call.headers.get("x-goog-user-project"):
            raise self._fault("private_api_disabled", project=quota_project)

    def check(self, call: Call, request: Body) -> None:
        user = self._user(call)
        if call.method in WITH_METADATA and "metadata" not in request:
            raise invalid("Request contains an invalid argument.")
        if call.method in GENERATION:
            call.project = request.get("project", "")
            self._check_account(user)
            self._check_project(user, call.project)
            rules.check_generation(_with_roles(request.get("request", {})), _model(call.model))
        elif call.method == "countTokens":
            self._check_account(user)
            _check_count(request.get("request", {}))
        elif call.method == "retrieveUserQuota":
            call.project = request.get("project", "")
            self._check_project(user, call.project)

    async def serve(self, exchange: Exchange, request: Body, script: Script) -> None:
        call = exchange.call
        if call.method in GENERATION:
            await self._generate(exchange, request, script)
        else:
            await delivery.send_whole(exchange, self._other(call, request), script, None)

    async def _generate(self, exchange: Exchange, request: Body, script: Script) -> None:
        call = exchange.call
        if refused := self.state.code_assist.take(self._user(call), call.model):
            raise refused
        fault = self.fault(call, script) if script.error else None
        responses = generating.responses_to(call.method, request["request"], _model(call.model), script)
        trace = secrets.token_hex(8)
        await delivery.send_answer(exchange, responses, script, fault, wrap=lambda response: _envelope(response, trace))

    def _other(self, call: Call, request: Body) -> Body:
        user = self._user(call)
        match call.method:
            case "loadCodeAssist":
                return self._load(user, request)
            case "onboardUser":
                return self._onboard(user, request)
            case "getOperation":
                return self._look(user, call.path)
            case "retrieveUserQuota":
                return {"buckets": self.state.code_assist.buckets(user)}
            case "countTokens":
                return {"totalTokens": generating.count(request["request"])["totalTokens"]}
            case "getCodeAssistGlobalUserSetting" | "setCodeAssistGlobalUserSetting":
                return {"freeTierDataCollectionOptin": request.get("freeTierDataCollectionOptin", False)}
        return {}

    # --- Setting up (section 4.4) -----------------------------------------------------------------------------

    def _load(self, user: User, request: Body) -> Body:
        """What the account has and may have. A project that is named must be the user's, but may be left out."""
        named = request.get("cloudaicompanionProject", "")
        if named:
            self._check_project(user, named)
        return eligibility(user)

    def _onboard(self, user: User, request: Body) -> Body:
        tier, project = request.get("tierId", ""), request.get("cloudaicompanionProject", "")
        if user.ineligible or tier not in user.allowed:
            raise self._fault("no_licence")
        if tier != "free-tier":
            self._check_project(user, project)
        elif project:
            # That tier's project is one that Google manages.
            raise refusal(400, "Precondition Failed", status="FAILED_PRECONDITION")
        assistance = self.state.code_assist
        return assistance.look(assistance.begin(user, tier, project), user)

    def _look(self, user: User, path: str) -> Body:
        match = OPERATION_PATH.fullmatch(path)
        name = match[1] if match else ""
        operation = self.state.code_assist.operations.get(name)
        if operation is None or operation.email != user.email:
            raise self._fault("model_not_found")
        return self.state.code_assist.look(name, user)

    # --- Who may ask ------------------------------------------------------------------------------------------

    def _user(self, call: Call) -> User:
        return self.state.oauth.users[call.account]

    def _check_account(self, user: User) -> None:
        if "UNSUPPORTED_CLIENT" in user.ineligible:
            raise self._fault("unsupported_client")
        if "VALIDATION_REQUIRED" in user.ineligible:
            raise self._fault("validation_required")
        if user.ineligible or not user.licensed or not user.tier:
            raise self._fault("no_licence")

    def _check_project(self, user: User, project: str) -> None:
        if not project:
            raise invalid("Request contains an invalid argument.")
        if project in user.projects and project not in user.code_assist_projects:
            raise self._fault("service_disabled", project=project)
        if project not in user.code_assist_projects:
            raise self._fault("foreign_project", project=project)

    def _fault(self, name: str, project: str = "") -> Refusal:
        return faults_code_assist.FAULTS[name](Circumstances(project=project))

    def wording(self, call: Call, refusal: Refusal) -> Any:
        return faults_code_assist.wording(refusal.body, streamed=call.method == "streamGenerateContent")


def _model(name: str) -> Model:
    """Text models only, by Code Assist's names; there are no embeddings, pictures or voices (section 4.2)."""
    model = MODELS.get(OWN_NAMES.get(name, name))
    if model is None or model.kind != "text" or name in OWN_NAMES.values():
        raise faults_code_assist.FAULTS["model_not_found"](Circumstances())
    return model


def _with_roles(request: Body) -> Body:
    """A content without a role is nobody's here (section 1.3)."""
    if not all(content.get("role") for content in request.get("contents", ())):
        raise invalid("Please use a valid role: user, model.")
    return request


def _check_count(request: Body) -> None:
    """The model bears its prefix here alone; a thought and its text are two members of one oneof (sections 4.3 and 2.3)."""
    if not request.get("model", "").startswith("models/"):
        raise invalid("Request contains an invalid argument.")
    _model(request["model"].removeprefix("models/"))
    for number, content in enumerate(_with_roles(request)["contents"]):
        for index, part in enumerate(content.get("parts", ())):
            if part.get("thought"):
                at = f"request.contents[{number}].parts[{index}]"
                raise invalid(f"Invalid value at '{at}' (oneof), oneof field 'data' is already set. Cannot set 'thought'")
    rules.check_parts(request)


def _envelope(response: Body, trace: str) -> Body:
    """An answer as Code Assist sends it: its responseId is the traceId beside it."""
    return {"response": {name: value for name, value in response.items() if name != "responseId"}, "traceId": trace}
