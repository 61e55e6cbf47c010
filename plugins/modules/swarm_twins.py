#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_twins
short_description: Give the labels of dead nodes to those that took their place, and remove them
version_added: 0.1.0
description:
  - A machine that leaves a swarm and joins again, or is reinstalled, gets a new ID. Its old entry
    stays in the list as Down, with the labels that placements rely on.
  - Where one ready node has the host name of Down ones, it inherits their labels, and they are
    demoted and removed. A Down node without such an heir stays as it is.
  - Runs on one manager, for all nodes.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  hostnames:
    description: Only nodes with these host names. Default is all.
    type: list
    elements: str
  timeout:
    description:
      - How many seconds to wait until a demoted node has left the managers, and until the swarm
        knows of a node that is listed as unknown whether it is down.
    type: int
    default: 120
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
attributes:
  check_mode:
    description: Predicts the change.
    support: full
  diff_mode:
    description: Shows the heirs' labels before and after.
    support: full
"""

EXAMPLES = r"""
- name: Let reinstalled machines take the place of what they were
  monsterstack.swarm.swarm_twins:
"""

RETURN = r"""
removed:
  description: Per removed node C(hostname), C(id), C(role), and C(heir), the ID of its heir.
  returned: success
  type: list
  elements: dict
"""

import functools
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    ENGINE_OPTIONS,
    Engine,
    EngineError,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.nodes import (
    Heir,
    heirs,
    undecided,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.swarm_api import update


def with_labels(heir: Heir, spec: dict[str, Any]) -> dict[str, Any]:
    """The heir's Spec with what its twins leave to it; what it says itself by now counts more."""
    return {**spec, "Labels": {**heir.spec["Labels"], **(spec.get("Labels") or {})}}


def remove(engine: Engine, twin: dict[str, Any], timeout: float) -> None:
    """Demote and remove a node; the managers need a moment to let a demoted one go."""
    # After --force-new-cluster a manager that is none of the quorum's members cannot be demoted,
    # and need not be.
    if twin.get("ManagerStatus"):
        update(engine, f"/nodes/{twin['ID']}", lambda spec: {**spec, "Role": "worker"})
    end = time.monotonic() + timeout
    while True:
        try:
            engine.raw("DELETE", f"/nodes/{twin['ID']}", {"force": "1"})
            return
        except EngineError as error:
            if error.status == 404:
                return
            if time.monotonic() >= end:
                raise
            time.sleep(1)


def run(module: AnsibleModule, engine: Engine) -> None:
    nodes = engine.get("/nodes")
    end = time.monotonic() + module.params["timeout"]
    while undecided(nodes) and time.monotonic() < end:
        time.sleep(1)
        nodes = engine.get("/nodes")
    found = heirs(nodes, module.params["hostnames"])
    removed: list[dict[str, Any]] = []
    before, after = {}, {}
    for heir in found:
        name = heir.node["Description"]["Hostname"]
        before[name] = dict(sorted((heir.node["Spec"].get("Labels") or {}).items()))
        after[name] = dict(sorted(heir.spec["Labels"].items()))
        # The labels go first: interrupted here, the next call finds the twin again.
        if not module.check_mode:
            path = f"/nodes/{heir.node['ID']}"
            update(engine, path, functools.partial(with_labels, heir))
        for twin in heir.twins:
            if not module.check_mode:
                remove(engine, dict(twin), module.params["timeout"])
            removed.append(
                {
                    "hostname": name,
                    "id": twin["ID"],
                    "role": twin["Spec"]["Role"],
                    "heir": heir.node["ID"],
                }
            )
    module.exit_json(changed=bool(found), removed=removed, diff={"before": before, "after": after})


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "hostnames": {"type": "list", "elements": "str"},
            "timeout": {"type": "int", "default": 120},
            **ENGINE_OPTIONS,
        },
        supports_check_mode=True,
    )
    try:
        run(module, Engine(module.params["docker_host"]))
    except EngineError as error:
        module.fail_json(msg=f"the nodes' earlier selves could not be removed: {error}")


if __name__ == "__main__":
    main()
