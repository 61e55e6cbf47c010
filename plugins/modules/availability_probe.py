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
  - Runs beside the playbook until it is stopped, its O(probe.duration) is over or the playbook is
    gone. On the controller, or on the task's host, for a controller that cannot reach the published
    port.
  - On a host it needs Python alone, and no rights. The controller fetches what it saw every few
    seconds through Ansible's own connection; nothing there outlives a playbook that was killed by
    more than O(probe.lease).
  - Writes C(samples.jsonl), C(report.json) and C(timeline.svg) into O(probe.folder), on the
    controller in either case.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  state:
    description:
      - V(started) begins and returns at once.
      - V(watched) waits until O(version) has been answering for O(seconds), or until more than
        O(max_failures) requests have failed since. Only what the same run started is looked at.
      - V(stopped) ends it and returns the report. Fails, with the report, when the probe ended
        before its time.
      - V(read) is how the controller fetches what a probe on a host saw.
    type: str
    choices: [started, watched, stopped, read]
    required: true
  probe:
    description: What is asked, of whom and how often. The same in each task of one probe.
    type: dict
    required: true
    suboptions:
      asked_from:
        description:
          - Who asks. V(host) is the one that the task with O(state=started) runs on or is delegated
            to; O(probe.addresses) are then those by which that host reaches the nodes.
        type: str
        choices: [controller, host]
        default: controller
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
      lease:
        description:
          - Seconds after which a probe on a host ends by itself when the controller has not asked
            for what it saw.
        type: float
        default: 60
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
  place:
    description: Folder of the probe on the host. Filled in by the action plugin.
    type: path
  offset:
    description: How many bytes of it were read before. Filled in by the action plugin.
    type: int
    default: 0
  end:
    description: Whether the probe on the host is to end. Filled in by the action plugin.
    type: bool
    default: false
  forget:
    description: Whether everything was read. Filled in by the action plugin.
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

- name: Begin to ask from a manager, by the addresses that the nodes have for each other
  monsterstack.swarm.availability_probe:
    state: started
    probe:
      {asked_from: host, folder: /tmp/probe, addresses: [10.0.0.11, 10.0.0.21], port: 5000}
  delegate_to: m1
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
      description: The first 50 failures of each kind through each node.
      type: list
      elements: dict
    asked_from:
      description: V(controller), or the name of the host that asked.
      type: str
"""

import tempfile
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils.daemon import detach
from ansible_collections.monsterstack.swarm.plugins.module_utils.probe_files import (
    HOST,
    REQUIRED_IF,
    SPARE_SECONDS,
    SPEC,
    ProbeError,
    ProbeFolder,
)


def start(options: dict[str, Any]) -> dict[str, Any]:
    """Begin on this host; where, and what is to be read from there next."""
    folder = ProbeFolder(Path(tempfile.mkdtemp(prefix="monsterstack-probe-")))
    detach(lambda: folder.work_on_lease(options), folder.note_failure)
    head = folder.begun()
    lines, _offset = folder.read_from(0)
    return {
        "place": str(folder.folder),
        "offset": lines.index("\n") + 1,  # behind the head, which is plain ASCII
        "age": time.time() - head["started"],
    }


def read(params: dict[str, Any]) -> dict[str, Any]:
    """What the probe of this host saw since; asking for it lets the probe go on."""
    folder, options = ProbeFolder(Path(params["place"])), params["probe"]
    if params["forget"]:
        folder.forget()
    if not folder.samples_file.exists():
        text = "what it saw is not there any more (was the host restarted?)"
        return {"text": "", "offset": params["offset"], "ended": True, "problem": text}
    folder.renew(options["lease"])
    if params["end"]:
        folder.ask_to_end()
        deadline = time.monotonic() + options["request_timeout"] + SPARE_SECONDS
        while not folder.has_ended() and time.monotonic() < deadline:
            time.sleep(0.05)
    ended = folder.has_ended()  # asked first: then all that it saw is in the file
    text, offset = folder.read_from(params["offset"])
    problem = folder.problem() if ended else ""
    return {"text": text, "offset": offset, "ended": ended, "problem": problem}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, required_if=REQUIRED_IF, supports_check_mode=True)
    state, options = module.params["state"], module.params["probe"]
    if options["asked_from"] != HOST or state not in ("started", "read"):
        module.fail_json(
            msg="availability_probe runs on the controller: its action plugin was not found."
        )
    try:
        result = start(options) if state == "started" else read(module.params)
    except (ProbeError, OSError) as problem:
        module.fail_json(msg=f"availability_probe: {problem}")
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
