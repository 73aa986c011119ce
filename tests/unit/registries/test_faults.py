# SPDX-License-Identifier: Apache-2.0
"""Words of faults: each is read, they add up, and what is not known is answered with what is."""

import pytest

from box.errors import BoxError
from box.registries.faults import Faults, build_document, parse_faults, read_document
from box.registries.tls import Certificate

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("word", "faults"),
    [
        pytest.param("down", Faults(down=True), id="down"),
        pytest.param("hang", Faults(hangs=True), id="hang"),
        pytest.param("slow=1000", Faults(slow=1000), id="slow"),
        pytest.param("401", Faults(status=401), id="401"),
        pytest.param("403", Faults(status=403), id="403"),
        pytest.param("429=7", Faults(status=429, retry_after=7), id="429"),
        pytest.param("5xx", Faults(status=503), id="5xx"),
        pytest.param("502", Faults(status=502), id="502"),
        pytest.param("wrong-ca", Faults(certificate=Certificate.FOREIGN), id="wrong CA"),
        pytest.param("expired", Faults(certificate=Certificate.EXPIRED), id="expired"),
        pytest.param("not-yet-valid", Faults(certificate=Certificate.EARLY), id="early"),
        pytest.param(f"layer-missing={DIGEST}", Faults(missing=(DIGEST,)), id="missing"),
        pytest.param("wrong-bytes", Faults(corrupt=("any",)), id="wrong bytes"),
    ],
)
def test_each_word_sets_its_fault_and_survives_the_way_to_the_front(word: str, faults: Faults) -> None:
    assert parse_faults([word]) == faults
    assert read_document(build_document(faults)) == faults
    assert parse_faults(faults.describe()) == faults


def test_faults_add_up() -> None:
    both = parse_faults(["expired", "slow"], Faults(status=503))
    assert both == Faults(status=503, slow=32768, certificate=Certificate.EXPIRED)


@pytest.mark.parametrize("word", ["dead", "down=3", "401=5", "slow=-1", "slow=x", "wrong-bytes=sha256:1", "expired=1"])
def test_a_word_that_means_nothing_is_named(word: str) -> None:
    with pytest.raises(BoxError, match=word):
        parse_faults([word])


def test_the_missing_and_the_corrupt_are_single_blobs_or_every_one() -> None:
    one = parse_faults([f"layer-missing={DIGEST}", "wrong-bytes"])
    assert one.hides(DIGEST)
    assert not one.hides("sha256:other")
    assert one.corrupts("sha256:other")
