"""The error bodies that the simulator makes are the ones that were seen (section 6, `tests/wire/google_errors.json`)."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.google.asking import FLASH_25, ask, saying
from tests.google.faults import FAULTS, Circumstances, make

RECORDED = json.loads((Path(__file__).parents[1] / "wire" / "google_errors.json").read_text())["bodies"]
PAGES = ("html_404", "html_408", "html_413", "html_429", "html_502", "empty_502")
INVENTED = ("strange",)


def fits(seen: Any, made: Any) -> bool:
    """Whether a body is as it was seen, `…` standing for whatever was not noted."""
    if isinstance(seen, dict) and isinstance(made, dict):
        return seen.keys() == made.keys() and all(fits(seen[name], made[name]) for name in seen)
    if isinstance(seen, list) and isinstance(made, list):
        return len(seen) == len(made) and all(fits(one, other) for one, other in zip(seen, made, strict=True))
    if isinstance(seen, str) and "…" in seen:
        pattern = ".*".join(re.escape(piece) for piece in seen.split("…"))
        return re.fullmatch(pattern, made if isinstance(made, str) else "", re.DOTALL) is not None or seen == "…"
    return seen == made


@pytest.mark.parametrize("record", RECORDED, ids=lambda record: record["fault"])
def test_a_fault_is_made_as_it_was_seen(record):
    refusal = make(record["fault"], Circumstances(**record["circumstances"]))
    assert fits(record["body"], refusal.body), json.dumps(refusal.body, indent=1)
    assert refusal.code == record["body"]["error"]["code"]


def test_every_fault_was_seen_or_is_a_page_or_plainly_invented():
    assert {record["fault"] for record in RECORDED} | {*PAGES, *INVENTED} == FAULTS.keys()


@pytest.mark.parametrize("name", PAGES)
def test_front_ends_answer_with_pages_that_are_not_json(google, name):
    google.script(error=name)
    response = ask(google, saying())
    assert response.status_code == int(name.rsplit("_", 1)[1])
    assert response.headers["content-type"].startswith("text/html")
    with pytest.raises(json.JSONDecodeError):
        response.json()


def test_a_fault_speaks_of_the_key_and_the_model_that_were_used(google):
    google.keys["AQ.secret"] = "project-1"
    google.script(error="suspended")
    google.script(error="day_quota", limit=7, seconds=3.5)
    assert "'api_key:AQ.secret' has been suspended" in ask(google, saying(), key="AQ.secret").json()["error"]["message"]
    message = ask(google, saying(), FLASH_25).json()["error"]["message"]
    assert message.endswith("limit: 7, model: gemini-2.5-flash\nPlease retry in 3.5s.")


def test_a_project_has_one_number_whichever_key_asks():
    first, second, other = (
        Circumstances(key=key, project=project).project_number for key, project in (("a", "p"), ("b", "p"), ("a", "q"))
    )
    assert first == second != other


def test_an_unknown_fault_names_the_known_ones():
    with pytest.raises(KeyError, match="day_quota"):
        make("no such", Circumstances())
