# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether this controller has what the running cluster was made with; if not, nothing is touched.

A controller is replaceable: a fresh one brings the credentials folder, gets every value from its
inventory, or makes new ones when it is told to. It never makes new ones in silence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils import objects

REGISTRY = "registry"
# Beside the credentials: the id of the cluster that was made with them.
CLUSTER_FILE = "cluster_id"
# Files of the folder and the inventory's variables that can replace them.
KEY = "secret_key"
VARIABLES = {
    KEY: KEY,
    "registry_password": "registry_password",
    "registry_ca.key": "registry_ca_key",
    "registry_ca.pem": "registry_ca_certificate",
    "registry.key": "registry_key",
    "registry.pem": "registry_certificate",
}

# The options of the module and of its action plugin.
SPEC: dict[str, Any] = {
    "folder": {"type": "path", "required": True},
    "earlier_folder": {"type": "path"},
    "stack": {"type": "str", "required": True},
    "secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "renewable": {"type": "list", "elements": "str", "default": []},
    "given": {"type": "list", "elements": "str", "default": []},
    "remarks": {"type": "list", "elements": "str", "default": []},
    "managed": {"type": "bool", "default": True},
    "new_credentials": {"type": "bool", "default": False, "no_log": False},
    "ending": {"type": "bool", "default": False},
    "cluster_id": {"type": "str"},
    "primary": {"type": "str"},
    "info_variable": {"type": "str", "default": "__host_info"},
    "names_variable": {"type": "str", "default": "__credential_names"},
    "derived_variable": {"type": "str", "default": "__stack_derived"},
    "fail": {"type": "bool", "default": True},
}

# {stack: {short name of a secret: the full names that services use}}
InUse = Mapping[str, Mapping[str, Sequence[str]]]


@dataclass(frozen=True)
class Here:
    """What this controller has: names of files in the folder, variables that the inventory gives.

    `recorded` is the cluster's id as it stands beside the credentials.
    """

    folder: str
    files: frozenset[str] = frozenset()
    given: frozenset[str] = frozenset()
    recorded: str = ""


@dataclass(frozen=True)
class Wanted:
    """What a stack is made of. Secrets that are not renewable must stay what they are for ever."""

    stack: str
    secrets: tuple[str, ...] = ()
    renewable: tuple[str, ...] = ()
    managed: bool = True  # the cluster's own registry, or one that exists already
    new: bool = False  # -e new_credentials=true

    @property
    def lasting(self) -> tuple[str, ...]:
        return tuple(name for name in self.secrets if name not in self.renewable)


@dataclass
class Plan:
    """`missing`: what the cluster has and this controller does not, as files. `given`: what nobody
    needs to make because the inventory has it. `kept`: secrets that stay under the name they have.
    """

    missing: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def in_use(stacks: Mapping[str, Any]) -> dict[str, dict[str, list[str]]]:
    """The secrets of ours that services use, from host_info's `stacks`."""
    found: dict[str, dict[str, list[str]]] = {}
    for stack, body in stacks.items():
        for service in body["services"].values():
            for full in service.get("secrets") or []:
                if stack and (short := objects.short_name(stack, full)):
                    names = found.setdefault(stack, {}).setdefault(short, [])
                    if full not in names:
                        names.append(full)
    return found


