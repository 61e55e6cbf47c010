#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: service_spread
short_description: Spread tasks over the nodes again, one service at a time
version_added: 0.1.0
description:
  - Swarm leaves running tasks where they are, so a node that is new or has been away stays empty.
  - Lets Swarm replace the tasks of services that are spread unevenly, in the order and pace of
    their own updates, and waits for each service's verdict before it begins with the next.
  - A service that is uneven afterwards is replaced again, up to three times in all.
  - Leaves services alone whose updates stop the old task first, because that is an interruption.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  stack:
    description: Name of the stack.
    type: str
    required: true
  services:
    description: Short names of the services to look at. Default is all.
    type: list
    elements: str
  timeout:
    description: Seconds that one service may take.
    type: int
    default: 600
  lock_owner:
    description: The run whose locks are renewed meanwhile. Filled in by the action plugin.
    type: dict
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
attributes:
  check_mode:
    description: Tells which services would be spread again.
    support: full
"""

EXAMPLES = r"""
- name: Use the new node
  monsterstack.swarm.service_spread:
    stack: shop
"""

RETURN = r"""
lines:
  description: One line per service, what was done and where its tasks are.
  returned: always
  type: list
  elements: str
spread:
  description: Short names of the services whose tasks were spread again.
  returned: always
  type: list
  elements: str
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils import drain, verdict
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    ENGINE_OPTIONS,
    Engine,
    EngineError,
    short_name,
    stack_filter,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.lock import LockLostError, Renewal
from ansible_collections.monsterstack.swarm.plugins.module_utils.swarm_api import look, roll, wait

# Where two nodes are equal Swarm takes the one with less work of other services, so both of two
# tasks may end on the new node (seen in one of three runs). Then the same again.
ROUNDS = 3


class SpreadError(Exception):
    """What forbids to go on, in the user's words."""


def spread(
    engine: Engine, stack: str, service_id: str, name: str, timeout: float, renewal: Renewal
) -> None:
    """Replace the tasks of one service; raises SpreadError unless it converges."""
    roll(engine, service_id)
    watch = verdict.Watch(stack=stack, wanted=[name], started=time.time())
    final: dict[str, verdict.Result] = {}

    def complaint() -> str:
        result = watch.look(look(engine, stack_filter(stack)))[name]
        final[name] = result
        return "" if result.final else result.message

    wait(complaint, time.monotonic() + timeout, renewal.keep)
    result = final.get(name)
    if result is None or result.verdict != "converged":
        said = verdict.describe(name, result, watch.seconds(name)) if result else "no answer"
        raise SpreadError(f"{said}. The services after it were left alone.")


def run(module: AnsibleModule, engine: Engine) -> None:
    stack, wanted = module.params["stack"], module.params["services"]
    renewal = Renewal(engine, module.params["lock_owner"])
    snapshot = look(engine, stack_filter(stack))
    services = {short_name(stack, drain.name_of(s)): s for s in snapshot.services}
    unknown = sorted(set(wanted or []) - set(services))
    if unknown:
        raise SpreadError(
            f"the stack {stack} has no service {', '.join(unknown)}: it has "
            f"{', '.join(sorted(services)) or 'none at all'}."
        )
    lines: list[str] = []
    done: list[str] = []
    for name in sorted(wanted or services):
        service = services[name]
        before = drain.places_line(service, snapshot)
        if problems := drain.unread(service):
            lines.append(f"{name}: left alone, {'; '.join(problems)} ({before})")
            continue
        if not drain.is_uneven(service, snapshot):
            lines.append(f"{name}: is spread evenly ({before})")
            continue
        if not drain.starts_first(service):
            lines.append(f"{name}: left alone, its updates stop the old task first ({before})")
            continue
        done.append(name)
        if module.check_mode:
            lines.append(f"{name}: would be spread again ({before})")
            continue
        rounds = 0
        while rounds < ROUNDS and drain.is_uneven(service, snapshot):
            spread(engine, stack, service["ID"], name, module.params["timeout"], renewal)
            snapshot = look(engine, stack_filter(stack))
            rounds += 1
        line = f"{name}: {before} -> {drain.places_line(service, snapshot)}"
        if drain.is_uneven(service, snapshot):
            line += f", still uneven after {rounds} rounds"
        lines.append(line)
    module.exit_json(changed=bool(done), lines=lines, spread=done)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "services": {"type": "list", "elements": "str"},
            "timeout": {"type": "int", "default": 600},
            "lock_owner": {"type": "dict"},
            **ENGINE_OPTIONS,
        },
        supports_check_mode=True,
    )
    try:
        run(module, Engine(module.params["docker_host"]))
    except (SpreadError, EngineError, LockLostError) as problem:
        module.fail_json(msg=str(problem))


if __name__ == "__main__":
    main()
