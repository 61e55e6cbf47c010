"""Hosts for tests of plans, made by the code that makes the facts on machines.

`engines.json` was recorded on machines. Nothing here writes a fact by hand: an engine that is
stopped is `summarise_engine` and `summarise_swarm` of what such a machine said.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils import host

RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("engines.json").read_text("utf-8"))


def machine(
    name: str,
    cluster: str | None = None,
    nodes: list[dict[str, Any]] | None = None,
    *,
    role: str = "",
    address: str = "",
    engine: str = "running",
    state: str = "active",
    error: str | None = None,
    locked: bool = False,
    volumes: list[str] | None = None,
    unmounted: list[str] | None = None,
    daemon_json: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """host_info of a machine; `engine` is absent or a recorded state; `cluster` None: in no swarm.

    `nodes` are what a manager lists.
    """
    role = role or ("manager" if name.startswith("m") else "worker")
    certificate: dict[str, str | None] = host.parse_certificate("")
    if cluster:
        certificate = {
            **host.parse_certificate(RECORDED["certificate"]),
            "node_id": f"id-{name}",
            "cluster_id": cluster,
            "role": role,
        }
    info = None
    if engine == "running":
        info = copy.deepcopy(RECORDED["info"]["manager"])
        swarm = info["Swarm"]
        asked = cluster and role == "manager" and state == "active"
        swarm.update(
            LocalNodeState=state if cluster else "inactive",
            # A locked manager and one of no swarm do not say who they are.
            NodeID=f"id-{name}" if cluster and state != "locked" else "",
            NodeAddr=(address or f"10.0.0.{name[1:]}") if cluster else "",
            ControlAvailable=bool(asked),
            Error=error or "",
        )
        if asked:
            swarm["Cluster"]["ID"] = cluster
            swarm["Cluster"]["Spec"]["EncryptionConfig"]["AutoLockManagers"] = locked
        else:
            del swarm["Cluster"]
    key = "-----BEGIN ENCRYPTED PRIVATE KEY-----" if locked else "-----BEGIN PRIVATE KEY-----"
    facts = host.summarise_swarm(info, certificate, key if cluster else "")
    facts["nodes"] = nodes or []
    given = RECORDED["daemon_json"]["broken" if engine == "failed" else "good"]
    return {
        "hostname": name,
        "python": "3.13.5",
        "engine": host.summarise_engine(
            info,
            installed=engine != "absent",
            unit=host.parse_unit(RECORDED["unit"].get(engine, "")),
            journal=host.journal_lines(RECORDED["journal"].get(engine, "")),
            daemon_json=given if daemon_json is None else daemon_json,
            data_root="/var/lib/docker",
            error=RECORDED["error"].get(engine),
        ),
        "swarm": facts,
        "volumes": volumes or [],
        "unmounted": unmounted or [],
        **more,
    }
