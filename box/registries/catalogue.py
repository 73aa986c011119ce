# SPDX-License-Identifier: Apache-2.0
"""The registries that a box can have, as data."""

from dataclasses import dataclass
from enum import StrEnum

from box.errors import BoxError, suggest
from box.layout import PREFIX

TENANT_REPOSITORY = "tenants/app"
TENANT_USER = "tenant"


class Program(StrEnum):
    """What serves the content."""

    DEBIAN = "docker-registry 2.8 (Debian)"
    DISTRIBUTION = "distribution 3"


class Login(StrEnum):
    """How a client shows who it is."""

    BASIC = "Basic"
    TOKEN = "Bearer"  # noqa: S105 - a word of the protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """One registry: where it is, what it holds, and how it is unlike others.

    `paths` are the repositories with the platform's images, the usual one first. `hides_missing`: it answers 401 for
    what it lacks. `store` is the host of the object store that blobs are redirected to.
    """

    name: str
    host: str
    address: str
    paths: tuple[str, ...]
    about: str
    program: Program = Program.DEBIAN
    login: Login = Login.BASIC
    port: int = 443
    scheme: str = "https"
    has_tenants: bool = False
    hides_missing: bool = False
    store: str = ""
    store_address: str = ""
    store_port: int = 443

    @property
    def user(self) -> str:
        """The platform's account."""
        return f"platform-{self.name.removeprefix('registry-')}"

    @property
    def authority(self) -> str:
        """Host, with the port where it is not the scheme's own: how an image reference names the registry."""
        usual = {"https": 443, "http": 80}[self.scheme]
        return self.host if self.port == usual else f"{self.host}:{self.port}"

    @property
    def token_host(self) -> str:
        """Host name of the token server; it shares the registry's address."""
        return f"auth.{self.host}"

    @property
    def store_authority(self) -> str:
        """Host, and the port where it is not the usual one, of the object store."""
        return self.store if self.store_port == 443 else f"{self.store}:{self.store_port}"

    @property
    def namespace(self) -> str:
        """Name of the registry's network namespace."""
        return f"{PREFIX}{self.name.replace('registry', 'reg')}"

    @property
    def store_namespace(self) -> str:
        """Name of the object store's network namespace."""
        return f"{PREFIX}store-{self.name.removeprefix('registry-')}"


REGISTRIES = (
    Registry(
        name="registry-a",
        host="registry-a.box.test",
        address="10.111.0.100",
        paths=("deckhouse/ee", "archive/d8/ee"),
        about="the registry that the cluster was installed from; runs always",
        has_tenants=True,
    ),
    Registry(
        name="registry-b",
        host="registry-b.box.test",
        address="10.111.0.101",
        paths=("mirror/d8/se",),
        about="tokens of a strict token server, another CA, another path",
        program=Program.DISTRIBUTION,
        login=Login.TOKEN,
        has_tenants=True,
    ),
    Registry(
        name="registry-hiding",
        host="registry-hiding.box.test",
        address="10.111.0.102",
        paths=("deckhouse/ee",),
        about="answers 401 for what it lacks, so that nobody learns what there is",
        hides_missing=True,
    ),
    Registry(
        name="registry-redirecting",
        host="registry-redirecting.box.test",
        address="10.111.0.103",
        paths=("deckhouse/ee",),
        about="sends clients to an object store for blobs, by signed URLs that refuse a second way to log in",
        program=Program.DISTRIBUTION,
        store="store.box.test",
        store_address="10.111.0.104",
    ),
    Registry(
        name="registry-http",
        host="registry-http.box.test",
        address="10.111.0.105",
        port=5000,
        scheme="http",
        paths=("deckhouse/ee",),
        about="no TLS",
    ),
)

REGISTRY_A = REGISTRIES[0]


def get_registry(name: str) -> Registry:
    """Return a registry by its name or the name's last word (`b`); raises BoxError with the names that there are."""
    for each in REGISTRIES:
        if name in (each.name, each.name.removeprefix("registry-")):
            return each
    raise BoxError(f"there is no registry {name}{suggest(name, [each.name for each in REGISTRIES])}")


def list_names() -> dict[str, str]:
    """Return the addresses of all host names of registries, running or not, for the box's DNS."""
    names: dict[str, str] = {}
    for each in REGISTRIES:
        names[each.host] = each.address
        if each.login is Login.TOKEN:
            names[each.token_host] = each.address
        if each.store:
            names[each.store] = each.store_address
    return names
