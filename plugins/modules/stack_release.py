#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_release
short_description: Read and record the releases of a stack, and plan the next one
version_added: 0.1.0
description:
  - The swarm itself remembers its releases, in configs called C(<stack>_release_<number>).
    C(docker stack rm) removes them with the stack.
  - Compares what runs with the record, so that changes by hand are seen.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  stack:
    description: Name of the stack.
    type: str
    required: true
  state:
    description:
      - V(read) changes nothing.
      - V(recorded) writes a new release, if it says anything new, and
        forgets the oldest ones.
    type: str
    choices: [read, recorded]
    default: read
  compose:
    description:
      - The compose file as C(docker stack config) normalises it, parsed.
      - With V(read) it is compared with what runs, see RV(plan).
      - With V(recorded) it is stored. Without it the last record lends its own.
    type: dict
  compose_text:
    description:
      - A compose file's text, for V(read). The Docker client of the host validates it against its
        own schema, then it is compared as O(compose) is.
    type: str
  release:
    description: Number of a release to return whole, its compose file included.
    type: int
  secret_names:
    description: Full names that the secrets have now, by short name, for RV(redeployable).
    type: dict
    default: {}
  replicas:
    description: Replicas to keep, by service, for RV(redeployable).
    type: dict
    default: {}
  before:
    description: Version index by short service name, as RV(versions) of an earlier call has it.
    type: dict
    default: {}
  canary_seconds:
    description: How long the first task is to be watched, for RV(pace). 0 for no canary.
    type: float
    default: 0
  serial:
    description: How many tasks are to be updated at once, for RV(pace). 0 for the usual number.
    type: int
    default: 0
  scale:
    description:
      - Replicas that were set beside the inventory, by service, to be recorded. Each entry has
        C(replicas), and C(instead_of) for what the inventory says.
      - Without it the last record lends its own.
    type: dict
  tag:
    description: The tag of the release to record. Without it the last record lends its own.
    type: str
  verdict:
    description: The verdict of the release to record.
    type: str
    choices: [converged, rolled_back, paused, pending, failed]
    default: converged
  who:
    description: Who made the release.
    type: str
    default: ''
  secrets:
    description:
      - Full names, not values, of the secrets that the release uses.
      - Without it the last record lends its own.
    type: list
    elements: str
  keep:
    description:
      - How many releases to remember.
      - The current one and the one a rollback leads to are never forgotten.
    type: int
    default: 10
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
attributes:
  check_mode:
    description: Predicts what would be recorded.
    support: full
  diff_mode:
    description: Shows the last record and the new one.
    support: full
"""

EXAMPLES = r"""
- name: See what a deployment would change
  monsterstack.swarm.stack_release:
    stack: shop
    compose_text: "{{ lookup('ansible.builtin.file', 'docker-stack.yml') }}"
  register: __plan

- name: Write the release down
  monsterstack.swarm.stack_release:
    stack: shop
    state: recorded
    compose: "{{ __plan.compose }}"
    tag: "2.0"
    verdict: "{{ __verdict.verdict }}"
"""

RETURN = r"""
current:
  description:
    - The newest release that converged, or null.
    - Keys are C(number), C(stack), C(tag), C(images), C(replicas), C(config_hashes),
      C(spec_hashes), C(when) (UTC), C(who), C(verdict), C(secrets) (names), C(compose_sha256) and
      C(behind), the number of the release that a rollback leads to.
  returned: when O(state=read)
  type: dict
last:
  description: The newest release whatever its verdict, or null.
  returned: when O(state=read)
  type: dict
compose:
  description: The compose file as C(docker stack config) normalises it, parsed.
  returned: when O(state=read) and O(compose_text) is given
  type: dict
compose_sha256:
  description: SHA-256 in hex of O(compose_text), as M(monsterstack.swarm.host_info) lists files.
  returned: when O(state=read) and O(compose_text) is given
  type: str
secrets:
  description: Names of all secrets in Swarm, those of other stacks included.
  returned: when O(state=read)
  type: list
  elements: str
releases:
  description: Summaries of all releases, newest first.
  returned: when O(state=read)
  type: list
  elements: dict
release:
  description: The release asked for, with its C(compose) file.
  returned: when O(release) is given
  type: dict
running:
  description:
    - What the swarm has, by short service name, with C(image), C(tag), C(digest), C(mode),
      C(replicas), C(spec_hash), C(version) and C(update_state).
    - C(drift) names what differs from RV(current), of image, replicas and spec. C(drifted) says
      whether anything does.
  returned: when O(state=read)
  type: dict
versions:
  description: Version index by short service name, for M(monsterstack.swarm.stack_verdict).
  returned: when O(state=read)
  type: dict
plan:
  description:
    - By short service name C(action) (new, changed, unchanged or removed), C(reasons) (of image,
      replicas, config and drift), C(image_from), C(image_to), C(replicas_from), C(replicas_to).
  returned: when O(state=read) and O(compose) is given
  type: dict
