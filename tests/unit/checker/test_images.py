# SPDX-License-Identifier: Apache-2.0
"""Which images must exist. Factors: module (embedded, other source, needs bootstrapped) x check mode x references."""

import pytest
from d8registry.checker.images import PlatformModule, build_camel_case, parse_reference, required_images
from d8registry.errors import InvalidObject
from d8registry.model.image import RequiredImage
from d8registry.model.settings import CheckMode

A, B, C, D = (f"sha256:{letter * 64}" for letter in "abcd")
MODULES = (
    PlatformModule(name="node-manager", source="Embedded"),
    PlatformModule(name="prometheus", source="Embedded"),
    PlatformModule(name="late", source="Embedded", needs_bootstrapped=True),
    PlatformModule(name="foreign", source="deckhouse"),
)
DIGESTS = {
    "nodeManager": {"bashibleApiserver": A, "shared": B},
    "prometheus": {"grafana": B},
    "late": {"x": C},
    "foreign": {"x": C},
    "common": {"pause": C},
}
DECKHOUSE = {"deckhouse": "old.test/deckhouse/ee:v1.72.3", "init-downloaded-modules": f"old.test/deckhouse/ee@{D}"}


def test_embedded_modules_and_deckhouse_itself_are_required_each_digest_once() -> None:
    assert required_images(DIGESTS, MODULES, DECKHOUSE, CheckMode.DEFAULT) == (
        RequiredImage(reference=A, owner="module node-manager, image bashibleApiserver"),
        RequiredImage(reference=B, owner="module node-manager, image shared"),
        RequiredImage(reference=D, owner="Deployment d8-system/deckhouse, container init-downloaded-modules"),
        RequiredImage(reference="v1.72.3", owner="Deployment d8-system/deckhouse, container deckhouse"),
    )


def test_relax_requires_the_deckhouse_tag_alone() -> None:
    assert required_images(DIGESTS, MODULES, DECKHOUSE, CheckMode.RELAX) == (
        RequiredImage(reference="v1.72.3", owner="Deployment d8-system/deckhouse, container deckhouse"),
    )


@pytest.mark.parametrize("mode", list(CheckMode))
def test_an_unknown_deckhouse_is_no_reason_to_require_nothing(mode: CheckMode) -> None:
    with pytest.raises(InvalidObject, match="no container `deckhouse`"):
        required_images(DIGESTS, MODULES, {}, mode)


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ("r.test:5001/deckhouse/ee:v1", "v1"),
        (f"r.test:5001/deckhouse/ee@{A}", A),
        (f"r.test/deckhouse/ee:v1@{A}", A),
        ("r.test:5001/deckhouse/ee", "latest"),
    ],
)
def test_a_reference_is_the_digest_else_the_tag(image: str, reference: str) -> None:
    assert parse_reference(image) == reference


@pytest.mark.parametrize(
    ("kebab", "camel"),
    [("prometheus", "prometheus"), ("operator-trivy", "operatorTrivy"), ("l2-load-balancer", "l2LoadBalancer")],
)
def test_module_names_are_spelled_as_values_spell_them(kebab: str, camel: str) -> None:
    assert build_camel_case(kebab) == camel
