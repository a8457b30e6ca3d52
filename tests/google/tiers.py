"""Code Assist's tiers, as loadCodeAssist tells of them (section 4.4)."""

from typing import Any

from tests.google import faults_code_assist
from tests.google.accounts import User

NAMES = {
    "free-tier": "Gemini Code Assist for individuals",
    "legacy-tier": "Gemini Code Assist (legacy)",
    "standard-tier": "Gemini Code Assist",
    "g1-pro-tier": "Google AI Pro",
    "g1-ultra-tier": "Google AI Ultra",
}
REASONS = {
    "UNSUPPORTED_CLIENT": faults_code_assist.UNSUPPORTED,
    "VALIDATION_REQUIRED": "Verify your account to continue.",
    "RESTRICTED_AGE": "You must be 18 or older to use Gemini Code Assist.",
    "UNSUPPORTED_LOCATION": "Gemini Code Assist is not available in your location.",
    "DASHER_USER": "Your Workspace account is not eligible for Gemini Code Assist for individuals.",
}


def described(tier: str) -> dict[str, Any]:
    return {"id": tier, "name": NAMES.get(tier, tier), "description": f"The simulated {tier}."}


def eligibility(user: User) -> dict[str, Any]:
    """The answer of loadCodeAssist. Fields without a value are not there."""
    said: dict[str, Any] = {}
    if user.tier:
        said["currentTier"] = described(user.tier)
    if user.allowed:
        said["allowedTiers"] = [_offered(tier, is_default=tier == user.allowed[0]) for tier in user.allowed]
    if user.ineligible:
        said["ineligibleTiers"] = [_denied(reason, user) for reason in user.ineligible]
    if user.managed_project:
        said["cloudaicompanionProject"] = user.managed_project
    if user.paid_tier:
        said["paidTier"] = described(user.paid_tier)
    return said


def _offered(tier: str, *, is_default: bool) -> dict[str, Any]:
    offered = {**described(tier), "userDefinedCloudaicompanionProject": tier != "free-tier"}
    return {**offered, "isDefault": True} if is_default else offered


def _denied(reason: str, user: User) -> dict[str, Any]:
    message = REASONS.get(reason, "You are not eligible for Gemini Code Assist for individuals.")
    denied = {"reasonCode": reason, "reasonMessage": message, "tierId": "free-tier", "tierName": NAMES["free-tier"]}
    if reason == "VALIDATION_REQUIRED":
        denied |= {"validationUrl": user.validation_url, "validationErrorMessage": message}
    return denied
