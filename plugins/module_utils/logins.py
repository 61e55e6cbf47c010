# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which services keep a login at a registry, and which of them can be given another one now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils import digests
from ansible_collections.monsterstack.swarm.plugins.module_utils.objects import UNDER_WAY


def at_registry(
    services: Iterable[Mapping[str, Any]], registry: str
) -> tuple[dict[str, str], list[str]]:
    """({id: name} of the services whose image is in a registry, lines about those left alone).

    `services` as the engine lists them. A job is left alone without a word: any update runs it
    again, and it pulls when it is deployed. A service whose update has not ended is named: any
    other update ends that one, and a paused rollout would go on.
    """
    renewed: dict[str, str] = {}
    left: list[str] = []
    for service in sorted(services, key=lambda one: str(one["Spec"]["Name"])):
        spec = service["Spec"]
        image = (spec["TaskTemplate"].get("ContainerSpec") or {}).get("Image", "")
        if digests.registry_of(digests.parse_reference(image).name) != registry:
            continue
        mode = spec.get("Mode") or {}
        if "ReplicatedJob" in mode or "GlobalJob" in mode:
            continue
        state = (service.get("UpdateStatus") or {}).get("State")
        if state in UNDER_WAY:
            left.append(
                f"{spec['Name']}: keeps its old login at {registry}, because its last update is "
                f"{state.replace('_', ' ')}. Its next deployment gives it the new one."
            )
        else:
            renewed[service["ID"]] = spec["Name"]
    return renewed, left
