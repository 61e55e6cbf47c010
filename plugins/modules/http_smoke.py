#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: http_smoke
short_description: Ask for a few pages through every node, as a visitor would
version_added: 0.1.0
description:
  - Sends each check, in order, to each address; the addresses are asked side by side.
  - A check that fails is tried again until O(timeout) is over, since a routing mesh needs a moment
    after a deploy, and half a minute after a reboot. Never changes anything.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  addresses:
    description: Addresses of the nodes.
    type: list
    elements: str
    required: true
  port:
    description: The published port.
    type: int
    required: true
  checks:
    description: What is asked for and what the answer must be.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What people call it.
        type: str
        required: true
      path:
        description: Path and query.
        type: str
        required: true
      form:
        description: Fields of a form; with them the request is a POST.
        type: dict
      status:
        description: The status that is right.
        type: int
        default: 200
      content_type:
        description: The content type that is right, without parameters.
        type: str
      contains:
        description: Text that the body must hold.
        type: str
      png:
        description: Whether the body must be a complete PNG.
        type: bool
        default: false
      header:
        description: Regular expressions for whole header values, by the header's name.
        type: dict
  timeout:
    description: Seconds for all checks of one address together, with all attempts.
    type: int
    default: 60
  request_timeout:
    description: Seconds for one request.
    type: int
    default: 5
attributes:
  check_mode:
    description: Runs in check mode, and does the same.
    support: full
"""

EXAMPLES = r"""
- name: Ask for the page through every node
  monsterstack.swarm.http_smoke:
    addresses: [192.0.2.11, 192.0.2.21]
    port: 5000
    checks:
      - {name: the page, path: /, content_type: text/html}
  delegate_to: localhost
"""

RETURN = r"""
wrong:
  description:
    - Whether it is what answers that is wrong. Not when some nodes let nothing through at all and
      every other one answered rightly.
  returned: failed
  type: bool
results:
  description: One entry for each address and check.
  returned: always
  type: list
  elements: dict
  contains:
    address:
      description: The address.
      type: str
    check:
      description: Name of the check.
      type: str
    attempts:
      description: How often it was tried.
      type: int
    problem:
      description: What was wrong with the last answer, null when nothing was.
      type: str
"""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils.people import as_lines, headline
from ansible_collections.monsterstack.swarm.plugins.module_utils.smoke import is_wrong, run_check

PAUSE = 0.5  # seconds between two attempts
MAX_PARALLEL = 16


def ask_node(address: str, params: dict[str, Any]) -> list[dict[str, Any]]:
    """All checks through one node; stops at the first that stays wrong."""
    deadline = time.monotonic() + params["timeout"]
    results = []
    for check in params["checks"]:
        attempts = 0
        while True:
            attempts += 1
            problem = run_check(address, params["port"], check, params["request_timeout"])
            if problem is None or time.monotonic() + PAUSE > deadline:
                break
            time.sleep(PAUSE)
        results.append(
            {
                "address": address,
                "check": check["name"],
                "attempts": attempts,
                "problem": problem,
            }
        )
        if problem:
            break
    return results


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "addresses": {"type": "list", "elements": "str", "required": True},
            "port": {"type": "int", "required": True},
            "checks": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "path": {"type": "str", "required": True},
                    "form": {"type": "dict"},
                    "status": {"type": "int", "default": 200},
                    "content_type": {"type": "str"},
                    "contains": {"type": "str"},
                    "png": {"type": "bool", "default": False},
                    "header": {"type": "dict"},
                },
            },
            "timeout": {"type": "int", "default": 60},
            "request_timeout": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    with ThreadPoolExecutor(max_workers=MAX_PARALLEL) as pool:
        answers = pool.map(lambda node: ask_node(node, module.params), module.params["addresses"])
        results = [result for node in answers for result in node]
    port = module.params["port"]
    problems = [
        f"http://{result['address']}:{port}: {result['check']}: {result['problem']}"
        for result in results
        if result["problem"]
    ]
    if problems:
        lines = ["Not every node answers as it should:", *problems]
        lines.append("playbooks/doctor.yml looks for the reason and says what to do.")
        module.fail_json(
            msg=headline(lines), findings=as_lines(lines), results=results, wrong=is_wrong(results)
        )
    module.exit_json(changed=False, results=results)


if __name__ == "__main__":
    main()
