# SPDX-License-Identifier: Apache-2.0
"""The stand-in's reading of `deckhouse-registry` and its checksum."""

import base64
import json

import pytest

from box.platform.registry_secret import (
    DOCKER_CONFIG,
    BrokenSecretError,
    RegistrySecret,
    build_docker_config,
    build_registry_secret,
    compute_checksum,
    find_login,
    parse_registry_secret,
)


def build(**changes: str) -> RegistrySecret:
    fields = {
        "address": "registry-a.box.test",
        "path": "/deckhouse/ee",
        "scheme": "https",
        "ca": "",
        "docker_config": '{"auths":{"registry-a.box.test":{"username":"u","password":"p","auth":"dTpw"}}}',
    }
    return RegistrySecret(**{**fields, **changes})


@pytest.mark.parametrize(
    ("secret", "checksum"),
    [
        pytest.param(build(), "78ed1bb9a08336a1f56974a8900f1102593c1c8ec5f2ee8bee5614df770a005b", id="without a CA"),
        pytest.param(
            build(
                address="registry.d8-system.svc:5001",
                path="/system/deckhouse",
                ca='-----BEGIN CERTIFICATE-----\nMIIB<>&\u2028é\t"x"\n-----END CERTIFICATE-----\n',
                docker_config='{"auths":{}}',
            ),
            "24f6ebd3d049fbe07b9823431f9c23ee201e8fbbe2bee6b9b2382f2fd8062d02",
            id="all that Go escapes",
        ),
    ],
)
def test_the_checksum_is_that_of_gos_encoding_json(secret: RegistrySecret, checksum: str) -> None:
    # Recorded with a Go program: a struct of these fields, `ca` omitempty, the docker configuration as []byte.
    assert compute_checksum(secret) == checksum


def test_a_secret_that_is_written_reads_back_equal() -> None:
    secret = build(ca="PEM\n")
    assert parse_registry_secret(build_registry_secret(secret)["data"]) == secret


@pytest.mark.parametrize("key", ["address", "path", "scheme", DOCKER_CONFIG])
def test_a_missing_key_is_named(key: str) -> None:
    data = build_registry_secret(build())["data"]
    del data[key]
    with pytest.raises(BrokenSecretError, match=key):
        parse_registry_secret(data)


def test_a_docker_configuration_that_is_no_json_is_refused() -> None:
    data = build_registry_secret(build())["data"]
    data[DOCKER_CONFIG] = base64.b64encode(b"{").decode()
    with pytest.raises(BrokenSecretError):
        parse_registry_secret(data)


def test_a_login_is_found_by_host_under_any_path_and_in_either_form() -> None:
    assert find_login(build()) == ("u", "p")
    coded = {"auths": {"https://registry-a.box.test/deckhouse": {"auth": base64.b64encode(b"a:b:c").decode()}}}
    assert find_login(build(docker_config=json.dumps(coded))) == ("a", "b:c")
    assert find_login(build(docker_config='{"auths":{"other.test":{"username":"x"}}}')) == ("", "")


def test_an_anonymous_docker_configuration_names_the_host_without_a_user() -> None:
    assert json.loads(build_docker_config("h", "", "")) == {"auths": {"h": {}}}
    assert json.loads(build_docker_config("h", "u", "p"))["auths"]["h"]["auth"] == "dTpw"
