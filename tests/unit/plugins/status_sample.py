"""What swarm_status returns of two invented clusters: one that is well, one that is not."""

from __future__ import annotations

from typing import Any

NOW = 1795560000.0  # 2026-11-24T22:40:00Z


def node(name: str, zone: str, **more: Any) -> dict[str, Any]:
    manager = name.startswith("m")
    return {
        "id": f"id-{name}",
        "hostname": name,
        "addr": f"192.0.2.{10 + int(name[1:]) + (0 if manager else 10)}",
        "role": "manager" if manager else "worker",
        "leader": name == "m1",
        "reachability": "reachable" if manager else None,
        "availability": "active",
        "status": "ready",
        "labels": {"zone": zone} if zone else {},
        "cpus": 2.0,
        "memory_bytes": 4 * 2**30,
        "engine_version": "26.1.5",
        **more,
    }


def service(stack: str, name: str, tasks: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"s-{name}",
        "stack": stack,
        "name": name,
        "full_name": f"{stack}_{name}" if stack != "registry" else name,
        "image": f"registry.example.org:5443/{stack}/{name}",
        "tag": "2.1",
        "digest": "sha256:" + f"{abs(len(name) * 7919):064x}",
        "release": "2.1",
        "mode": "replicated",
        "running": tasks,
        "desired": tasks,
        "ports": [],
        "update": {"state": "", "message": "", "started": "", "completed": ""},
        **more,
    }


def task(of: dict[str, Any], slot: int, node_name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"t-{of['full_name']}-{slot}",
        "service": of["full_name"],
        "slot": slot,
        "node": f"id-{node_name}" if node_name else "",
        "state": "running",
        "desired": "running",
        "since": "2026-11-24T20:10:00.123456789Z",
        "error": "",
        "exit_code": None,
        "tag": of["tag"],
        "digest": of["digest"],
        **more,
    }


def release(number: int, tag: str, when: str, verdict: str = "converged") -> dict[str, Any]:
    return {
        "number": number,
        "tag": tag,
        "when": when,
        "who": "ada@desk",
        "verdict": verdict,
        "images": {},
        "replicas": {},
    }


def well() -> dict[str, Any]:
    """Three managers, four workers, three zones."""
    frontend = service("shop", "frontend", 3, ports=[{"published": 80, "protocol": "tcp"}])
    backend = service("shop", "imagebackend", 2)
    redis = service("shop", "redis", 1, tag="8.0", release="", image="docker.io/library/redis")
    registry = service(
        "registry",
        "registry",
        1,
        tag="2.8",
        release="",
        ports=[{"published": 5443, "protocol": "tcp"}],
    )
    return {
        "answers": True,
        "error": None,
        "node_id": "id-m1",
        "nodes": [
            node("m1", "a", labels={"zone": "a", "monsterstack.registry": "true"}),
            node("m2", "b"),
            node("m3", "c"),
            node("w1", "a"),
            node("w2", "b", labels={"zone": "b", "monsterstack.redis": "true"}),
            node("w3", "c"),
            node("w4", "a"),
        ],
        "services": [registry, frontend, backend, redis],
        "tasks": [
            task(registry, 1, "m1"),
            *(task(frontend, n, f"w{n}") for n in (1, 2, 3)),
            *(task(backend, n, f"w{n + 2}") for n in (1, 2)),
            task(redis, 1, "w2"),
        ],
        "networks": [],
        "locks": [],
        "releases": {
            "shop": [
                release(4, "2.1", "2026-11-24T20:10:30Z"),
                release(3, "2.1-rc1", "2026-11-24T18:00:00Z", "rolled_back"),
                release(2, "2.0", "2026-11-20T09:12:00Z"),
                release(1, "1.0", "2026-11-02T16:40:00Z"),
            ]
        },
    }


def ill() -> dict[str, Any]:
    """The same: w3 is down, w4 drained, a manager is not reached, a release does not start."""
    status = well()
    status["nodes"][2]["reachability"] = "unreachable"
    status["nodes"][5]["status"] = "down"
    status["nodes"][6]["availability"] = "drain"
    frontend = status["services"][1]
    frontend.update(running=2, tag="2.2", release="2.2", digest="sha256:" + "f" * 64)
    frontend["update"] = {
        "state": "paused",
        "message": "update paused due to failure or early termination of task x1",
        "started": "2026-11-24T22:30:00Z",
        "completed": "0001-01-01T00:00:00Z",
    }
    status["services"][2]["running"] = 1
    failed = task(frontend, 3, "w1", state="rejected", error="No such image: frontend:2.2 <none>")
    status["tasks"][3] = failed | {"since": "2026-11-24T22:39:20Z"}
    status["tasks"][5] = task(
        status["services"][2],
        2,
        "",
        state="pending",
        error="no suitable node (insufficient resources on 3 nodes)",
    )
    status["tasks"].append(
        task(
            frontend,
            2,
            "w2",
            id="old",
            state="failed",
            desired="shutdown",
            exit_code=1,
            error="task: non-zero exit (1)",
            since="2026-11-24T22:31:00Z",
        )
    )
    return status