deploy_needed:
  description: Whether any service is not unchanged.
  returned: when O(state=read) and O(compose) is given
  type: bool
services:
  description:
    - Short names of the services of the compose file, without those that it takes out.
    - With O(release) those of that release.
  returned: when O(state=read) and O(compose) or O(release) is given
  type: list
  elements: str
ill:
  description: Which unchanged services are not well at this moment, and how, by short name.
  returned: when O(state=read) and O(compose) is given
  type: dict
seconds_needed:
  description:
    - After how many seconds a good release must be done, by its replicas, pace, health checks and
      start periods. At least 300.
  returned: when O(state=read) and O(compose) or O(release) is given
  type: int
first_seconds:
  description: After how many seconds the first task of a good release must be healthy.
  returned: when O(state=read) and O(compose) is given
  type: int
settled:
  description:
    - What M(monsterstack.swarm.stack_verdict) returns, where no service is to change and one look
      says for good that all of them have converged. Null otherwise.
  returned: when O(state=read) and O(compose) is given
  type: dict
plan_lines:
  description: The plan for people, one line per service that changes.
  returned: when O(state=read) and O(compose) is given
  type: list
  elements: str
previous:
  description:
    - The good release with other images that ran before the current one, or null. Never one that
      was rolled back from.
  returned: when O(state=read)
  type: dict
history:
  description: The recorded releases for people, newest first. The current one has a star.
  returned: when O(state=read)
  type: list
  elements: str
redeployable:
  description: The compose file of O(release), ready to be deployed again.
  returned: when O(state=read) and O(release) is given
  type: dict
redeployable_text:
  description: The same as a file's text, in JSON, so that no value changes its type.
  returned: when O(state=read) and O(release) is given
  type: str
pace:
  description:
    - What to lay over the compose file so that this one rollout goes at another pace, one task that
      is watched before the next, or several at once.
    - Null for the usual pace, and when nothing changes that has more than one replica.
  returned: when O(state=read) and O(compose) is given
  type: dict
paced:
  description: The text of the compose file with RV(pace) laid over it. Null without a pace.
  returned: when O(state=read) and O(compose) is given
  type: str
number:
  description: Number of the release that is recorded now.
  returned: when O(state=recorded)
  type: int
record:
  description: The record.
  returned: when O(state=recorded)
  type: dict
removed:
  description: Names of the configs of forgotten releases.
  returned: when O(state=recorded)
  type: list
  elements: str
"""

import base64
import hashlib
import json
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.monsterstack.swarm.plugins.module_utils import (
    commands,
    compose,
    release,
    verdict,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.compose import ComposeError
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    ENGINE_OPTIONS,
    Engine,
    EngineError,
    stack_filter,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.swarm_api import (
    look,
    look_at_releases,
)


def config_name(stack: str, number: int) -> str:
    """The config that holds a release."""
    return f"{stack}_release_{number}"


def normalise(module: AnsibleModule, stack: str, text: str) -> dict[str, Any]:
    """A compose file as this host's own client understands it; ends the module if it does not."""
    command = [module.get_bin_path("docker", required=True), "stack", "config", "-c", "-"]
    rc, output, error = commands.run(command, text)
    if rc:
        problem = " ".join(error.split())
        module.fail_json(msg=f"the compose file of the stack {stack} is not valid: {problem}")
    try:
        return compose.load(output)
    except ImportError:
        # Only this needs it: whoever reads releases does not.
        module.fail_json(msg=missing_required_lib("PyYAML", reason="to read a compose file"))
    raise AssertionError("fail_json ends the module")


