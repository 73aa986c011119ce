# SPDX-License-Identifier: Apache-2.0
"""Registry configuration of nodes: what node-manager refuses, and the hosts.toml that its step writes."""

import tomllib

import pytest
import yaml

from box.platform.registry_config import (
    BrokenConfigError,
    build_unmanaged_config,
    parse_registry_config,
    render_hosts_toml,
)
from box.platform.registry_secret import RegistrySecret, build_docker_config

CONFIG = """
mode: Direct
version: "7"
imagesBase: registry.d8-system.svc:5001/system/deckhouse
proxyEndpoints: []
hosts:
  registry.d8-system.svc:5001:
    mirrors:
      - host: registry.example.com
        scheme: https
        ca: |
          PEM
        auth: {username: u, password: p, auth: ""}
        rewrites:
          - {from: "^system/deckhouse", to: "deckhouse/ee"}
      - host: old.example.com:5000
        scheme: http
        auth: {auth: eDp5}
"""

HOSTS_TOML = """\
[host]

  [host."https://registry.example.com"]
    capabilities = ["pull", "resolve"]
    ca = ["/etc/containerd/registry.d/registry.d8-system.svc:5001/https-registry.example.com-ca.crt"]
    [host."https://registry.example.com".auth]
      auth = "dTpw"
    [[host."https://registry.example.com".rewrite]]
      regex = "^system/deckhouse"
      replace = "deckhouse/ee"

  [host."http://old.example.com:5000"]
    capabilities = ["pull", "resolve"]
    skip_verify = true
    [host."http://old.example.com:5000".auth]
      auth = "eDp5"
"""


def test_hosts_toml_is_written_in_the_platforms_form() -> None:
    ((host, mirrors),) = parse_registry_config(CONFIG).hosts
    text = render_hosts_toml(host, mirrors)
    assert text == HOSTS_TOML
    assert list(tomllib.loads(text)["host"]) == ["https://registry.example.com", "http://old.example.com:5000"]


@pytest.mark.parametrize("key", ["mode", "version", "imagesBase", "hosts"])
def test_a_required_field_that_is_missing_is_named(key: str) -> None:
    content = yaml.safe_load(CONFIG)
    del content[key]
    with pytest.raises(BrokenConfigError, match=f"{key} is required"):
        parse_registry_config(yaml.safe_dump(content))


def test_one_host_and_scheme_may_not_stand_twice() -> None:
    content = yaml.safe_load(CONFIG)
    mirrors = content["hosts"]["registry.d8-system.svc:5001"]["mirrors"]
    mirrors.append(mirrors[0])
    with pytest.raises(BrokenConfigError, match="once"):
        parse_registry_config(yaml.safe_dump(content))


@pytest.mark.parametrize("text", ["", "[]", "a: [", "just words"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(BrokenConfigError):
        parse_registry_config(text)


def test_without_a_configuration_nodes_get_the_real_registry_alone() -> None:
    config = build_docker_config("registry-a.box.test", "u", "p")
    secret = RegistrySecret(
        address="registry-a.box.test", path="/deckhouse/ee", scheme="https", ca="PEM", docker_config=config
    )
    built = build_unmanaged_config(secret)
    mirror = built.plain
    assert mirror is not None
    assert built.hosts == ()
    assert (mirror.url, mirror.auth, mirror.ca) == ("https://registry-a.box.test", "dTpw", "PEM")
    assert not mirror.rewrites
