#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: node_drain
short_description: Move the work off a node, wait for it, and give it back
version_added: 0.1.0
description:
  - Runs on a manager. Setting a node to C(drain) stops its tasks first and starts others
    afterwards, and waits for nothing (moby#34139).
  - This module first rolls those services over to other nodes, new tasks first, of which less than
    half would be left. Then it drains the node and waits until the tasks run elsewhere, healthy,
    and the node has no container of the swarm left.
  - A service that may run on this node only stays down as long as the node is drained.
  - Refuses when the other nodes have no room, when a service that is to be moved is not whole, and
    when the managers would lose their quorum without this node.
  - The availability that the node had is kept in its label C(monsterstack.swarm.maintenance), so
    an interrupted run is taken up by the next one.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  node:
    description: ID or host name of the node.
    type: str
    required: true
  state:
    description:
      - V(drained) moves the work off. If it fails, the node gets its availability back.
      - V(restored) waits until the node is ready, gives it back the availability that it had, and
        waits until what may run there only runs again.
    type: str
    choices: [drained, restored]
    required: true
  timeout:
    description: Seconds to wait for each of these.
    type: int
    default: 300
  force:
    description: Drain although there is no room or a service is not whole. Never without quorum.
    type: bool
    default: false
  lock_owner:
    description: The run whose locks are renewed meanwhile. Filled in by the action plugin.
    type: dict
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
attributes:
  check_mode:
    description: Tells what would be moved, and refuses what would be refused.
    support: full
"""

EXAMPLES = r"""
- name: Work on a node
  block:
    - name: Move its work off
      monsterstack.swarm.node_drain:
        node: w1
        state: drained
    # ... reboot it ...
  always:
    - name: Let it work again
      monsterstack.swarm.node_drain:
        node: w1
        state: restored
"""

RETURN = r"""
moves:
  description: One line per service with something on the node, what becomes of it.
  returned: when O(state=drained)
  type: list
  elements: str
was:
  description: The availability before the node was drained.
  returned: always
  type: str
availability:
  description: The availability that it has now.
  returned: always
  type: str
seconds:
  description: How long it took.
  returned: always
  type: float
"""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils import drain, quorum
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    ENGINE_OPTIONS,
    Engine,
    EngineError,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.host import summarise_node
from ansible_collections.monsterstack.swarm.plugins.module_utils.lock import LockLostError, Renewal
from ansible_collections.monsterstack.swarm.plugins.module_utils.nodes import MAINTENANCE
from ansible_collections.monsterstack.swarm.plugins.module_utils.swarm_api import (
    look,
    roll,
    same_node,
    update,
    wait,
)


class DrainError(Exception):
    """What forbids to go on, in the user's words."""


def availability(node: Mapping[str, Any]) -> str:
    return str(node["Spec"].get("Availability") or "active")


def find(engine: Engine, wanted: str) -> dict[str, Any]:
    """The node that is meant; raises DrainError."""
    found = [node for node in engine.get("/nodes") if same_node(node, wanted)]
    if len(found) != 1:
        text = "does not list it" if not found else "lists it more than once"
        raise DrainError(
            f"{wanted}: the swarm {text}. See 'docker node ls', and name it by its ID."
        )
    return found[0]  # type: ignore[no-any-return]


def set_availability(engine: Engine, node_id: str, value: str, was: str | None) -> None:
    """Write it, with what it was before in the label, or without the label."""

    def wanted(spec: dict[str, Any]) -> dict[str, Any]:
        labels = {k: v for k, v in (spec.get("Labels") or {}).items() if k != MAINTENANCE}
        if was:
            labels[MAINTENANCE] = was
        return {**spec, "Availability": value, "Labels": labels}

    update(engine, f"/nodes/{node_id}", wanted)


def drained(module: AnsibleModule, engine: Engine, node: dict[str, Any]) -> dict[str, Any]:
    """Move the work off."""
    force, name = module.params["force"], node["Description"]["Hostname"]
    snapshot = look(engine)
    nodes = [summarise_node(entry) for entry in snapshot.nodes]
    refusal = quorum.refuse_away(nodes, summarise_node(node))
    if refusal:
        raise DrainError(refusal)
    label = (node["Spec"].get("Labels") or {}).get(MAINTENANCE)
    was = label or availability(node)
    moves = drain.plan_moves(snapshot, node)
    moved = [move.service for move in moves if move.how in ("roll", "drain")]
    here = {move.service_id for move in moves}
    problems = [one for s in snapshot.services if s["ID"] in here for one in drain.unread(s)]
    problems += drain.without_place(moves, snapshot, node)
    problems += drain.without_room(snapshot.services, snapshot.nodes, node)
    # What is not whole before is not asked for a settling time.
    problems += drain.not_whole(moved, snapshot, settle=0)
    if problems and not force:
        raise DrainError(
            f"{name} is not drained: " + "; ".join(problems) + ". Repair that first, or force it."
        )
    result = {"moves": [str(move) for move in moves], "was": was}
    rest = drain.left_on(node["ID"], snapshot.tasks)
    if availability(node) == "drain" and not rest and not moved:
        return {**result, "changed": False, "availability": "drain"}
    if module.check_mode:
        return {**result, "changed": True, "availability": "drain"}
    keep = Renewal(engine, module.params["lock_owner"]).keep
    try:
        move_all(engine, node["ID"], moves, was, module.params["timeout"], keep)
        refuse_away_now(engine, node["ID"])
    except (DrainError, EngineError, LockLostError) as problem:
        set_availability(engine, node["ID"], was, None)
        raise DrainError(f"{name} takes work as before ({was}): {problem}") from problem
    return {**result, "changed": True, "availability": "drain"}


def move_all(
    engine: Engine,
    node_id: str,
    moves: Sequence[drain.Move],
    was: str,
    timeout: float,
    keep: Callable[[], None],
) -> None:
    """Roll, drain, wait."""
    rolled = [move for move in moves if move.how == "roll"]
    if rolled:
        set_availability(engine, node_id, "pause", was)  # no new tasks, the old ones go on
    for move in rolled:
        roll(engine, move.service_id)
        rest = functools.partial(still_here, engine, node_id, [move.service], [move.service_id])
        complaint = wait(rest, time.monotonic() + timeout, keep)
        if complaint:
            raise DrainError(f"after {timeout:.0f} s {complaint}")
    set_availability(engine, node_id, "drain", was)
    moved = [move.service for move in moves if move.how in ("roll", "drain")]
    complaint = wait(lambda: still_here(engine, node_id, moved), time.monotonic() + timeout, keep)
    if complaint:
        raise DrainError(f"after {timeout:.0f} s {complaint}")


def refuse_away_now(engine: Engine, node_id: str) -> None:
    """Quorum once more, now that the work has moved off: that may have taken minutes, and the
    engine is stopped next."""
    nodes = [summarise_node(entry) for entry in engine.get("/nodes")]
    own = next(entry for entry in nodes if entry["id"] == node_id)
    refusal = quorum.refuse_away(nodes, own)
    if refusal:
        raise DrainError(refusal)


def still_here(
    engine: Engine, node_id: str, names: Sequence[str], ids: Sequence[str] | None = None
) -> str:
    """What is not moved yet: containers on the node, services that are not whole."""
    snapshot = look(engine)
    left = [
        task
        for task in drain.left_on(node_id, snapshot.tasks)
        if ids is None or task["ServiceID"] in ids
    ]
    if left:
        states = ", ".join(sorted({task["Status"]["State"] for task in left}))
        return f"{len(left)} of its tasks are still there ({states})"
    return "; ".join(drain.not_whole(names, snapshot))


def restored(module: AnsibleModule, engine: Engine, node: dict[str, Any]) -> dict[str, Any]:
    """Give the work back."""
    name, timeout = node["Description"]["Hostname"], module.params["timeout"]
    label = (node["Spec"].get("Labels") or {}).get(MAINTENANCE)
    was = label or availability(node)
    keep = Renewal(engine, module.params["lock_owner"]).keep
    if module.check_mode:
        return {"changed": label is not None, "was": was, "availability": was}
    complaint = wait(lambda: not_ready(engine, node["ID"]), time.monotonic() + timeout, keep)
    if complaint:
        raise DrainError(
            f"{name} gets no work back: after {timeout} s {complaint}. Look at 'journalctl -u "
            f"docker' there. It keeps its availability ({availability(node)})."
        )
    if label:
        set_availability(engine, node["ID"], was, None)
    complaint = wait(lambda: not_back(engine, node["ID"]), time.monotonic() + timeout, keep)
    if complaint:
        raise DrainError(f"{name} works again, but after {timeout} s {complaint}")
    return {"changed": label is not None, "was": was, "availability": was}


def not_ready(engine: Engine, node_id: str) -> str:
    """Why a node cannot be given work yet; a manager must be reached by the others, too."""
    node = summarise_node(engine.get(f"/nodes/{node_id}"))
    if node["status"] != "ready":
        return f"the swarm lists it as {node['status']}"
    if node["role"] == "manager" and not quorum.answers(node):
        return f"the other managers do not reach it ({node['reachability'] or 'unknown'})"
    count = quorum.managers([summarise_node(entry) for entry in engine.get("/nodes")])
    return "" if count.enough else str(count)


def not_back(engine: Engine, node_id: str) -> str:
    """Which services that may run there only, or run on every node, do not run yet."""
    snapshot = look(engine)
    node = next(entry for entry in snapshot.nodes if entry["ID"] == node_id)
    if availability(node) == "drain":
        return ""
    names = [
        drain.name_of(service)
        for service in snapshot.services
        if (drain.mode_of(service) == "Global" and drain.places(service, [node]))
        or drain.only_here(service, node, snapshot.nodes)
    ]
    return "; ".join(drain.not_whole(names, snapshot))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["drained", "restored"], "required": True},
            "timeout": {"type": "int", "default": 300},
            "force": {"type": "bool", "default": False},
            "lock_owner": {"type": "dict"},
            **ENGINE_OPTIONS,
        },
        supports_check_mode=True,
    )
    begin = time.monotonic()
    work = drained if module.params["state"] == "drained" else restored
    try:
        engine = Engine(module.params["docker_host"])
        result = work(module, engine, find(engine, module.params["node"]))
    except (DrainError, EngineError, LockLostError) as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(**result, seconds=round(time.monotonic() - begin, 1))


if __name__ == "__main__":
    main()
