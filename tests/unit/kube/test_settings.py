# SPDX-License-Identifier: Apache-2.0
"""Every rule of the registry section: what is accepted, and which field and rule a refusal names."""

from typing import Any

import pytest
from d8registry.errors import InvalidSettings
from d8registry.kube.settings import parse_module_settings, parse_settings
from d8registry.model.endpoint import Credentials, Endpoint, Scheme
from d8registry.model.secret import Secret
from d8registry.model.settings import CheckMode, Mode, ModuleSettings, OnFailure, Settings

CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def is_certificates(text: str) -> bool:
    return text.strip() == CA.strip()


def body(**fields: Any) -> dict[str, Any]:
    return {"mode": "Direct", "direct": {"imagesRepo": "r.example.com/d8/ee", **fields}}


@pytest.mark.parametrize("section", [None, {}, {"mode": "Unmanaged"}], ids=["absent", "empty", "named"])
def test_unmanaged_without_parameters_is_the_default(section: Any) -> None:
    assert parse_settings(section, is_certificates) == Settings(mode=Mode.UNMANAGED, endpoint=None)


def test_all_fields_are_taken_over() -> None:
    found = parse_settings(body(ca=CA, username="u", password="p", checkMode="Relax"), is_certificates)
    assert found == Settings(
        mode=Mode.DIRECT,
        endpoint=Endpoint(
            host="r.example.com",
            path="/d8/ee",
            scheme=Scheme.HTTPS,
            ca=CA,
            credentials=Credentials(username="u", password=Secret("p")),
        ),
        check_mode=CheckMode.RELAX,
    )


def test_a_licence_is_the_password_of_license_token() -> None:
    found = parse_settings(body(license="k3y"), is_certificates).endpoint
    assert found is not None
    assert found.credentials == Credentials(username="license-token", password=Secret("k3y"))


def test_blanks_and_trailing_slashes_of_the_repository_are_trimmed() -> None:
    found = parse_settings({"mode": "Direct", "direct": {"imagesRepo": "  h:5000/a/b// "}}, is_certificates).endpoint
    assert found is not None
    assert (found.host, found.path) == ("h:5000", "/a/b")


def test_unmanaged_may_be_configured() -> None:
    found = parse_settings({"mode": "Unmanaged", "unmanaged": {"imagesRepo": "h/a", "scheme": "HTTP"}}, is_certificates)
    assert found.endpoint == Endpoint(host="h", path="/a", scheme=Scheme.HTTP)


BROKEN = [
    ({"mode": "Sideways"}, "mode", "must be one of Unmanaged, Direct, Proxy, Local"),
    ({"mode": "Direct"}, "direct", "is required with mode Direct"),
    ({"mode": "Proxy"}, "proxy", "is required with mode Proxy"),
    ({"mode": "Unmanaged", "direct": {"imagesRepo": "h/a"}}, "direct", "is allowed only with mode Direct"),
    ({"mode": "Direct", "direct": "h/a"}, "direct", "must be an object"),
    ({"mode": "Direct", "direct": {}}, "direct.imagesRepo", "is required"),
    (body(imagesRepo="h"), "direct.imagesRepo", "must name a path"),
    (body(imagesRepo="https://h/a"), "direct.imagesRepo", "must match"),
    (body(imagesRepo="h:99999/a"), "direct.imagesRepo", "port"),
    (body(imagesRepo=7), "direct.imagesRepo", "must be a string"),
    (body(scheme="FTP"), "direct.scheme", "must be one of HTTP, HTTPS"),
    (body(scheme="HTTP", ca=CA), "direct.ca", "is not allowed with scheme HTTP"),
    (body(ca="nonsense"), "direct.ca", "PEM"),
    (body(username="u"), "direct.password", "together"),
    (body(password="p"), "direct.username", "together"),
    (body(license="k", username="u", password="p"), "direct.license", "excludes"),
    (body(username="a:b", password="p"), "direct.username", "colon"),
    (body(checkMode="Maybe"), "direct.checkMode", "must be one of Default, Relax"),
    (body(imageRepo="typo"), "direct.imageRepo", "unknown field"),
    ({"mode": "Unmanaged", "modus": 1}, "modus", "unknown field"),
    ({"mode": "Proxy", "proxy": {"imagesRepo": "h/a", "ttl": "4m59s"}}, "proxy.ttl", "at least 5m"),
    ({"mode": "Proxy", "proxy": {"imagesRepo": "h/a", "ttl": "soon"}}, "proxy.ttl", "must match"),
    ("Direct", "registry", "must be an object"),
]


@pytest.mark.parametrize(("section", "field", "rule"), BROKEN, ids=[f"{b[1]}: {b[2]}" for b in BROKEN])
def test_a_broken_rule_names_field_and_rule(section: Any, field: str, rule: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        parse_settings(section, is_certificates)
    assert [found for found, text in caught.value.problems if rule in text] == [field]


def test_all_broken_rules_are_named_at_once_and_no_secret_is() -> None:
    with pytest.raises(InvalidSettings) as caught:
        parse_settings(body(imagesRepo="h", license="top-secret", password="hush"), is_certificates)
    assert {field for field, _ in caught.value.problems} == {"direct.imagesRepo", "direct.license"}
    assert "top-secret" not in str(caught.value)
    assert "hush" not in str(caught.value)


def test_the_modules_own_settings_are_read_in_seconds() -> None:
    values = {"stepDeadline": "1h30m", "onFailure": "Hold", "unreachableGrace": "90s", "usersGrace": "5m", "soak": "2m"}
    expected = ModuleSettings(
        step_deadline=5400, on_failure=OnFailure.HOLD, unreachable_grace=90, users_grace=300, soak=120
    )
    assert parse_module_settings(values) == expected
    assert parse_module_settings({}) == ModuleSettings()
