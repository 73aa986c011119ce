# SPDX-License-Identifier: Apache-2.0
"""Edit ModuleConfig `deckhouse` on the box as a person does: kubectl apply of a file."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from box import core
from box.build import list_artifacts
from box.layout import RUN, cache_folder
from box.scenario.edit import build_module_config, render_shown, render_yaml
from box.watch.api import Api

MODULE_CONFIG = "/apis/deckhouse.io/v1alpha1/moduleconfigs/deckhouse"
EDIT_FILE = RUN / "scenario" / "moduleconfig.yaml"


def apply_registry(api: Api, section: Mapping[str, Any], say: Callable[[str], None]) -> datetime:
    """Apply ModuleConfig `deckhouse` with this registry section; returns when that began."""
    document = build_module_config(api.find(MODULE_CONFIG), section)
    EDIT_FILE.parent.mkdir(parents=True, exist_ok=True)
    EDIT_FILE.touch(mode=0o600)
    EDIT_FILE.write_text(render_yaml(document), encoding="utf-8")
    say(f"kubectl apply -f {EDIT_FILE}\n{render_shown(document)}")
    programs = {one.name: one.folder(cache_folder()) for one in list_artifacts(cache_folder())}
    began = datetime.now(UTC)
    core.exec([programs["kubernetes"] / "kubectl", "apply", "-f", EDIT_FILE])
    return began
