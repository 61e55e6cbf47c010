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
  asked_from:
    description:
      - Who asks, the controller or the task's host. O(addresses) are those by which that one
        reaches the nodes.
    type: str
    choices: [controller, host]
    default: host
  addresses:
    description: Addresses of the nodes.
    type: list
    elements: str
    required: true
  inside:
    description:
      - Addresses by which the task's host reaches the nodes. Where the controller asks and no node
        answers it at all, the host asks too, so that a closed way is told from a wrong answer.
    type: list
    elements: str
    default: []
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

- name: Ask from the controller, and let m1 try where that reaches nothing
  monsterstack.swarm.http_smoke:
    asked_from: controller
    addresses: [192.0.2.11, 192.0.2.21]
    inside: [10.0.0.11, 10.0.0.21]
    port: 5000
    checks:
      - {name: the page, path: /, content_type: text/html}
  delegate_to: m1
"""

RETURN = r"""
wrong:
  description:
    - Whether it is what answers that is wrong. Not when some nodes let nothing through at all and
      every other one answered rightly. Where the controller got no answer at all, the host's
      answers decide.
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
inside:
  description: What the host was answered, in the same form.
  returned: when the controller reached no node and the host did
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils.smoke import SPEC, look


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    result = look(module.params)
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
