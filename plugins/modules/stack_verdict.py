#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_verdict
short_description: Wait until every service of a stack has a verdict, and tell the truth about it
version_added: 0.1.0
description:
  - Verdicts are C(converged), C(rolled_back), C(paused), C(pending) and C(failed).
  - An automatic rollback and a paused update are failures, which Docker's own commands report as
    success. Tasks that find no place are C(pending) until O(timeout).
  - Only tasks of the present spec count, healthy where there is a health check, on nodes that are
    ready. New tasks that Swarm does not monitor must have been running for O(settle) seconds, those
    without a health check for the service's C(monitor) and at least 10 s.
  - Changes nothing.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  stack:
    description: Name of the stack.
    type: str
    required: true
  timeout:
    description: How many seconds to wait at most.
    type: int
    default: 300
  services:
    description: Short names of the services to look at, which must exist. Default is all there are.
    type: list
    elements: str
  before:
    description:
      - Version index by short service name before the deployment, as
        RV(monsterstack.swarm.stack_release#module:versions) has it.
      - A service that still has it was not updated. How an earlier update ended does not count.
    type: dict
    default: {}
  settle:
    description: How many seconds tasks must have been running that no update monitors.
    type: float
    default: 3
  interval:
    description: Seconds between two looks.
    type: float
    default: 1
  max_failures:
    description: How many failed tasks in one slot, seen while waiting, are enough to give up.
    type: int
    default: 5
  patience:
    description:
      - Seconds before O(max_failures) counts, as a task may fail until another service is there.
    type: int
    default: 0
  ill_before:
    description:
      - Short names of services that were ill before and are not touched. They are reported and
        given a moment to get well, and RV(verdict) is that on all others.
    type: list
    elements: str
    default: []
  log_lines:
    description:
      - How many lines of the failed task's log to return. V(0) returns none.
      - The lines are what the service printed. Set V(0) for one that prints secrets.
    type: int
    default: 20
  fail:
    description: Fail unless all is converged. Never fails in check mode.
    type: bool
    default: true
  settled:
    description:
      - What RV(monsterstack.swarm.stack_release#module:settled) was a moment ago.
      - Unless it is empty, the action plugin returns it as it is and calls no manager.
    type: dict
  lock_owner:
    description: The run whose locks are renewed meanwhile. Filled in by the action plugin.
    type: dict
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
attributes:
  check_mode:
    description: Looks once, reports what is there and never waits.
    support: full
"""

EXAMPLES = r"""
- name: See what runs before the deployment
  monsterstack.swarm.stack_release:
    stack: shop
  register: __before

# ... deploy ...

- name: Wait for the verdict
  monsterstack.swarm.stack_verdict:
    stack: shop
    before: "{{ __before.versions }}"
    timeout: 180
"""

RETURN = r"""
verdict:
  description: The worst of all services' verdicts, those of O(ill_before) left aside.
  returned: always
  type: str
ill_before:
  description: Those of O(ill_before) that have not converged.
  returned: always
  type: list
  elements: str
seconds:
  description: How long the module waited.
  returned: always
  type: float
summary:
  description: One line per service for people.
  returned: always
  type: list
  elements: str
report:
  description: The same, with the last lines of the logs of what did not converge.
  returned: always
  type: list
  elements: str
timeline:
  description: What happened to the services that were touched, one line per event, for people.
  returned: always
  type: list
  elements: str
services:
  description: The verdict by short service name.
  returned: always
  type: dict
  contains:
    verdict:
      description: The verdict.
      returned: always
      type: str
    desired:
      description: How many tasks are to run, or of a job to complete.
      returned: always
      type: int
    running:
      description: How many tasks count.
      returned: always
      type: int
    nodes:
      description: Host names of their nodes, one per task.
      returned: always
      type: list
      elements: str
    image:
      description: The image in the service's spec.
      returned: always
      type: str
    digest:
      description: Its digest, or null.
      returned: always
      type: str
    update_state:
      description: Swarm's own state of the last update, or null.
      returned: always
      type: str
    message:
      description: Why it is so.
      returned: always
      type: str
    last_error:
      description: What the task that explains it ended with, and where, or null.
      returned: always
      type: str
    log_tail:
      description: Last lines of that task's log.
      returned: always
      type: list
      elements: str
    log_note:
      description: Why there are no lines, or null. Logs are a best effort.
      returned: always
      type: str
    seconds:
      description: How long after the start of the module the service got this verdict.
      returned: always
      type: float
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils import verdict
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    ENGINE_OPTIONS,
    Engine,
    EngineError,
    stack_filter,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.lock import LockLostError, Renewal
from ansible_collections.monsterstack.swarm.plugins.module_utils.people import as_lines, headline
from ansible_collections.monsterstack.swarm.plugins.module_utils.swarm_api import look

LOG_TIMEOUT = 5.0
LOG_BYTES = 65536
RECOVERY_SECONDS = 20.0


def read_log(engine: Engine, task: str | None, lines: int) -> tuple[list[str], str | None]:
    """(the last lines of a task's log, or why there are none)."""
    if not lines:
        return [], "not asked for"
    if not task:
        return [], "no task that failed had a container"
    query = {"stdout": "true", "stderr": "true", "tail": str(lines)}
    try:
        data = engine.raw("GET", f"/tasks/{task}/logs", query, timeout=LOG_TIMEOUT, limit=LOG_BYTES)
    except EngineError as error:
        return [], f"the log of the task {task} could not be read: {error}"
    text = verdict.demultiplex(data).splitlines()[-lines:]
    return text, None if text else f"the task {task} wrote nothing, or its log is gone"


def watch(
    module: AnsibleModule, engine: Engine
) -> tuple[verdict.Watch, dict[str, verdict.Result], list[str]]:
    """Look until every verdict is final or the time is over: the watch, verdicts, timeline."""
    params = module.params
    started = time.time()
    watcher = verdict.Watch(
        stack=params["stack"],
        before={name: int(index) for name, index in params["before"].items()},
        wanted=params["services"],
        started=started,
        settle=params["settle"],
        max_failures=params["max_failures"],
        patience=params["patience"],
    )
    spared = set(params["ill_before"])
    judged_at = 0.0
    end = time.monotonic() + (0 if module.check_mode else params["timeout"])
    renewal = Renewal(engine, params["lock_owner"])
    while True:
        renewal.keep()
        problem, results = None, {}
        try:
            snapshot = look(engine, stack_filter(params["stack"]))
            results = watcher.look(snapshot)
        except EngineError as error:
            # A change of the leader interrupts the interface for a few seconds.
            problem = error
        over = time.monotonic() >= end
        if problem and over:
            raise problem
        if not problem:
            # What was ill before may get well by this release, and is given a moment.
            ill = any(results[n].verdict != "converged" for n in spared & set(results))
            if not all(one.final for name, one in results.items() if name not in spared):
                judged_at = 0.0
            elif not ill or time.monotonic() - (judged_at or time.monotonic()) >= RECOVERY_SECONDS:
                over = True
            else:
                judged_at = judged_at or time.monotonic()
            if over:
                return watcher, results, watcher.timeline(snapshot)
        time.sleep(params["interval"])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "timeout": {"type": "int", "default": 300},
            "services": {"type": "list", "elements": "str"},
            "before": {"type": "dict", "default": {}},
            "settle": {"type": "float", "default": 3},
            "interval": {"type": "float", "default": 1},
            "max_failures": {"type": "int", "default": 5},
            "patience": {"type": "int", "default": 0},
            "ill_before": {"type": "list", "elements": "str", "default": []},
            "log_lines": {"type": "int", "default": 20},
            "fail": {"type": "bool", "default": True},
            "settled": {"type": "dict"},
            "lock_owner": {"type": "dict"},
            **ENGINE_OPTIONS,
        },
        supports_check_mode=True,
    )
    begin = time.monotonic()
    stack = module.params["stack"]
    try:
        engine = Engine(module.params["docker_host"])
        watcher, results, story = watch(module, engine)
    except (EngineError, LockLostError) as error:
        module.fail_json(msg=f"no verdict on the stack {stack}: {error}")
    logs = {
        name: read_log(engine, result.failed_task, module.params["log_lines"])
        for name, result in results.items()
        if result.verdict != "converged"
    }
    took = time.monotonic() - begin
    spared = module.params["ill_before"]
    outcome = verdict.outcome(watcher, results, logs, story, took, spared)
    if outcome["verdict"] != "converged" and module.params["fail"] and not module.check_mode:
        bad = [
            line
            for line, r in zip(outcome["summary"], results.values(), strict=True)
            if r.verdict != "converged"
        ]
        became = f"{outcome['verdict'].replace('_', ' ')} after {outcome['seconds']:.0f} s"
        lines = as_lines([f"the stack {stack} is {became}.", *bad])
        module.fail_json(msg=headline(lines), findings=lines, **outcome)
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
