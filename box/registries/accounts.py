# SPDX-License-Identifier: Apache-2.0
"""Accounts of a registry: the platform's and the tenant's, with every password that they ever had."""

import json
import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import bcrypt

from box.registries.catalogue import TENANT_REPOSITORY, TENANT_USER, Registry
from box.registries.files import RegistryFiles, write_private
from box.registries.journal import compute_credential


class Owner(StrEnum):
    """Whose account it is."""

    PLATFORM = "platform"
    TENANT = "tenant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One password of one user; `valid` says that it is let in now."""

    owner: Owner
    user: str
    password: str = field(repr=False)
    valid: bool = True

    def __str__(self) -> str:
        return f"{self.owner} account {self.user}"


def create_accounts(registry: Registry) -> tuple[Account, ...]:
    """Make the first accounts of a registry, with random passwords."""
    made = [Account(owner=Owner.PLATFORM, user=registry.user, password=_make_password())]
    if registry.has_tenants:
        made.append(Account(owner=Owner.TENANT, user=TENANT_USER, password=_make_password()))
    return tuple(made)


def change_password(accounts: Sequence[Account], owner: Owner, *, keep_old: bool) -> tuple[Account, ...]:
    """Give an owner's account a new password; with `keep_old` the others are let in as well."""
    user = find_account(accounts, owner).user
    old = tuple(replace(one, valid=one.valid and (keep_old or one.owner is not owner)) for one in accounts)
    return (*old, Account(owner=owner, user=user, password=_make_password()))


def find_account(accounts: Iterable[Account], owner: Owner) -> Account:
    """Return the owner's newest valid account; raises LookupError."""
    found = [one for one in accounts if one.owner is owner and one.valid]
    if not found:
        raise LookupError(f"no valid {owner} account")
    return found[-1]


def check_login(accounts: Iterable[Account], user: str, password: str) -> Account | None:
    """Return the valid account with this user and password, or None."""
    for one in accounts:
        same = secrets.compare_digest(one.password.encode(), password.encode())
        if one.valid and one.user == user and same:
            return one
    return None


def list_repositories(account: Account, registry: Registry) -> frozenset[str]:
    """Repositories that an account may pull from."""
    return frozenset({TENANT_REPOSITORY} if account.owner is Owner.TENANT else registry.paths)


def revoke(account: Account) -> Account:
    """The same account, let in no more."""
    return replace(account, valid=False)


def read_accounts(files: RegistryFiles, path: Path | None = None) -> tuple[Account, ...]:
    """Read all accounts of a registry, the invalid ones too; none where the registry never ran."""
    path = path or files.accounts
    if not path.exists():
        return ()
    listed = json.loads(path.read_text(encoding="utf-8"))
    return tuple(Account(**{**one, "owner": Owner(one["owner"])}) for one in listed)


def write_accounts(files: RegistryFiles, accounts: Sequence[Account]) -> None:
    """Write accounts and the htpasswd file of the valid ones; both are read anew by who uses them."""
    write_private(files.accounts, json.dumps([asdict(one) for one in accounts], indent=1).encode() + b"\n")
    # The passwords are random and long, so the cheapest hash that distribution accepts will do: each request pays it.
    words = {one.user: one.password.encode() for one in accounts if one.valid}
    lines = "".join(f"{user}:{bcrypt.hashpw(word, bcrypt.gensalt(4)).decode()}\n" for user, word in words.items())
    write_private(files.htpasswd, lines.encode())


def read_salt(files: RegistryFiles) -> bytes:
    """Return the salt of the journal's credentials, made at the first call."""
    if not files.salt.exists():
        write_private(files.salt, os.urandom(16))
    return files.salt.read_bytes()


def list_credentials(folders: Iterable[Path]) -> dict[str, tuple[str, Account]]:
    """Map every credential that a journal can name to the registry's name and the account that it belongs to."""
    known: dict[str, tuple[str, Account]] = {}
    for folder in folders:
        files = RegistryFiles(folder=folder)
        for account in read_accounts(files):
            known[compute_credential(read_salt(files), account.user, account.password)] = (folder.name, account)
    return known


def _make_password() -> str:
    return secrets.token_urlsafe(24)
