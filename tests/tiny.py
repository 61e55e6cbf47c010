"""A stack that comes up in seconds, for the many ways in which a release can go: services of one
Python program on the lab's own image, written anew for each release."""

from __future__ import annotations

import base64
import copy
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.cluster import PROJECT, Run, cluster

PORT = 5100
PROBE = {"path": "/", "contains": "hello"}
# What answers the page: its version in a header, as the probe wants it. `wait` is in seconds.
SERVER = """
import http.server, os, time
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"hello"
        self.send_response(int(os.environ["STATUS"]))
        self.send_header("X-Version", os.environ["VERSION"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("", 8000), Page).serve_forever()
"""
LISTENS = "import socket; socket.create_connection(('localhost', 8000), 2).close()"
HEALTHY = {
    "test": ["CMD", "python3", "-c", LISTENS],
    "interval": "1s",
    "timeout": "3s",
    "retries": 3,
    "start_period": "10s",
}


def program(code: str, **more: Any) -> dict[str, Any]:
    """A service that runs some Python; `more` are keys of the service, `deploy` laid over."""
    deploy = {
        "replicas": 1,
        "restart_policy": {"condition": "any", "delay": "1s"},
        "update_config": {"order": "start-first", "monitor": "8s", "failure_action": "rollback"},
        **more.pop("deploy", {}),
    }
    return {
        "image": "{{ image.python }}",
        "command": ["python3", "-u", "-c", code],
        "stop_grace_period": "2s",
        "deploy": deploy,
        **more,
    }


def page(status: int = 200, **more: Any) -> dict[str, Any]:
    """The service that answers."""
    environment = {"VERSION": "{{ release.tag }}", "STATUS": str(status)}
    return program(
        SERVER,
        environment={**environment, **more.pop("environment", {})},
        healthcheck=HEALTHY,
        ports=[{"target": 8000, "published": PORT, "mode": "ingress"}],
        **more,
    )


class Tiny:
    """The stack's folder on the controller, and what is done with it."""

    def __init__(self, folder: Path, name: str = "tiny") -> None:
        self.name = name
        self.stacks = folder / "stacks"
        self.folder = self.stacks / name
        # Beside the others: what an inventory says of those is then no stranger.
        shutil.copytree(PROJECT / "stacks", self.stacks, dirs_exist_ok=True)
        self.folder.mkdir(exist_ok=True)

    def write(
        self,
        services: dict[str, Any],
        version: str = "",
        volumes: Sequence[str] = (),
        **definition: Any,
    ) -> None:
        """The stack file and what stands beside it. JSON is YAML too."""
        whole = {**({"version": version} if version else {}), "services": services}
        whole |= {"volumes": {name: {} for name in volumes}} if volumes else {}
        text = json.dumps(whole, indent=1)
        (self.folder / "compose.yml.j2").write_text(text, encoding="utf-8")
        mirror = "{{ lab_mirror }}/debian-python:3.13"
        known = {"tag": "1", "images": {"python": mirror}, "settings": {"port": PORT}}
        text = json.dumps({"stack_definition": {**known, **copy.deepcopy(definition)}})
        (self.folder / "stack.yml").write_text("---\n" + text, encoding="utf-8")

    def run(self, playbook: str, *more: str) -> Run:
        """A playbook with this stack; `more` are words such as `tag=2`."""
        given = [f"stack={self.name}", f"stacks_dir={self.stacks}", *more]
        return cluster().playbook(playbook, *(word for one in given for word in ("-e", one)))

    def release(self, tag: str, *more: str) -> Run:
        return self.run("rolling_update.yml", f"tag={tag}", *more)

    def spec(self, service: str) -> dict[str, Any]:
        return cluster().service(f"{self.name}_{service}")

    def services(self) -> set[str]:
        """The services that Swarm has of the stack, by short name."""
        mine = f"--filter label=com.docker.stack.namespace={self.name}"
        names = cluster().managers[0].run(f"docker service ls {mine} --format '{{{{.Name}}}}'")
        return {name.removeprefix(f"{self.name}_") for name in names.split()}

    def record(self, number: int) -> dict[str, Any]:
        """A recorded release."""
        manager = cluster().managers[0]
        data = manager.docker(f"config inspect {self.name}_release_{number}")[0]["Spec"]["Data"]
        found: dict[str, Any] = json.loads(base64.b64decode(data))
        return found

    def recorded(self) -> list[int]:
        """The numbers of the recorded releases, oldest first."""
        manager, mine = cluster().managers[0], f"--filter name={self.name}_release_"
        names = manager.run(f"docker config ls {mine} --format '{{{{.Name}}}}'")
        return sorted(int(name.rpartition("_")[2]) for name in names.split())

    def remove(self) -> None:
        """The whole stack, its releases included."""
        cluster().managers[0].run(
            f"docker stack rm {self.name} 2>&1; docker config ls -q "
            f"--filter label=com.docker.stack.namespace={self.name} | xargs -r docker config rm"
        )
