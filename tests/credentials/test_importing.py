"""Keys out of whatever people paste, and what becomes of them in the pool."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credentials.crypto import fingerprint
from credentials.findings import Verdict
from credentials.importing import examine, take_in
from credentials.keys import read_keys
from credentials.models import ApiKey, PoolVersion

A, B, C = "AQ.Ab8RN6LxYz-0123456789_a", "AIzaSyB0123456789abcdefghijklmnopqrstuv", "AQ.Cc.dotted.key.0123456789=="


def secrets(text: str) -> list[str]:
    return [candidate.secret for candidate in read_keys(text) if not candidate.flaw]


@pytest.mark.parametrize(
    "text",
    [
        f"{A}\n{B}\n{C}",
        f"{A}\r\n\r\n  {B}\t{C}  ",
        f"{A},{B},{C}",
        f"{A}; {B} ;{C};",
        f"{A} | {B} | {C}",
        f"\"{A}\", '{B}', `{C}`",
        f"“{A}” “{B}” “{C}”",
        f"\ufeff{A}\n\u200b{B}\u200b\n\xa0{C}",
        f"- {A}\n- {B}\n* {C}",
        f'["{A}", "{B}", "{C}"]',
        f"[{A}, {B}, {C}]",
        f'[{{"key": "{A}"}}, {{"api_key": "{B}"}}, "{C}"]',
        f'{{"key": "{A}"}}\n{{"key": "{B}"}}\n{{"key": "{C}"}}',
        f"GEMINI_API_KEYS={A},{B}\nexport OTHER = '{C}'",
        f'gemini_api_key: "{A}"\nsecond: {B}\nthird: {C}',
        f"# my keys\n{A} # the first\n// the others\n{B} // from work\n{C}",
    ],
)
def test_keys_are_found_whatever_stands_between_them(text):
    assert secrets(text) == [A, B, C]


def test_an_object_brings_its_label_and_project():
    [candidate] = read_keys(f'[{{"api_key": "{A}", "label": "team a", "project": "p-1"}}]')
    assert (candidate.secret, candidate.label, candidate.project) == (A, "team a", "p-1")


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing but a comment", "[]", "GEMINI_API_KEYS=", "---\n,,,;;"])
def test_where_there_is_no_key_none_is_found(text):
    assert read_keys(text) == []


@pytest.mark.parametrize(
    ("text", "where", "flaw"),
    [
        ("short", "line 1", "shorter than 8"),
        (f"{A}\nclé-of-somebody", "line 2", "no key can have"),
        ("x" * 501, "line 1", "longer than 500"),
        ("castor-0123456789abcdef", "line 1", "client token"),
        ('[{"label": "no key"}]', "item 1", "without key"),
        ('["' + A + '", 7]', "item 2", "neither a key"),
        ('["' + A + '", ["x"]]', "item 2", "neither a key"),
        ('[{"key": "' + A + '",\n  ]', "line 2", "not valid JSON"),
        ('{"key": "' + A + '"}\n{"key": ', "line 2", "not valid JSON"),
        ("[" * 100_000, "JSON", "nested too deeply"),
    ],
)
def test_what_cannot_be_a_key_is_named_with_its_place_and_reason(text, where, flaw):
    flawed = [candidate for candidate in read_keys(text) if candidate.flaw]
    assert [candidate.where for candidate in flawed] == [where]
    assert flaw in flawed[0].flaw


def test_a_key_with_equals_signs_at_its_end_is_not_taken_for_an_assignment():
    assert secrets("AIzaSyB0123456789abcdefg==") == ["AIzaSyB0123456789abcdefg=="]


@pytest.mark.django_db
def test_a_report_tells_new_from_duplicate_from_malformed_and_changes_nothing():
    ApiKey.objects.create(secret=A, label="old friend")
    report = examine(read_keys(f"{A}\n{B}\n{B}\nshort"))
    assert [finding.verdict for finding in report.findings] == ["duplicate", "new", "duplicate", "malformed"]
    assert report.counts == {"new": 1, "updates": 0, "duplicate": 2, "malformed": 1}
    assert [finding.note for finding in report.of(Verdict.DUPLICATE)] == [
        "in the pool already as old friend",
        "the same as line 2",
    ]
    assert ApiKey.objects.count() == 1


@pytest.mark.django_db
def test_a_report_shows_no_key():
    report = examine(read_keys(f"{A}\n{B}"))
    assert [finding.masked for finding in report.findings] == ["AQ.Ab…89_a", "AIzaS…stuv"]


@pytest.mark.django_db
def test_taking_in_twice_is_taking_in_once():
    text = f'[{{"key": "{A}", "label": "mine", "project": "own"}}, "{B}"]'
    assert take_in(examine(read_keys(text)), project="given", priority=3) == 2
    assert take_in(examine(read_keys(text)), project="given", priority=3) == 0
    rows = ApiKey.objects.order_by("id").values_list("label", "project", "priority", "fingerprint", "masked")
    assert list(rows) == [("mine", "own", 3, fingerprint(A), "AQ.Ab…89_a"), ("", "given", 3, fingerprint(B), "AIzaS…stuv")]
    assert [key.secret for key in ApiKey.objects.order_by("id")] == [A, B]


@pytest.mark.django_db
def test_an_import_moves_the_pool_s_version_once_and_an_empty_one_not_at_all():
    before = PoolVersion.current()[0]
    take_in(examine(read_keys(f"{A} {B} {C}")))
    assert PoolVersion.current()[0] == before + 1
    take_in(examine(read_keys(f"{A} {B} {C}")))
    assert PoolVersion.current()[0] == before + 1


@pytest.mark.django_db
def test_thirty_thousand_keys_go_in_with_few_statements():
    text = "\n".join(f"AQ.bulk-{number:032d}" for number in range(30_000))
    with CaptureQueriesContext(connection) as queries:
        assert take_in(examine(read_keys(text))) == 30_000
    assert ApiKey.objects.count() == 30_000
    assert len(queries) < 1_000
