# SPDX-License-Identifier: Apache-2.0
"""Everything that one decision looks at, beside the state."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from d8registry.errors import InvalidSettings
from d8registry.model.cluster import DeckhousePod, Node, ProxyPod, SecretCopy
from d8registry.model.endpoint import Endpoint
from d8registry.model.image import RequiredImage
from d8registry.model.settings import ModuleSettings, Settings

if TYPE_CHECKING:  # at rest no run pays for them
    from d8registry.checker.result import CheckResult
    from d8registry.evidence.answer import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What is seen of the cluster and of the answers to our questions.

    `settings` is the registry section, or why it is invalid. `platform` is Secret deckhouse-registry as an endpoint,
    None while it is missing. `manages_hosts`: this module once wrote registry-bashible-config, so nodes pull by folders
    of ours. `groups` are (NodeGroup, CRI type). `requests` are the request annotations of ModuleConfig `registry`.
    `is_proxy_rendered`: the proxy's Deployment is there; `has_autoscaler`: the cluster has VerticalPodAutoscalers.
    `proxy_images` and `deckhouse_images` are what masters need under the fixed base: digests, and suffixes such as
    `:v1`.
    `rotation` is the annotation that asks for another authority of the module's own, `rotate_after` when one is due.
    """

    settings: Settings | InvalidSettings
    module_settings: ModuleSettings = field(default_factory=ModuleSettings)
    requests: Mapping[str, str] = field(default_factory=dict)
    bootstrapped: bool = True
    foreign_managers: tuple[str, ...] = ()
    manages_hosts: bool = False
    is_proxy_rendered: bool = False
    has_autoscaler: bool = False
    nodes: tuple[Node, ...] = ()
    groups: tuple[tuple[str, str], ...] = ()
    platform: Endpoint | None = None
    copies: tuple[SecretCopy, ...] = ()
    deckhouse_pods: tuple[DeckhousePod, ...] = ()
    proxy_pods: tuple[ProxyPod, ...] = ()
    required_images: tuple[RequiredImage, ...] = ()
    proxy_images: tuple[str, ...] = ()
    deckhouse_images: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    checks: Mapping[str, "CheckResult"] = field(default_factory=dict)
    evidence: "Evidence | None" = None
    rotation: str | None = None
    rotate_after: datetime | None = None

    def find_new_requests(self, handled: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Find the request annotations whose value differs from the one that was handled last."""
        known = dict(handled)
        return {name: value for name, value in self.requests.items() if known.get(name) != value}
