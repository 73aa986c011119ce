# SPDX-License-Identifier: Apache-2.0
"""The cluster's certificates. Factors: client only, server as well, names and addresses."""

from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from box.certificates import Authority


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_a_kubelet_certificate_names_its_node_and_the_group_and_serves_nothing(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path, "box")
    pair = authority.issue("kubelet", "system:node:worker-0", "system:nodes")
    certificate = read(pair.certificate)
    certificate.verify_directly_issued_by(read(authority.path))
    assert certificate.subject.rfc4514_string() == "O=system:nodes,CN=system:node:worker-0"
    uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert pair.key.stat().st_mode & 0o777 == 0o600


def test_a_server_certificate_holds_addresses_as_addresses_and_names_as_names(tmp_path: Path) -> None:
    pair = Authority.create(tmp_path, "box").issue("api", "api", hosts=["10.111.0.1", "kubernetes"])
    names = read(pair.certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.111.0.1"]
    assert names.get_values_for_type(x509.DNSName) == ["kubernetes"]
