# SPDX-License-Identifier: Apache-2.0
"""How the box finds the kind and the path of an object that somebody deletes or edits."""

import pytest

from box.errors import BoxError
from box.objects import find_resource, read_resources

CORE = [
    {"name": "secrets", "singularName": "secret", "kind": "Secret", "namespaced": True},
    {"name": "configmaps", "singularName": "configmap", "kind": "ConfigMap", "namespaced": True, "shortNames": ["cm"]},
    {"name": "pods/log", "singularName": "", "kind": "Pod", "namespaced": True},
]
DECKHOUSE = [{"name": "moduleconfigs", "singularName": "moduleconfig", "kind": "ModuleConfig", "namespaced": False}]
RESOURCES = (
    *read_resources("/api/v1", CORE),
    *read_resources("/apis/deckhouse.io/v1alpha1", DECKHOUSE),
)


@pytest.mark.parametrize("word", ["secret", "Secret", "secrets", "SECRETS"])
def test_a_kind_is_found_by_its_name_and_its_plural_in_any_case(word: str) -> None:
    assert find_resource(RESOURCES, word).locate("d8-system", "x") == "/api/v1/namespaces/d8-system/secrets/x"


def test_a_kind_is_found_by_its_short_form() -> None:
    assert find_resource(RESOURCES, "cm").kind == "ConfigMap"


def test_an_object_of_the_whole_cluster_has_no_namespace() -> None:
    found = find_resource(RESOURCES, "moduleconfig")
    assert found.locate("d8-system", "deckhouse") == "/apis/deckhouse.io/v1alpha1/moduleconfigs/deckhouse"
    assert found.describe("d8-system", "deckhouse") == "ModuleConfig deckhouse"


def test_what_belongs_to_an_object_is_no_kind() -> None:
    with pytest.raises(BoxError, match="no kind pod"):
        find_resource(RESOURCES, "pod")


def test_an_unknown_kind_is_met_with_the_nearest_one() -> None:
    with pytest.raises(BoxError, match=r"no kind secrte; did you mean secrets\?"):
        find_resource(RESOURCES, "secrte")
