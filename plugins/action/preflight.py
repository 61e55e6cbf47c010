# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""preflight: see the module of that name for its documentation."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ansible_collections.monsterstack.swarm.plugins.module_utils import compose, preflight, wire
from ansible_collections.monsterstack.swarm.plugins.module_utils.preflight import InventoryHost
from ansible_collections.monsterstack.swarm.plugins.module_utils.summary import inventory_labels
from ansible_collections.monsterstack.swarm.plugins.plugin_utils import printing

COLLECTION = Path(__file__).resolve().parents[2]
HOST_VARIABLES = ("zone", "node_labels", "node_availability")


class ActionModule(ActionBase):
    """Works on the controller alone."""

    _requires_connection = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            argument_spec={
                "stage": {"type": "str", "choices": ["inventory", "hosts"], "required": True},
                "managers": {"type": "list", "elements": "str"},
                "workers": {"type": "list", "elements": "str"},
                "info_variable": {"type": "str", "default": "__host_info"},
                "stack": {"type": "str", "default": ""},
                "compose": {"type": "dict"},
                "spread_by_zone": {"type": "bool"},
                "published_ports": {"type": "list", "elements": "int", "default": []},
                "data_port": {"type": "int"},
                "address_pool": {"type": "list", "elements": "str", "default": []},
                "subnet_size": {"type": "int", "default": 24},
                "pins": {"type": "dict", "default": {}},
                "tags": {"type": "dict", "default": {}},
                "overrides": {
                    "type": "list",
                    "elements": "dict",
                    "default": [],
                    "options": {
                        "name": {"type": "str", "required": True},
                        "given": {"type": "raw", "required": True},
                        "defaults": {"type": "dict", "required": True},
                    },
                },
                "conditions": {
                    "type": "list",
                    "elements": "dict",
                    "default": [],
                    "options": {
                        "where": {"type": "str", "required": True},
                        "holds": {"type": "bool", "required": True},
                        "problem": {"type": "str", "required": True},
                        "remedy": {"type": "str", "required": True},
                    },
                },
                "stack_folders": {"type": "list", "elements": "str", "default": []},
                "known_variables": {"type": "list", "elements": "str", "default": []},
                "words": {"type": "dict", "default": {}},
                "memory_min_mb": {"type": "int", "default": 400},
                "fail": {"type": "bool", "default": True},
            }
        )
        hosts = self._hosts(args, task_vars or {})
        findings = [
            preflight.error(one["where"], one["problem"], one["remedy"])
            for one in args["conditions"]
            if not one["holds"]
        ]
        document: compose.Compose | None = None
        if args["compose"] is not None:
            try:
                document = compose.parse(args["compose"])
            except compose.ComposeError as problem:
                where = f"compose file of {args['stack']}" if args["stack"] else "compose file"
                findings.append(preflight.error(where, str(problem), "Correct it."))
        if args["stage"] == "inventory":
            findings += self._check_inventory(args, hosts, document, task_vars or {})
        else:
            memory = args["memory_min_mb"] * 2**20
            ports, stack = args["published_ports"], args["stack"]
            findings += preflight.check_hosts(hosts, document, stack, ports, memory)
            findings += preflight.check_pins(hosts, args["pins"])
            findings += preflight.check_pool(hosts, args["address_pool"], args["subnet_size"])
            if document:
                findings += preflight.check_capacity(document, hosts, stack, args["pins"])
        return _result(self, findings, args["fail"])

    def _hosts(self, args: Mapping[str, Any], task_vars: Mapping[str, Any]) -> list[InventoryHost]:
        """The hosts as the inventory has them, managers first."""
        hosts: list[InventoryHost] = []
        for group in ("managers", "workers"):
            names = args[group]
            for name in task_vars["groups"].get(group, []) if names is None else names:
                variables = task_vars["hostvars"][name]
                info = variables.get(args["info_variable"]) or {}
                address = variables.get("ansible_host")
                hosts.append(
                    InventoryHost(
                        name=name,
                        group=group,
                        address=str(address) if address else None,
                        local=variables.get("ansible_connection") == "local",
                        labels=inventory_labels(variables),
                        availability=variables.get("node_availability"),
                        variables=frozenset(variables),
                        ssh_port=_port(variables.get("ansible_port")),
                        advertise=str(variables.get("swarm_advertise_address") or "") or None,
                        published_from=_published_from(variables),
                        asked_from_here=variables.get("probe_from") != "manager",
                        info=info if "swarm" in info else None,
                    )
                )
        return hosts

    def _check_inventory(
        self,
        args: Mapping[str, Any],
        hosts: list[InventoryHost],
        document: compose.Compose | None,
        task_vars: Mapping[str, Any],
    ) -> list[preflight.Finding]:
        spread = args["spread_by_zone"]
        if spread is None:
            spread = document is not None and any(
                preference == "node.labels.zone"
                for service in document.services.values()
                for preference in service.preferences
            )
        known, roles = self._role_variables()
        stacks = preflight.stack_names(args["stack_folders"]) | {args["stack"]} - {""}
        known |= {*args["known_variables"], *args["words"], *HOST_VARIABLES}
        known |= preflight.stack_variables(stacks)
        misspelt = preflight.check_typed(load_extra_vars(self._loader), known)
        said = {finding.where for finding in misspelt}
        hosts = [dataclasses.replace(host, variables=host.variables - said) for host in hosts]
        prefixes = [f"{name}_" for name in [*roles, *sorted(stacks)]]
        return [
            *preflight.check_groups(hosts),
            *(
                finding
                for host in dict.fromkeys(host.name for host in hosts)
                for finding in preflight.check_host_variables(host, task_vars["hostvars"][host])
            ),
            *preflight.check_addresses(hosts),
            *preflight.check_firewall(hosts),
            *preflight.check_placement_variables(hosts, spread),
            *preflight.check_ports(
                document, args["published_ports"], hosts, args["data_port"] or wire.DATA_PORT
            ),
            *preflight.check_tags(args["tags"]),
            *misspelt,
            *preflight.check_variables(hosts, known, prefixes),
            *(
                finding
                for one in args["overrides"]
                for finding in preflight.check_overrides(one["name"], one["given"], one["defaults"])
            ),
        ]

    def _role_variables(self) -> tuple[set[str], list[str]]:
        """(inputs of all of the collection's roles, their names)."""
        known: set[str] = set()
        roles: list[str] = []
        for specs in sorted(COLLECTION.glob("roles/*/meta/argument_specs.yml")):
            roles.append(specs.parents[1].name)
            content = self._loader.load_from_file(str(specs))
            for entry in content["argument_specs"].values():
                known.update(entry.get("options") or {})
        return known, roles


def _published_from(variables: Mapping[str, Any]) -> tuple[str, ...]:
    """The networks that a host's firewall lets to what is published; empty where it is off."""
    if not boolean(variables.get("docker_engine_firewall") or False, strict=False):
        return ()
    networks = variables.get("docker_engine_published_from") or ()
    return tuple(str(one) for one in networks) if isinstance(networks, list | tuple) else ()


def _port(value: Any) -> int:
    """SSH's port; what is none is said by check_host_variables."""
    return int(value) if str(value or "").isdecimal() else 22


def _result(action: ActionBase, findings: list[preflight.Finding], fail: bool) -> dict[str, Any]:
    """The findings by level; a refusal has nothing but its errors: people read it."""
    by_level = {
        level: [str(finding) for finding in findings if finding.level == level]
        for level in ("error", "warning", "notice")
    }
    result: dict[str, Any] = {
        "changed": False,
        "findings": [dataclasses.asdict(finding) for finding in findings],
        "errors": by_level["error"],
        "notices": by_level["notice"],
    }
    if by_level["warning"]:
        result["warnings"] = by_level["warning"]
    if by_level["error"] and fail:
        return printing.refuse(action, by_level["error"])
    return result
