#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_lock
short_description: Let one deployer at a time work on a stack, or on the whole cluster
version_added: 0.1.0
description:
  - A lock is a Swarm config, C(<stack>_lock) or C(monsterstack.swarm.lock). The managers agree on
    its creation, so two deployers never both have it. It says who has it and from where.
  - Two stacks may be worked on at once. Whoever takes the lock of a stack is refused while somebody
    has the cluster's, and whoever takes the cluster's while somebody has any other one. Each takes
    its own lock first and looks then, and gives it back before it is refused.
  - A lock is a lease. While the playbook runs, a helper process on the controller renews it every
    20 seconds, through the host that took it last; modules that wait on a manager renew it too. It
    ends by itself 120 seconds after the last renewal, whatever became of the controller.
  - The age is judged by the managers' clock. A lease that has run out is taken over only when
    nobody has renewed it for another 45 seconds that the module watches it.
  - The lock of a playbook that has ended on the same controller is recovered at once, with a
    warning. A playbook that ends in the usual way, or by Ctrl-C, gives its locks back.
  - Locks of older versions are never renewed and hold for two hours.
  - Taking and giving back leaves nothing behind, so neither counts as a change.
  - Whoever takes the lock of a stack learns what runs, at once and while nobody else changes it.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  scope:
    description: What is locked.
    type: str
    choices: [stack, cluster]
    default: stack
  stack:
    description: Name of the stack. Needed to take or release the lock of a stack.
    type: str
  state:
    description:
      - V(taken) takes the lock or fails with the name of who has it. Taking it again is no error.
      - V(released) gives it back. Never touches somebody else's.
      - V(read) lists all locks.
      - V(freed) removes the lock O(name), whoever has it, unless it is renewed meanwhile. Without a
        name it needs O(force=true) and removes all locks, in a cluster that was just restored.
      - V(renewed) renews all locks of O(owner). Used by the helper process.
    type: str
    choices: [taken, released, read, freed, renewed]
    required: true
  wait:
    description: Seconds to wait for others. Nothing is held meanwhile.
    type: int
    default: 0
  name:
    description: The lock to be freed, by the name that O(state=read) shows.
    type: str
  force:
    description: Free a lock though its owner is at work. That run stops at its next step.
    type: bool
    default: false
  owner:
    description: Who takes it. Filled in by the action plugin.
    type: dict
  replace:
    description: IDs of locks to be removed first. Filled in by the action plugin.
    type: list
    elements: str
    default: []
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
attributes:
  check_mode:
    description: Looks whether the lock could be taken, and takes nothing.
    support: full
"""

EXAMPLES = r"""
- name: Deploy alone
  block:
    - name: Take the lock
      monsterstack.swarm.stack_lock:
        stack: shop
        state: taken
        wait: 300
    # ... deploy ...
  always:
    - name: Give the lock back
      monsterstack.swarm.stack_lock:
        stack: shop
        state: released
"""

RETURN = r"""
held:
  description: Whether this playbook has the lock now.
  returned: when O(state=taken) or O(state=released)
  type: bool
waited:
  description: Seconds that it waited for others.
  returned: when O(state=taken)
  type: float
others:
  description:
    - The locks that are in the way, each with C(name), C(scope), C(holder), C(owner), C(age),
      C(renewed) (seconds ago, null for one that is never renewed) and C(ends) (in seconds).
  returned: when O(state=taken)
  type: list
  elements: dict
recovered:
  description: The locks that had run out and were removed, in the same form.
  returned: when O(state=taken)
  type: list
  elements: dict
locks:
  description: All locks, in the same form.
  returned: when O(state=read)
  type: list
  elements: dict
lines:
  description: The same, one line for people each.
  returned: when O(state=read)
  type: list
  elements: str
running:
  description:
    - Also C(current), C(last), C(previous), C(history), C(releases), C(secrets) and C(versions).
    - They are what M(monsterstack.swarm.stack_release) returns when it reads.
  returned: when O(state=taken) takes the lock of a stack
  type: dict
