# SPDX-License-Identifier: Apache-2.0
"""The stand-in for deckhouse-controller follows the Secret through `main` alone."""

import base64
import json
from typing import Any, cast

import pytest
from d8registry.kube.platform import DOCKER_CONFIG

from box.platform import deckhouse as module
from box.platform.deckhouse import Deckhouse
from box.runner.kubeapi import KubeApi


@pytest.mark.parametrize(("is_held", "rendered"), [(False, ["Deployment deckhouse"]), (True, [])])
def test_nothing_is_rendered_while_another_module_holds_main(
    monkeypatch: pytest.MonkeyPatch, is_held: bool, rendered: list[str]
) -> None:
    written: list[str] = []

    def ensure(_: KubeApi, item: dict[str, Any]) -> bool:
        written.append(f"{item['kind']} {item['metadata']['name']}")
        return True

    host = "registry.example.com"
    auths = json.dumps({"auths": {host: {"auth": base64.b64encode(b"u:p").decode()}}})
    data = {"address": host, "path": "/ee", "scheme": "https", "ca": "", DOCKER_CONFIG: auths}
    secret = {"data": {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}}
    monkeypatch.setattr(module, "ensure", ensure)
    monkeypatch.setattr(module, "fetch", lambda *_: secret)
    monkeypatch.setattr(module, "fetch_all", lambda *_, **__: [])
    monkeypatch.setattr(module, "build_deckhouse", lambda *_: {"kind": "Deployment", "metadata": {"name": "deckhouse"}})
    Deckhouse(cast(KubeApi, None), cast(Any, None), written.append, lambda: is_held).run_round()
    assert [name for name in written if name == "Deployment deckhouse"] == rendered
