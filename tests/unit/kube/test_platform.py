# SPDX-License-Identifier: Apache-2.0
"""Secret deckhouse-registry and the checksum that deckhouse-controller shows for it."""

import base64
import hashlib
import json

import pytest
from d8registry.errors import InvalidObject
from d8registry.kube.platform import build_data, build_docker_config, hash_content, is_fixed, read_endpoint
from d8registry.model.endpoint import FIXED_BASE, FIXED_HOST, Credentials, Endpoint, Scheme
from d8registry.model.secret import Secret

USER = Credentials(username="u", password=Secret("p"))


def secret(**data: str) -> dict[str, object]:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"metadata": {"name": "deckhouse-registry"}, "data": encoded}


def test_what_is_built_is_read_back() -> None:
    data = build_data(FIXED_BASE, Scheme.HTTPS, "CA\n", [(FIXED_HOST, USER), ("r.example.com", Credentials())])
    endpoint = read_endpoint(secret(**data))
    expected = Endpoint(host=FIXED_HOST, path="/system/deckhouse", ca="CA\n", credentials=USER)
    assert endpoint == expected
    assert is_fixed(endpoint)


def test_credentials_may_be_given_as_auth_alone() -> None:
    auth = base64.b64encode(b"u:p:q").decode()
    config = json.dumps({"auths": {"r.example.com": {"auth": auth}}})
    found = read_endpoint(
        secret(address="r.example.com", path="/a", scheme="https", **{".dockerconfigjson": config})
    ).credentials
    assert (found.username, found.password.value) == ("u", "p:q")


def test_an_anonymous_entry_holds_no_user() -> None:
    assert json.loads(build_docker_config([("h", Credentials())])) == {"auths": {"h": {}}}


@pytest.mark.parametrize(
    ("data", "named"),
    [({"scheme": "https"}, "address"), ({"address": "h", "scheme": "ftp"}, "scheme")],
    ids=["no address", "unknown scheme"],
)
def test_a_broken_contract_names_the_key(data: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidObject, match=f"key {named}"):
        read_endpoint(secret(**data))


def test_the_checksum_is_that_of_gos_json() -> None:
    # Written out by hand as Go's encoding/json does: field order, no blanks, < > & escaped, docker config as base64.
    config = base64.b64encode(b'{"auths":{}}').decode()
    text = (
        '{"address":"h","path":"/a","scheme":"https","ca":"\\u003cx\\u0026y\\u003e\\n",".dockerconfigjson":"'
        + config
        + '"}'
    )
    data = {"address": "h", "path": "/a", "scheme": "https", "ca": "<x&y>\n", ".dockerconfigjson": '{"auths":{}}'}
    assert hash_content(data) == hashlib.sha256(text.encode()).hexdigest()


def test_an_empty_ca_is_left_out_of_the_checksum() -> None:
    config = base64.b64encode(b"{}").decode()
    text = '{"address":"h","path":"/a","scheme":"http",".dockerconfigjson":"' + config + '"}'
    data = {"address": "h", "path": "/a", "scheme": "http", "ca": "", ".dockerconfigjson": "{}"}
    assert hash_content(data) == hashlib.sha256(text.encode()).hexdigest()
