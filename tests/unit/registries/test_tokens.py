# SPDX-License-Identifier: Apache-2.0
"""The token server refuses wrong logins by name, leaves out what is not theirs, and signs the rest."""

import json
from dataclasses import replace

import jwt
import pytest

from box.registries.accounts import Account, Owner, change_password, create_accounts, find_account
from box.registries.catalogue import get_registry
from box.registries.journal import CREDENTIAL_CLAIM
from box.registries.tokens import (
    KEY_ID,
    LIFE_SECONDS,
    Asked,
    Granted,
    Refused,
    create_signing_key,
    decide_token,
    sign_token,
)

B = get_registry("b")
ACCOUNTS = (
    Account(owner=Owner.PLATFORM, user="platform-b", password="right"),
    Account(owner=Owner.PLATFORM, user="platform-b", password="old", valid=False),
    Account(owner=Owner.TENANT, user="tenant", password="theirs"),
)
SCOPE = "repository:mirror/d8/se:pull"
ASKED = Asked(service=B.host, scopes=(SCOPE,), login=("platform-b", "right"))


def test_a_right_request_is_granted_what_it_asks_for_and_no_more() -> None:
    assert decide_token(ASKED, B, ACCOUNTS) == Granted(user="platform-b", repositories=("mirror/d8/se",))


def test_a_tenant_is_granted_the_tenants_repository() -> None:
    asked = replace(ASKED, login=("tenant", "theirs"), scopes=("repository:tenants/app:pull",), account="tenant")
    assert decide_token(asked, B, ACCOUNTS) == Granted(user="tenant", repositories=("tenants/app",))


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        pytest.param({"service": "registry-a.box.test"}, 400, "service", id="service of another registry"),
        pytest.param({"service": ""}, 400, "service", id="no service"),
        pytest.param({"login": None}, 401, "anonymous", id="nobody"),
        pytest.param({"login": ("platform-b", "wrong")}, 401, "wrong user name or password", id="wrong password"),
        pytest.param({"login": ("platform-b", "old")}, 401, "wrong user name or password", id="former password"),
        pytest.param({"login": ("tenant", "right")}, 401, "wrong user name or password", id="somebody else's password"),
        pytest.param({"account": "tenant"}, 401, "differ", id="account of somebody else"),
        pytest.param({"scopes": ("registry:catalog:*",)}, 400, "not understood", id="catalog"),
        pytest.param({"grant": "refresh_token"}, 400, "grant_type", id="refresh"),
    ],
)
def test_what_is_not_exactly_right_is_refused_by_name(change: dict[str, object], status: int, words: str) -> None:
    decision = decide_token(replace(ASKED, **change), B, ACCOUNTS)  # type: ignore[arg-type]
    assert isinstance(decision, Refused)
    assert decision.status == status
    assert words in decision.message


@pytest.mark.parametrize(
    ("scopes", "repositories"),
    [
        pytest.param(("repository:mirror/d8/se:pull,push",), ("mirror/d8/se",), id="push"),
        pytest.param(("repository:mirror/d8/se:push",), (), id="push alone"),
        pytest.param(("repository:tenants/app:pull",), (), id="the tenants' repository"),
        pytest.param(
            (SCOPE, "repository:system/deckhouse:pull"), ("mirror/d8/se",), id="the reference's, as containerd"
        ),
        pytest.param((), (), id="only to log in"),
    ],
)
def test_what_an_account_may_not_have_is_not_in_its_token(
    scopes: tuple[str, ...], repositories: tuple[str, ...]
) -> None:
    granted = decide_token(replace(ASKED, scopes=scopes), B, ACCOUNTS)
    assert granted == Granted(user="platform-b", repositories=repositories)


def test_a_token_is_signed_for_this_service_for_a_minute_and_names_the_login_by_its_hash() -> None:
    key, public = create_signing_key()
    token = sign_token(Granted(user="platform-b", repositories=("r",)), B, "c9", key, 1000, "n1")
    (jwk,) = jwt.PyJWKSet.from_dict(public).keys
    claims = jwt.decode(token, jwk.key, ["ES256"], audience=B.host, options={"verify_exp": False, "verify_nbf": False})
    assert claims["exp"] - claims["nbf"] == LIFE_SECONDS
    assert claims["access"] == [{"type": "repository", "name": "r", "actions": ["pull"]}]
    assert (claims["iss"], claims[CREDENTIAL_CLAIM]) == (B.token_host, "c9")
    assert jwt.get_unverified_header(token)["kid"] == KEY_ID
    assert "PRIVATE" not in json.dumps(public)
    assert "d" not in public["keys"][0]


def test_a_new_password_takes_the_old_ones_place_or_stands_beside_it() -> None:
    accounts = create_accounts(B)
    old = find_account(accounts, Owner.PLATFORM)
    for keep in (False, True):
        changed = change_password(accounts, Owner.PLATFORM, keep_old=keep)
        new = find_account(changed, Owner.PLATFORM)
        assert new.password != old.password
        assert [one.valid for one in changed if one.password == old.password] == [keep]
        assert find_account(changed, Owner.TENANT).valid