def in_swarm(use: InUse, stack: str, secrets: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """`use`, with those secrets of a stack that are in Swarm and that no service uses."""
    found = {name: {s: list(f) for s, f in shorts.items()} for name, shorts in use.items()}
    for full in secrets:
        if short := objects.short_name(stack, full):
            names = found.setdefault(stack, {}).setdefault(short, [])
            names += [full] if full not in names else []
    return found


def variable_of(name: str, stack: str) -> str:
    """The inventory's variable for a credential."""
    return VARIABLES.get(name, f"{stack}_secrets.{name}")


def make_plan(cluster_id: str | None, use: InUse, here: Here, wanted: Wanted) -> Plan:
    """What is missing, kept and refused; `cluster_id` is None where there is no cluster yet."""
    plan = Plan()
    known = [*VARIABLES, *wanted.secrets]
    plan.given = [n for n in known if variable_of(n, wanted.stack) in here.given]
    if cluster_id is None:
        return plan
    if here.recorded and here.recorded != cluster_id:
        plan.errors.append(
            f"{here.folder}: these are the credentials of the cluster {here.recorded}, and the "
            f"hosts of this inventory are in {cluster_id}. Nothing has been touched. Give this "
            "inventory a folder of its own (credentials_dir), or correct the addresses of its "
            f"hosts. Only if they are this cluster's all the same: remove "
            f"{here.folder}/{CLUSTER_FILE}."
        )
        return plan
    there = set(here.files) | set(plan.given)
    lost = [name for name in _needed(use, wanted, plan.given) if name not in there]
    ours = use.get(wanted.stack) or {}
    kept = {name: ours[name][-1] for name in wanted.lasting if name in ours and name not in there}
    if not lost:
        plan.kept = kept
    elif wanted.new:
        plan.kept = kept
        plan.warnings.append(
            f"new credentials are made: {', '.join(lost)}. Every other controller of this cluster "
            f"needs {here.folder} from now on."
        )
    else:
        plan.missing = [*lost, *kept]
        plan.errors.append(_refusal(cluster_id, plan.missing, here, wanted))
    return plan


def _needed(use: InUse, wanted: Wanted, given: Sequence[str]) -> list[str]:
    """What the running cluster was made with and what can be made anew."""
    names = [KEY] if any(use.values()) else []
    if wanted.managed and REGISTRY in use:
        names += [name for name in VARIABLES if name != KEY]
        # Who signs nothing needs no key to sign with.
        if {"registry.key", "registry.pem"} <= set(given):
            names.remove("registry_ca.key")
    ours = use.get(wanted.stack) or {}
    return names + [name for name in wanted.renewable if name in ours and name in wanted.secrets]


def _refusal(cluster_id: str, missing: Sequence[str], here: Here, wanted: Wanted) -> str:
    lasting = [name for name in wanted.lasting if name in missing]
    stays = f" {', '.join(lasting)} stays what it is." if lasting else ""
    return (
        f"credentials: the cluster {cluster_id} exists, and what it was made with is not on this "
        f"computer. Missing in {here.folder}: {', '.join(missing)}. Nothing has been touched. "
        "There are three ways on.\n"
        f"1. Bring the folder from the controller that has it, or from a backup, to {here.folder}; "
        "or name its place with credentials_dir.\n"
        "2. Give each value in the inventory, encrypted with ansible-vault: "
        f"{', '.join(variable_of(name, wanted.stack) for name in missing)}.\n"
        "3. If they are lost for good: -e new_credentials=true makes new ones and hands them to "
        "every node and service. Services restart, and controllers that have the old ones are "
        f"locked out.{stays}"
    )


def refuse_file(folder: str, name: str, why: str, stack: str) -> str:
    """What is said of a credential's file that holds no value."""
    given = "." if name.endswith(".previous") else ", or give the value in the inventory"
    given += "" if name.endswith(".previous") else f" ({variable_of(name, stack)})."
    return (
        f"{folder}/{name}: {why}, so it has no value to go on with. Nothing has been touched. Make "
        "the file readable for the user of this run, or bring it from another controller or a "
        f"backup{given}"
    )


def compare(plan: Plan, names: InUse, use: InUse, here: Here, wanted: Wanted) -> None:
    """What is here beside what runs, by the names that it gives: {stack: {short: [full name]}}.

    The hash in a name is keyed, so a value is the cluster's when its name is. Adds to the plan.
    """
    pairs = [
        (stack, short, full[0], use[stack][short])
        for stack, shorts in names.items()
        for short, full in shorts.items()
        if short in (use.get(stack) or {})
    ]
    same = [short for _stack, short, full, used in pairs if full in used]
    if pairs and not same and not wanted.new:
        plan.errors.append(
            f"credentials: those of {here.folder} and of the inventory are not what the cluster "
            f"was made with: none of {', '.join(short for _stack, short, *_rest in pairs)} is the "
            "one that its services use. Nothing has been touched. Bring the right ones "
            "(credentials_dir names another folder). If those are lost for good: "
            "-e new_credentials=true hands these to every node and service."
        )
        return
    for stack, short, full, used in pairs:
        if stack != wanted.stack or full in used:
            continue
        if short in wanted.lasting:
            plan.kept[short] = used[-1]
            plan.warnings.append(
                f"{short}: what is here gives another name than the one that the services of "
                f"{stack} use. They keep theirs ({used[-1]}), because it must never change."
            )
        elif _stale(short, plan, here, wanted):
            plan.errors.append(
                f"{here.folder}/{short} is not what the services of {stack} use: it was renewed "
                "from another controller, or the file was edited. Nothing has been touched. Bring "
                "the present file from there, or give the value in the inventory "
                f"({variable_of(short, stack)}). If the present one is lost for good: "
                "-e new_credentials=true hands this one to the services."
            )


def _stale(short: str, plan: Plan, here: Here, wanted: Wanted) -> bool:
    # A value that the inventory gives may be changed there. A file is changed by
    # rotate_secrets.yml alone, which leaves NAME.previous until the services have the new one.
    return (
        short in wanted.renewable
        and short not in plan.given
        and f"{short}.previous" not in here.files
        and not wanted.new
    )


def last_copies(
    cluster_id: str, names: InUse, use: InUse, here: Here, given: Collection[str], wanted: Wanted
) -> list[str]:
    """Secrets of the stack that must never change and whose value only the cluster has.

    Where the key of the names is here too, a value is the cluster's when its name is; else it is
    enough that one is here.
    """
    own = not here.recorded or here.recorded == cluster_id
    there = {*given, *(here.files if own else ())}
    made, ours = names.get(wanted.stack) or {}, use.get(wanted.stack) or {}
    return [
        name
        for name in wanted.lasting
        if name in ours
        and (name not in there or (name in made and not set(made[name]) & set(ours[name])))
    ]


def refuse_ending(last: Sequence[str], here: Here, stack: str) -> str:
    """What is said where the only copy of a secret would go with its stack."""
    names, variables = ", ".join(last), ", ".join(variable_of(name, stack) for name in last)
    return (
        f"credentials: {names} of the stack {stack} must never change, and its value is in the "
        f"swarm alone: {here.folder} and the inventory do not have it. It would go with the stack, "
        "and nobody could make it again. Nothing has been touched. There are three ways on.\n"
        "1. Run this on the controller that has it.\n"
        f"2. Bring the folder from there, or from a backup, to {here.folder}; or name its place "
        "with credentials_dir.\n"
        "3. Read the value from a running task (docker exec CONTAINER cat /run/secrets/NAME, on "
        "the node where the task runs) and give it in the inventory, encrypted with ansible-vault: "
        f"{variables}."
    )


def matches(values: Mapping[str, Mapping[str, str]], key: str, use: InUse) -> bool:
    """Whether any of these values ({stack: {short: value}}), named with the key, is in use."""
    for stack, shorts in values.items():
        for short, value in shorts.items():
            try:
                full = objects.full_name(stack, short, key, value)
            except ValueError:
                continue
            if full in (use.get(stack) or {}).get(short, ()):
                return True
    return False


def needing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Names of derived secrets that are not the same with other values of the kept ones."""
    return [name for name, value in one.items() if other.get(name) != value]


def refuse_derived(plan: Plan, derived: Iterable[str], stack: str) -> None:
    """Adds the refusal of derived secrets whose source is only known to the cluster."""
    if names := list(derived):
        plan.errors.append(
            f"{', '.join(names)} of the stack {stack} is made from {', '.join(plan.kept)}, whose "
            "value only the cluster knows. Nothing has been touched. Give it in the inventory "
            f"({', '.join(variable_of(name, stack) for name in plan.kept)}). A running task shows "
            "it: docker exec CONTAINER cat /run/secrets/NAME, on the node where the task runs."
        )
