# SPDX-License-Identifier: Apache-2.0
"""Tell whether a text is what the field `ca` may hold."""


def is_certificate_bundle(text: str) -> bool:
    """Tell whether `text` is one or more PEM certificates that can be parsed.

    One unreadable CA file breaks every source of its hosts folder, so it is refused before it gets there.
    """
    from cryptography import x509

    try:
        return bool(x509.load_pem_x509_certificates(text.encode()))
    except ValueError:
        return False