def read(module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """What is recorded, what runs, and what a deployment would change."""
    stack, document, number = (module.params[key] for key in ("stack", "compose", "release"))
    records, _ids, running = look_at_releases(engine, stack)
    result = {"changed": False, **release.summary(records, running, engine.get("/secrets"))}
    if number is not None:
        whole = next((record for record in records if record["number"] == number), None)
        if not whole:
            known = ", ".join(str(record["number"]) for record in records) or "none"
            module.fail_json(
                msg=f"the stack {stack} has no release {number}. Recorded are: {known}."
            )
        elif not whole.get("compose"):
            module.fail_json(msg=f"the release {number} of {stack} was recorded without its file.")
        else:
            names, replicas = module.params["secret_names"], module.params["replicas"]
            result["release"] = whole
            again = release.redeployable(whole["compose"], names, replicas)
            every = {name: {"action": "changed"} for name in again["services"]}
            result["seconds_needed"] = release.seconds_needed(again, every)
            result["services"] = sorted(again["services"])
            result["redeployable"] = again
            result["redeployable_text"] = compose.dump(again)
    if (text := module.params["compose_text"]) is not None:
        result["compose"] = document = normalise(module, stack, text)
        result["compose_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    if document is not None:
        entries = release.plan(document, running, release.current_record(records))
        result["plan"] = entries
        result["plan_lines"] = release.plan_lines(entries)
        seconds, serial = module.params["canary_seconds"], module.params["serial"]
        pace = release.pace(document, entries, seconds, serial)
        result["pace"] = pace
        result["paced"] = release.paced(document, pace) if pace else None
        needed = any(e["action"] != "unchanged" for e in entries.values())
        result["deploy_needed"] = needed
        result["services"] = sorted(n for n, e in entries.items() if e["action"] != "removed")
        snapshot = look_once(engine, stack)
        untouched = [name for name, e in entries.items() if e["action"] == "unchanged"]
        result["ill"] = verdict.ill(stack, untouched, snapshot) if snapshot and needed else {}
        nodes = len(snapshot.nodes) if snapshot else 1
        result["seconds_needed"] = release.seconds_needed(document, entries, pace, nodes)
        result["first_seconds"] = release.first_seconds(document, entries)
        result["settled"] = (
            settled(stack, module.params["before"], snapshot) if snapshot and not needed else None
        )
    return result


def look_once(engine: Engine, stack: str) -> verdict.Snapshot | None:
    """One look; None where the managers do not answer just now: a change of the leader, say, whose
    end stack_verdict knows how to wait for."""
    try:
        return look(engine, stack_filter(stack))
    except EngineError:
        return None


def settled(
    stack: str, before: dict[str, Any], snapshot: verdict.Snapshot
) -> dict[str, Any] | None:
    """verdict.settled of one look."""
    versions = {name: int(index) for name, index in before.items()}
    return verdict.settled(verdict.Watch(stack, versions, started=time.time()), snapshot)


def record(module: AnsibleModule, engine: Engine) -> dict[str, Any]:
    """Write what runs down, and forget the oldest."""
    params = module.params
    stack = params["stack"]
    records, ids, running = look_at_releases(engine, stack)
    last = records[0] if records else None
    new = release.make_record(
        (last["number"] if last else 0) + 1,
        stack,
        running,
        params["compose"],
        last,
        tag=params["tag"],
        verdict=params["verdict"],
        who=params["who"],
        secrets=params["secrets"],
        scale=params["scale"],
        when=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
    new = release.placed(new, records)
    known = release.known_as(new, records)
    if known:
        return {
            "changed": False,
            "number": known["number"],
            "record": release.public(known),
            "removed": [],
        }
    old = [config_name(stack, n) for n in release.to_prune([new, *records], params["keep"])]
    if not module.check_mode:
        write(module, engine, new)
        for name in old:
            if name in ids:
                engine.delete(f"/configs/{ids[name]}")
    return {
        "changed": True,
        "number": new["number"],
        "record": release.public(new),
        "removed": old,
        "diff": {"before": release.public(last) or {}, "after": release.public(new)},
    }


def write(module: AnsibleModule, engine: Engine, new: release.Record) -> None:
    """Store one record; its name makes sure that a number is given once."""
    stack, number = new["stack"], new["number"]
    labels = {"com.docker.stack.namespace": stack, release.RELEASE_LABEL: str(number)}
    data = base64.b64encode(json.dumps(new).encode()).decode()
    try:
        engine.post(
            "/configs/create",
            {"Name": config_name(stack, number), "Labels": labels, "Data": data},
        )
    except EngineError as error:
        if error.status != 409:
            raise
        module.fail_json(
            msg=f"somebody else recorded the release {number} of the stack {stack} at the same "
            "time. See who deploys it too, then run this again."
        )


def main() -> None:
    verdicts = ["converged", "rolled_back", "paused", "pending", "failed"]
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["read", "recorded"], "default": "read"},
            "compose": {"type": "dict"},
            "compose_text": {"type": "str"},
            "release": {"type": "int"},
            "secret_names": {"type": "dict", "default": {}, "no_log": False},
            "replicas": {"type": "dict", "default": {}},
            "before": {"type": "dict", "default": {}},
            "canary_seconds": {"type": "float", "default": 0},
            "serial": {"type": "int", "default": 0},
            "scale": {"type": "dict"},
            "tag": {"type": "str"},
            "verdict": {"type": "str", "choices": verdicts, "default": "converged"},
            "who": {"type": "str", "default": ""},
            "secrets": {"type": "list", "elements": "str", "no_log": False},
            "keep": {"type": "int", "default": 10},
            **ENGINE_OPTIONS,
        },
        mutually_exclusive=[("compose", "compose_text")],
        supports_check_mode=True,
    )
    work = read if module.params["state"] == "read" else record
    try:
        module.exit_json(**work(module, Engine(module.params["docker_host"])))
    except (EngineError, ComposeError) as error:
        module.fail_json(msg=f"the releases of the stack {module.params['stack']}: {error}")


if __name__ == "__main__":
    main()
