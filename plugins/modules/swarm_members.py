#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_members
short_description: Promote, demote and remove nodes, one at a time and never below quorum
version_added: 0.1.0
description:
  - Runs on a manager. First promotes, then demotes, then removes; waits after each step until it
    has taken effect, and looks at the quorum before each demotion.
  - Nodes that are not listed any more are passed over, so an interrupted run can be repeated.
  - Does not move tasks, see M(monsterstack.swarm.node_drain).
author: The monsterstack.swarm contributors (@monsterstack)
options:
  promote:
    description: IDs of nodes that are to be managers.
    type: list
    elements: str
    default: []
  demote:
    description: IDs of nodes that are to be workers. Never the node that this runs on.
    type: list
    elements: str
    default: []
  remove:
    description:
      - IDs of nodes that are to be removed. A manager among them that has a vote is demoted first.
      - Waits until the swarm lists a node as down, as it is some seconds after it has left.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds to wait for the effect of each step.
    type: int
    default: 120
  lock_owner:
    description: The run whose locks are renewed meanwhile. Filled in by the action plugin.
    type: dict
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
attributes:
  check_mode:
    description: Tells what would be done, and refuses what would be refused now.
    support: full
"""

EXAMPLES = r"""
- name: Forget a machine that burnt
  monsterstack.swarm.swarm_members:
    remove: [k2rz1zh0lsl9v9pwqm0c6qs6d]
"""

RETURN = r"""
done:
  description: What was done, in order.
  returned: always
  type: list
  elements: str
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils import quorum
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    ENGINE_OPTIONS,
    Engine,
    EngineError,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.host import summarise_node
from ansible_collections.monsterstack.swarm.plugins.module_utils.lock import LockLostError, Renewal
from ansible_collections.monsterstack.swarm.plugins.module_utils.swarm_api import update, wait


class MemberError(Exception):
    """What forbids to go on, in the user's words."""


def forgotten(node: dict[str, Any]) -> bool:
    """Whether a dead manager has no vote any more, as after --force-new-cluster.

    Docker refuses to demote it ("can't find manager in raft memberlist"), and lets it be removed.
    """
    return node["status"] != "ready" and not quorum.votes(node)


class Members:
    """The steps, each with its effect waited for."""

    def __init__(
        self,
        engine: Engine,
        timeout: float,
        check_mode: bool,
        lock_owner: dict[str, Any] | None = None,
    ) -> None:
        self.renewal = Renewal(engine, lock_owner)
        self.engine, self.timeout, self.check_mode = engine, timeout, check_mode
        self.own = str((engine.get("/info").get("Swarm") or {}).get("NodeID"))
        self.done: list[str] = []

    def nodes(self) -> dict[str, dict[str, Any]]:
        return {node["ID"]: summarise_node(node) for node in self.engine.get("/nodes")}

    def set_role(self, node_id: str, role: str) -> None:
        """Write the role and wait until the managers agree."""
        update(self.engine, f"/nodes/{node_id}", lambda spec: {**spec, "Role": role})

        def complaint() -> str:
            node = self.nodes()[node_id]
            state = node["reachability"]
            if role == "manager":
                return "" if quorum.answers(node) else "the other managers do not reach it yet"
            return "" if state is None else f"it still counts as a manager ({state})"

        why = wait(complaint, time.monotonic() + self.timeout, self.renewal.keep)
        if why:
            raise MemberError(
                f"{node_id} was told to be a {role}, but after {self.timeout:.0f} s {why}. Look at "
                "'journalctl -u docker' there, then run this again."
            )

    def promote(self, node_id: str) -> None:
        node = self.nodes().get(node_id)
        if node is None or node["role"] == "manager":
            return
        if node["status"] != "ready":
            raise MemberError(
                f"{node['hostname']} is not made a manager: the swarm lists it as {node['status']}."
            )
        self.done.append(f"{node['hostname']} is a manager")
        if not self.check_mode:
            self.set_role(node_id, "manager")

    def demote(self, node_id: str) -> None:
        nodes = self.nodes()
        node = nodes.get(node_id)
        if node is None or node["role"] != "manager" or forgotten(node):
            return
        if node_id == self.own:
            raise MemberError(
                f"{node['hostname']} cannot make itself a worker: run this on another manager."
            )
        refusal = quorum.refuse_demotion(list(nodes.values()), node)
        if refusal:
            raise MemberError(refusal)
        self.done.append(f"{node['hostname']} is a worker")
        if not self.check_mode:
            self.set_role(node_id, "worker")

    def remove(self, node_id: str) -> None:
        node = self.nodes().get(node_id)
        if node is None:
            return
        self.demote(node_id)
        self.done.append(f"{node['hostname']} ({node_id}) is removed")
        if self.check_mode:
            return

        def complaint() -> str:
            status = self.nodes()[node_id]["status"]
            return "" if status == "down" else f"the swarm lists it as {status}"

        why = wait(complaint, time.monotonic() + self.timeout, self.renewal.keep)
        if why:
            raise MemberError(
                f"{node['hostname']} is not removed: after {self.timeout:.0f} s {why}. Look at "
                "'journalctl -u docker' there and run this again, or switch it off first."
            )
        try:
            self.engine.raw("DELETE", f"/nodes/{node_id}", {"force": "true"})
        except EngineError as error:
            if error.status != 404:
                raise


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "promote": {"type": "list", "elements": "str", "default": []},
            "demote": {"type": "list", "elements": "str", "default": []},
            "remove": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 120},
            "lock_owner": {"type": "dict"},
            **ENGINE_OPTIONS,
        },
        supports_check_mode=True,
    )
    done: list[str] = []
    try:
        members = Members(
            Engine(module.params["docker_host"]),
            module.params["timeout"],
            module.check_mode,
            module.params["lock_owner"],
        )
        done = members.done
        for step in ("promote", "demote", "remove"):
            for node_id in module.params[step]:
                getattr(members, step)(node_id)
    except (MemberError, EngineError, LockLostError) as problem:
        text = f" Done before: {'; '.join(done[:-1])}." if len(done) > 1 else ""
        module.fail_json(msg=f"{problem}{text}", done=done)
    module.exit_json(changed=bool(done), done=done)


if __name__ == "__main__":
    main()
