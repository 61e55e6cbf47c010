#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: availability_probe
short_description: Count the requests that fail while something else is done
version_added: 0.1.0
description:
  - Asks for a page at a constant rate through every node, by turns over a fresh connection and
    over one that is kept open. A request starts at its time whether or not those before it were
    answered. A kept connection that the other side closed without an answer is opened anew and
    the request repeated, as browsers do, and that is counted.
  - Runs on the controller, beside the playbook, until it is stopped, its O(probe.duration) is over
    or the playbook is gone.
  - Writes C(report.json) and C(timeline.svg) into O(probe.folder).
author: The monsterstack.swarm contributors (@monsterstack)
options:
  state:
    description:
      - V(started) begins and returns at once.
      - V(watched) waits until O(version) has been answering for O(seconds), or until more than
        O(max_failures) requests have failed since. Only what the same run started is looked at.
      - V(stopped) ends it and returns the report.
    type: str
    choices: [started, watched, stopped]
    required: true
  probe:
    description: What is asked, of whom and how often. The same in each task of one probe.
    type: dict
    required: true
    suboptions:
      folder:
        description: Folder on the controller for what the probe sees. One probe at a time.
        type: path
        required: true
      runs:
        description:
          - Whether each run gets a folder of its own in O(probe.folder). C(latest) there leads to
            the newest; the 20 newest stay.
        type: bool
        default: false
      addresses:
        description: Addresses of the nodes.
        type: list
        elements: str
        required: true
      port:
        description: The published port.
        type: int
        required: true
      check:
        description: What is asked for and what the answer must be, as in
          O(monsterstack.swarm.http_smoke#module:checks).
        type: dict
        default: {path: /}
      rate:
        description: Requests per second, all nodes together. At most 200.
        type: float
        default: 20
      duration:
        description: Seconds after which it ends by itself. At most 100000 requests are sent.
        type: float
        default: 1800
      request_timeout:
        description: Seconds after which a request without an answer has failed.
        type: float
        default: 5
      title:
        description: Title of the picture.
        type: str
        default: probe
  version:
    description: The version, as the answers' header C(X-Version) has it, that is watched.
    type: str
  seconds:
    description: How long that version must have been answering.
    type: float
    default: 30
  timeout:
    description: Seconds after which V(watched) gives up waiting for that.
    type: float
    default: 180
  max_failures:
    description: How many requests may fail while V(watched) waits.
    type: int
    default: 0
  wait:
    description: With V(stopped), wait until O(probe.duration) is over instead of ending the probe.
    type: bool
    default: false
  fail_on_loss:
    description: With V(stopped), fail when any request failed.
    type: bool
    default: false
attributes:
  check_mode:
    description: Sends nothing in check mode.
    support: full
"""

EXAMPLES = r"""
- name: Begin to ask
  monsterstack.swarm.availability_probe:
    state: started
    probe: {folder: /tmp/probe, addresses: [192.0.2.11, 192.0.2.21], port: 5000}

# ... deploy ...

- name: See what was lost
  monsterstack.swarm.availability_probe:
    state: stopped
    probe: {folder: /tmp/probe, addresses: [192.0.2.11, 192.0.2.21], port: 5000}
    fail_on_loss: true
"""

RETURN = r"""
verdict:
  description: V(good), V(bad), or V(waiting) when the time was over before that was known.
  returned: when O(state=watched)
  type: str
why:
  description: The reason in one sentence.
  returned: when O(state=watched)
  type: str
lines:
  description: The report for people.
  returned: when O(state=stopped)
  type: list
  elements: str
report:
  description: The report. Times are seconds after the start.
  returned: when O(state=stopped)
  type: dict
  contains:
    requests:
      description: How many requests there were.
      type: int
    failed:
      description: How many of them failed.
      type: int
    by_kind:
      description: Failures by kind.
      type: dict
    by_node:
      description: Requests and failures by address.
      type: dict
    by_connection:
      description: Requests and failures by fresh and kept connections.
      type: dict
    failed_by_version:
      description: Failures by the version that answered, empty for none.
      type: dict
    reopened:
      description: How many kept connections had been closed and were opened anew.
      type: int
    seconds:
      description: Latency of the right answers, C(p50), C(p95), C(p99) and C(max).
      type: dict
    versions:
      description: Versions in the order in which they were seen, with first and last time.
      type: list
      elements: dict
    longest_gap:
      description: Longest time without a right answer.
      type: float
    duration:
      description: When the last request was sent.
      type: float
    failures:
      description: The first 200 failures.
      type: list
      elements: dict
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {
                "type": "str",
                "choices": ["started", "watched", "stopped"],
                "required": True,
            },
            "probe": {
                "type": "dict",
                "required": True,
                "options": {
                    "folder": {"type": "path", "required": True},
                    "runs": {"type": "bool", "default": False},
                    "addresses": {"type": "list", "elements": "str", "required": True},
                    "port": {"type": "int", "required": True},
                    "check": {"type": "dict", "default": {"path": "/"}},
                    "rate": {"type": "float", "default": 20},
                    "duration": {"type": "float", "default": 1800},
                    "request_timeout": {"type": "float", "default": 5},
                    "title": {"type": "str", "default": "probe"},
                },
            },
            "version": {"type": "str"},
            "seconds": {"type": "float", "default": 30},
            "timeout": {"type": "float", "default": 180},
            "max_failures": {"type": "int", "default": 0},
            "wait": {"type": "bool", "default": False},
            "fail_on_loss": {"type": "bool", "default": False},
        },
        required_if=[("state", "watched", ["version"])],
        supports_check_mode=True,
    )
    module.fail_json(
        msg="availability_probe runs on the controller: its action plugin was not found."
    )


if __name__ == "__main__":
    main()
