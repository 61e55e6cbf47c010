#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_nodes
short_description: Set labels and availability of all nodes of a swarm in one call
version_added: 0.1.0
description:
  - Runs on one manager, for all nodes. Waits until nodes that have just joined are listed as ready.
  - Of several nodes with one host name, the ready one is meant.
  - Setting a node to C(drain) does not wait until its tasks have moved.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  nodes:
    description: The nodes and what they are to look like.
    type: list
    elements: dict
    required: true
    suboptions:
      hostname:
        description: The host name that the swarm shows.
        type: str
      id:
        description: The node's ID. Wins over O(nodes[].hostname).
        type: str
      labels:
        description: Labels to set. Others stay as they are, unless O(purge_labels=true).
        type: dict
        default: {}
      availability:
        description: Availability to set. Without it the node keeps its own.
        type: str
        choices: [active, pause, drain]
      inherits:
        description:
          - ID of an earlier node of the same machine, whose labels and availability this one takes
            over as far as O(nodes[].labels) and O(nodes[].availability) do not say otherwise.
          - Nothing is taken over from a node that is no longer listed.
        type: str
      pins:
        description:
          - Labels of which exactly one node has each, with the value C(true), and this one may.
          - A node that has such a label keeps it. Where none has it, the first that may gets it.
        type: list
        elements: str
        default: []
  purge_labels:
    description: Remove the labels that are not named, of the nodes that are named.
    type: bool
    default: false
  protected:
    description:
      - Labels that O(purge_labels) leaves alone, because they stand for data on a node's disk.
    type: list
    elements: str
    default: []
  timeout:
    description: How many seconds to wait until all the nodes are listed as ready.
    type: int
    default: 60
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
attributes:
  check_mode:
    description: Predicts the change. A node that is not listed yet counts as changed.
    support: full
  diff_mode:
    description: Shows labels and availability before and after, of the nodes that change.
    support: full
"""

EXAMPLES = r"""
- name: Tell the scheduler where the nodes stand
  monsterstack.swarm.swarm_nodes:
    nodes:
      - hostname: w1
        labels: {zone: a}
        availability: active
      - hostname: w2
        labels: {zone: b}
"""

RETURN = r"""
nodes:
  description:
    - Per node C(hostname), C(id), C(status), C(changed), C(before) and C(after).
    - The latter two hold C(labels) and C(availability). C(before) is null for a node that is
      not listed yet, which only happens in check mode.
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
    Desired,
    find_node,
    inherit,
    place_pins,
    read_desired,
    visible,
    wanted_spec,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.swarm_api import update


def wait_for(
    engine: Engine, desired: list[Desired], timeout: float
) -> list[tuple[dict[str, Any] | None, str | None]]:
    """find_node for all, again and again until all are ready or `timeout` seconds are over."""
    end = time.monotonic() + timeout
    while True:
        nodes = engine.get("/nodes")
        found: list[Any] = [find_node(one, nodes) for one in desired]
        if all(problem is None for _node, problem in found) or time.monotonic() >= end:
            return found
        time.sleep(1)


def run(module: AnsibleModule, engine: Engine) -> None:
    purge, protected = module.params["purge_labels"], module.params["protected"]
    desired = [read_desired(node) for node in module.params["nodes"]]
    # In check mode a node may not have joined yet, and waiting would not help.
    found = wait_for(engine, desired, 0 if module.check_mode else module.params["timeout"])
    problems = [problem for _node, problem in found if problem]
    if problems and not module.check_mode:
        module.fail_json(
            msg=f"after {module.params['timeout']} s: {' '.join(problems)} Look at the engine's "
            "log on that host, or raise the timeout."
        )
    nodes = engine.get("/nodes")
    desired = place_pins(inherit(desired, nodes), [node for node, _problem in found], nodes)
    results: list[dict[str, Any]] = []
    for one, (node, _problem) in zip(desired, found, strict=True):
        before = node["Spec"] if node else {}
        after = wanted_spec(before, one, purge, protected)
        changed = node is None or visible(after) != visible(before)
        if node and changed and not module.check_mode:
            wanted = functools.partial(
                wanted_spec, desired=one, purge_labels=purge, protected=protected
            )
            after = update(engine, f"/nodes/{node['ID']}", wanted)
        results.append(
            {
                "hostname": one.hostname or ((node or {}).get("Description") or {}).get("Hostname"),
                "id": node["ID"] if node else None,
                "status": node["Status"]["State"] if node else "unknown",
                "changed": changed,
                "before": visible(before) if node else None,
                "after": visible(after),
            }
        )
    moved = [result for result in results if result["changed"]]
    module.exit_json(
        changed=bool(moved),
        nodes=results,
        diff={side: {r["hostname"]: r[side] for r in moved} for side in ("before", "after")},
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "nodes": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "required_one_of": [("hostname", "id")],
                "options": {
                    "hostname": {"type": "str"},
                    "id": {"type": "str"},
                    "labels": {"type": "dict", "default": {}},
                    "availability": {"type": "str", "choices": ["active", "pause", "drain"]},
                    "inherits": {"type": "str"},
                    "pins": {"type": "list", "elements": "str", "default": []},
                },
            },
            "purge_labels": {"type": "bool", "default": False},
            "protected": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 60},
            **ENGINE_OPTIONS,
        },
        supports_check_mode=True,
    )
    try:
        run(module, Engine(module.params["docker_host"]))
    except EngineError as error:
        module.fail_json(msg=f"the nodes could not be reconciled: {error}")


if __name__ == "__main__":
    main()
