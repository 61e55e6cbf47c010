# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A filter of the audit playbook: thin over module_utils/cis.py."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cis_table
author: the monsterstack.swarm contributors
version_added: 0.1.0
short_description: The CIS checks of all nodes as one table
description:
  - Merges what P(monsterstack.swarm.cis_checks#module) registered on the nodes.
  - A check passes, fails, is an exception with its reason, or applies nowhere.
positional: _input, nodes
options:
  _input:
    description: The variable C(hostvars).
    type: dict
    required: true
  nodes:
    description: Inventory names of the nodes.
    type: list
    elements: str
    required: true
  variable:
    description: Name of the variable with the result of P(monsterstack.swarm.cis_checks#module).
    type: str
    default: __cis_checks
  exceptions:
    description:
      - Exceptions of an inventory, by the number of the check. Each has a C(reason), and in
        C(problems) a regular expression for the problems that it excuses.
    type: dict
"""

EXAMPLES = r"""
- name: The table
  ansible.builtin.debug:
    msg: "{{ (hostvars | monsterstack.swarm.cis_table(groups['all'])).markdown }}"
"""

RETURN = r"""
_value:
  description:
    - C(rows) with C(number), C(title), C(result), C(problems) and C(reason), and C(counts) of the
      results.
    - C(markdown) is the table as text, C(failed) has one sentence for each check that fails.
    - C(nodes) are those that were looked at.
  type: dict
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.monsterstack.swarm.plugins.module_utils import cis


def cis_table(
    hostvars: Mapping[str, Mapping[str, Any]],
    nodes: Iterable[str],
    variable: str = "__cis_checks",
    exceptions: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, Any]:
    """See DOCUMENTATION."""
    found = {name: (hostvars[name].get(variable) or {}).get("checks") for name in nodes}
    try:
        rows = cis.merge({name: checks for name, checks in found.items() if checks}, exceptions)
    except ValueError as error:
        raise AnsibleFilterError(f"audit_exceptions: {error}") from error
    results = [row["result"] for row in rows]
    return {
        "rows": rows,
        "counts": {result: results.count(result) for result in sorted(set(results))},
        "markdown": cis.markdown(rows),
        "failed": [
            f"{row['number']} {row['title']}: {'; '.join(row['problems'])}"
            for row in rows
            if row["result"] == "fail"
        ],
        "nodes": [name for name, checks in found.items() if checks],
    }


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"cis_table": cis_table}
