#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_ca
short_description: Replace a swarm's own CA and wait until every node trusts the new one
version_added: 0.1.0
description:
  - Every node gets a certificate of the new CA. The services go on meanwhile.
  - A rotation that is under way already is waited for, and none is begun.
  - Refused while a node is not ready, since the rotation would wait for it for ever.
  - Join tokens hold a hash of the CA, so those that were written down before do not work any more.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  timeout:
    description: How many seconds to wait for the nodes.
    type: int
    default: 300
  lock_owner:
    description: The run whose locks are renewed meanwhile. Filled in by the action plugin.
    type: dict
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
attributes:
  check_mode:
    description: Refuses what would be refused, and predicts the change.
    support: full
"""

EXAMPLES = r"""
- name: A new CA
  monsterstack.swarm.swarm_ca:
"""

RETURN = r"""
resumed:
  description: Whether a rotation was under way already.
  returned: success
  type: bool
nodes:
  description: How many nodes trust the new CA; how many there are, in check mode.
  returned: success
  type: int
seconds:
  description: How long it took.
  returned: success
  type: float
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils import trust
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    ENGINE_OPTIONS,
    Engine,
    EngineError,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.lock import LockLostError, Renewal
from ansible_collections.monsterstack.swarm.plugins.module_utils.swarm_api import update


def run(module: AnsibleModule, engine: Engine) -> None:
    began = time.monotonic()
    swarm, nodes = engine.get("/swarm"), engine.get("/nodes")
    absent = trust.absent(nodes)
    if absent:
        module.fail_json(
            msg=f"not ready: {', '.join(absent)}. Every node needs a certificate of the new CA, "
            "and the swarm would wait for these for ever: start them, or remove them."
        )
    resumed = bool(swarm.get("RootRotationInProgress"))
    before = (swarm.get("TLSInfo") or {}).get("TrustRoot")
    if module.check_mode:
        module.exit_json(changed=True, resumed=resumed, nodes=len(nodes), seconds=0.0)
    if not resumed:
        update(engine, "/swarm", trust.rotated)
    end = began + module.params["timeout"]
    renewal = Renewal(engine, module.params["lock_owner"])
    while True:
        renewal.keep()
        swarm, nodes = engine.get("/swarm"), engine.get("/nodes")
        fresh = (swarm.get("TLSInfo") or {}).get("TrustRoot") != before
        if trust.done(swarm, nodes) and fresh:
            break
        if time.monotonic() >= end:
            left = trust.absent(nodes) or trust.distrusting(swarm, nodes)
            module.fail_json(
                msg=f"after {module.params['timeout']} s the new CA has not reached "
                f"{', '.join(left) or 'all nodes'}. The rotation goes on by itself; run this again "
                "to wait for it, and look at the engine's log there."
            )
        time.sleep(0.5)
    took = round(time.monotonic() - began, 1)
    module.exit_json(changed=True, resumed=resumed, nodes=len(nodes), seconds=took)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "timeout": {"type": "int", "default": 300},
            "lock_owner": {"type": "dict"},
            **ENGINE_OPTIONS,
        },
        supports_check_mode=True,
    )
    try:
        run(module, Engine(module.params["docker_host"]))
    except LockLostError as problem:
        module.fail_json(msg=f"the CA is being replaced, but {problem}")
    except EngineError as error:
        module.fail_json(msg=f"the CA could not be replaced: {error}")


if __name__ == "__main__":
    main()