names:
  description: The locks that were renewed.
  returned: when O(state=renewed)
  type: list
  elements: str
"""

import time
from collections.abc import Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils import lock, release
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    ENGINE_OPTIONS,
    Engine,
    EngineError,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.swarm_api import look_at_releases

# Seconds between two looks at a lock that may be renewed.
PAUSE = 3.0


class LockError(Exception):
    """What forbids to go on, in the user's words."""


def take(module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """Take the lock and see what runs, or tell who has it."""
    result = take_lock(module, engine)
    stack = wanted(module)
    if not result["others"] and stack:
        records, _ids, running = look_at_releases(engine, stack)
        result |= release.summary(records, running, engine.get("/secrets"))
    return result


def wanted(module: AnsibleModule) -> str | None:
    """The stack, or None for the cluster."""
    return module.params["stack"] if module.params["scope"] == "stack" else None


def take_lock(module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """Take the lock, then look at the others; give it back where one of them is in the way.

    Two that take theirs at the same moment may both find the other and both give back, but never
    both go on.
    """
    stack, owner = wanted(module), module.params["owner"]
    recovered: list[dict[str, Any]] = []
    made = not module.check_mode and create(engine, stack, owner)
    others, over = judge(module, engine, stack, owner)
    if over and not module.check_mode:
        for one in over:
            remove(engine, one.id)
        recovered = [one.describe(time.time()) for one in over if one.id not in replaced(module)]
        made = create(engine, stack, owner) or made
        others, _over = judge(module, engine, stack, owner, watch=0)
    if others and made:
        give_back(engine, stack, owner)
    missing = not (others or made or module.check_mode or have(engine, stack, owner))
    # Its owner gave it back between the two questions; or it is no lock at all.
    if missing and not create(engine, stack, owner):
        name = lock.config_name(stack)
        raise LockError(
            f"the Swarm config {name} is no lock of this collection, and a lock needs its name. "
            f"See 'docker config inspect {name}'."
        )
    return {
        "changed": False,
        "held": not others and not module.check_mode,
        "others": [one.describe(time.time()) for one in others],
        "recovered": recovered,
    }


def replaced(module: AnsibleModule) -> list[str]:
    return module.params["replace"] or []


def judge(
    module: AnsibleModule,
    engine: Engine,
    stack: str | None,
    owner: dict[str, Any],
    watch: float = lock.WATCH_SECONDS,
) -> tuple[list[lock.Lock], list[lock.Lock]]:
    """(the locks in the way, those among them that hold no more and are removed)."""
    others = lock.in_the_way(lock.find_all(engine), stack, owner)
    judged = [one for one in others if one.id in replaced(module)]
    maybe = [one for one in others if one not in judged and one.end < time.time()]
    old = [one for one in maybe if one.lease is None]
    leased = [one for one in maybe if one.lease is not None]
    # Somebody who is alive anyway spares the watch.
    if len(judged) + len(maybe) < len(others) or module.check_mode or not watch:
        leased = []
    over = [*judged, *old, *not_renewed(engine, leased, watch)]
    return [one for one in others if one not in over], over


def not_renewed(engine: Engine, locks: Sequence[lock.Lock], seconds: float) -> list[lock.Lock]:
    """Those of these locks that nobody renews while they are watched."""
    left = list(locks)
    end = time.monotonic() + seconds
    while left and time.monotonic() < end:
        time.sleep(min(PAUSE, seconds))
        now = {one.id: one.version for one in lock.find_all(engine)}
        left = [one for one in left if now.get(one.id) == one.version]
    return left


def create(engine: Engine, stack: str | None, owner: dict[str, Any]) -> bool:
    """Make the lock; False where its name is taken already."""
    try:
        engine.post("/configs/create", lock.new_config(stack, owner))
    except EngineError as error:
        if error.status == 409:
            return False
        raise
    return True


def have(engine: Engine, stack: str | None, owner: dict[str, Any]) -> bool:
    """Whether the lock is this run's already."""
    name = lock.config_name(stack)
    return any(one.name == name and lock.same(one.content, owner) for one in lock.find_all(engine))


def give_back(engine: Engine, stack: str | None, owner: dict[str, Any]) -> bool:
    """Remove one's own lock."""
    name = lock.config_name(stack)
    mine = [one for one in lock.find_all(engine) if one.name == name]
    for one in mine:
        if lock.same(one.content, owner):
            remove(engine, one.id)
            return True
    return False


def unlock(module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """Give one's own lock back."""
    if not module.check_mode:
        give_back(engine, wanted(module), module.params["owner"])
    return {"changed": False, "held": False}


def read(_module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """All locks."""
    locks = [one.describe(time.time()) for one in lock.find_all(engine)]
    lines = [f"{one['name']} ({one['scope']}): {lock.line(one)}" for one in locks]
    return {"changed": False, "locks": locks, "lines": lines}


def free(module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """Remove a lock by its name, when nobody renews it; all of them without a name."""
    name, force = module.params["name"], module.params["force"]
    locks = lock.find_all(engine)
    if not name:
        for one in locks:
            remove(engine, one.id)
        return {"changed": bool(locks), "lines": [f"freed {one.name}" for one in locks]}
    found = next((one for one in locks if one.name == name), None)
    if found is None:
        there = ", ".join(one.name for one in locks) or "none"
        hint = f" Did you mean {name}_lock?" if f"{name}_lock" in there.split(", ") else ""
        raise LockError(f"there is no lock {name!r}. Locks: {there}.{hint}")
    said = lock.line(found.describe(time.time()))
    if module.check_mode:
        return {"changed": True, "lines": [f"would free {name}: {said}"]}
    if (
        found.lease is not None
        and not force
        and not not_renewed(engine, [found], lock.WATCH_SECONDS)
    ):
        raise LockError(
            f"{name} is in use: {said}. Its owner has just renewed or released it, so that run is "
            "at work. Wait until it is over, or end it on its controller (Ctrl-C): its lock is "
            "then gone after two minutes at the latest."
        )
    remove(engine, found.id)
    return {"changed": True, "lines": [f"freed {name}: {said}"]}


def renewed(module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """Renew all of the owner's locks."""
    return {"changed": False, "names": lock.renew(engine, module.params["owner"])}


def remove(engine: Engine, object_id: str) -> None:
    """Delete a config that somebody else may have deleted already."""
    try:
        engine.delete(f"/configs/{object_id}")
    except EngineError as error:
        if error.status != 404:
            raise


WORK = {"taken": take, "released": unlock, "read": read, "freed": free, "renewed": renewed}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "scope": {"type": "str", "choices": ["stack", "cluster"], "default": "stack"},
            "stack": {"type": "str"},
            "state": {"type": "str", "choices": list(WORK), "required": True},
            "wait": {"type": "int", "default": 0},
            "name": {"type": "str"},
            "force": {"type": "bool", "default": False},
            "owner": {"type": "dict"},
            "replace": {"type": "list", "elements": "str", "default": []},
            **ENGINE_OPTIONS,
        },
        supports_check_mode=True,
    )
    state, stack = module.params["state"], wanted(module)
    if state == "freed" and not (module.params["name"] or module.params["force"]):
        module.fail_json(msg="stack_lock needs to know which lock is to be freed: give `name`.")
    if state in ("taken", "released") and module.params["scope"] == "stack" and not stack:
        module.fail_json(msg="stack_lock needs to know which stack: give `stack`.")
    if state in ("taken", "released", "renewed") and not module.params["owner"]:
        module.fail_json(msg="stack_lock needs to know its owner: its action plugin was not found.")
    what = f"the lock of the stack {stack}" if stack else "the locks of the cluster"
    try:
        module.exit_json(**WORK[state](module, Engine(module.params["docker_host"])))
    except LockError as problem:
        module.fail_json(msg=str(problem))
    except EngineError as error:
        module.fail_json(msg=f"{what}: {error}")


if __name__ == "__main__":
    main()
