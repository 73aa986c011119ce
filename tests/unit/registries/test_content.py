# SPDX-License-Identifier: Apache-2.0
"""Descriptions of registries: no two share an address or a name, and every host can be resolved."""

import pytest

from box.errors import BoxError
from box.registries.catalogue import REGISTRIES, get_registry, list_names


def test_no_two_registries_share_name_host_or_address() -> None:
    for field in ("name", "host", "address"):
        values = [getattr(one, field) for one in REGISTRIES]
        assert len(set(values)) == len(values)
    addresses = [one.address for one in REGISTRIES] + [one.store_address for one in REGISTRIES if one.store]
    assert len(set(addresses)) == len(addresses)


def test_every_host_of_a_registry_resolves_to_it() -> None:
    names = list_names()
    assert names["auth.registry-b.box.test"] == names["registry-b.box.test"]
    assert names["store.box.test"] != names["registry-redirecting.box.test"]


def test_an_unknown_registry_is_answered_with_the_known_ones() -> None:
    assert get_registry("b").name == "registry-b"
    with pytest.raises(BoxError, match="there is registry-a, registry-b"):
        get_registry("zzz")
    with pytest.raises(BoxError, match=r"did you mean .*registry-hiding"):
        get_registry("registry-hidin")


def test_the_port_is_part_of_a_reference_only_where_it_is_unusual() -> None:
    assert get_registry("a").authority == "registry-a.box.test"
    assert get_registry("http").authority == "registry-http.box.test:5000"
