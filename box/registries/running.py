# SPDX-License-Identifier: Apache-2.0
"""The registries of the box that is up: start, stop, list, faults, accounts, journals."""

import shutil
import signal
import time
from collections.abc import Iterable
from pathlib import Path

from box import network, process
from box.errors import BoxError
from box.images.debian import Report
from box.layout import CORE, RUN
from box.registries import accounts, control
from box.registries.accounts import Account, Owner
from box.registries.catalogue import REGISTRIES, Login, Registry, get_registry
from box.registries.faults import Faults, parse_faults
from box.registries.files import RegistryFiles
from box.registries.journal import Entry, read_journals
from box.registries.start import Programs, start

FOLDER = RUN / "registries"
PASSWORD = "password"  # noqa: S105 - the word of the fault
CLEAR = "clear"
_STOP_SECONDS = 10.0


def get_files(name: str) -> RegistryFiles:
    """Paths of a registry of the box; raises BoxError for an unknown name."""
    return RegistryFiles(folder=FOLDER / get_registry(name).name)


def start_in_box(name: str, programs: Programs, report: Report) -> Registry:
    """Start a registry in namespaces of its own; nothing to do when it runs."""
    registry = get_registry(name)
    if is_running(registry.name):
        return registry
    present = network.list_namespaces()
    if registry.namespace not in present:
        network.connect(registry.namespace, registry.address)
    if registry.store and registry.store_namespace not in present:
        network.connect(registry.store_namespace, registry.store_address)
    made = start(registry, FOLDER / registry.name, programs, report, namespaces=True)
    for record, pid in zip(_name_records(registry), (made.front, made.backend), strict=True):
        process.record(record, pid, made.files.log)
    return registry


def require_box() -> None:
    """Raise BoxError where no box is up."""
    if not (network.NAMESPACES / CORE).exists():
        raise BoxError("no box is up; start one: python -m box up")


def require_started(name: str) -> None:
    """Raise BoxError where a registry never ran in this box."""
    registry = get_registry(name)
    require_box()
    if not get_files(name).accounts.exists():
        raise BoxError(f"{registry.name} was not started; start it: python -m box registry start {registry.name}")


def stop_in_box(name: str) -> None:
    """End a registry's processes; its folder, with accounts and content, stays for the next start."""
    names = _name_records(get_registry(name))
    records = [each for each in process.read_records() if each.name in names]
    for each in records:
        process.send(each, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while any(process.is_alive(each) for each in records):
        if time.monotonic() > deadline:
            raise BoxError(f"{name} does not end after SIGTERM; see {get_files(name).log}")
        time.sleep(0.05)
    for each in records:
        (process.RECORDS / f"{each.name}.json").unlink(missing_ok=True)


def is_running(name: str) -> bool:
    """Whether both processes of a registry run."""
    names = _name_records(get_registry(name))
    alive = {each.name for each in process.read_records() if process.is_alive(each)}
    return alive.issuperset(names)


def list_running() -> tuple[Registry, ...]:
    """The registries that run now."""
    return tuple(each for each in REGISTRIES if is_running(each.name))


def set_fault(name: str, *words: str) -> Faults:
    """Add faults to a running registry, `password` among them; `clear` takes all away first. In effect at return."""
    files = get_files(name)
    present = control.fetch_faults(files)
    for word in words:
        if word == CLEAR:
            present = Faults()
            _restore_accounts(files)
        elif word == PASSWORD:
            _spoil_password(files)
        else:
            present = parse_faults([word], present)
    control.set_faults(files, present)
    return present


def fetch_faults(name: str) -> tuple[str, ...]:
    """The faults of a running registry, in words."""
    files = get_files(name)
    words = control.fetch_faults(files).describe()
    return (*words, PASSWORD) if files.accounts_before.exists() else words


def change_password(name: str, *, owner: Owner = Owner.PLATFORM, keep_old: bool = False) -> Account:
    """Give an account a new password and return it; `keep_old` lets the old one in as well.

    Raises BoxError where a registry cannot keep it: with Basic a user has one password.
    """
    registry = get_registry(name)
    if keep_old and registry.login is not Login.TOKEN:
        raise BoxError(
            f"{registry.name} cannot keep an old password beside a new one: with Basic a user has one password"
        )
    files = get_files(name)
    changed = accounts.change_password(accounts.read_accounts(files), owner, keep_old=keep_old)
    accounts.write_accounts(files, changed)
    return accounts.find_account(changed, owner)


def find_login(name: str, owner: Owner = Owner.PLATFORM) -> Account:
    """The newest valid account of an owner."""
    return accounts.find_account(accounts.read_accounts(get_files(name)), owner)


def list_secrets() -> tuple[str, ...]:
    """Every password of every account of the registries that ever ran, alone and as a login."""
    found: list[str] = []
    for folder in _list_folders(()):
        for one in accounts.read_accounts(RegistryFiles(folder=folder)):
            found += [one.password, f"{one.user}:{one.password}"]
    return tuple(found)


def list_credentials() -> dict[str, tuple[str, Account]]:
    """Registry and account of every credential that a journal of this box can name."""
    return accounts.list_credentials(_list_folders(()))


def read_journal(*names: str) -> tuple[Entry, ...]:
    """What the named registries were asked, all that ever ran unless named, in the order of time."""
    return read_journals(_list_folders(names))


def _list_folders(names: Iterable[str]) -> list[Path]:
    chosen = [get_registry(name).name for name in names] or [each.name for each in REGISTRIES]
    return [FOLDER / name for name in chosen if (FOLDER / name).is_dir()]


def _name_records(registry: Registry) -> tuple[str, str]:
    return registry.name, f"{registry.name}-distribution"


def _spoil_password(files: RegistryFiles) -> None:
    if not files.accounts_before.exists():
        shutil.copy2(files.accounts, files.accounts_before)
    accounts.write_accounts(
        files, accounts.change_password(accounts.read_accounts(files), Owner.PLATFORM, keep_old=False)
    )


def _restore_accounts(files: RegistryFiles) -> None:
    """Let in again who was let in before the fault; the password that the fault made stays known, and is refused."""
    if not files.accounts_before.exists():
        return
    before = accounts.read_accounts(files, files.accounts_before)
    known = {(one.user, one.password) for one in before}
    made = [accounts.revoke(one) for one in accounts.read_accounts(files) if (one.user, one.password) not in known]
    accounts.write_accounts(files, (*made, *before))
    files.accounts_before.unlink()
