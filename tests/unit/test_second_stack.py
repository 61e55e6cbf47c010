"""An inventory that speaks of several stacks, given to site.yml."""

from __future__ import annotations

from pathlib import Path

from tests.unit.test_refusals import refused_first, run


def second_stack(tmp_path: Path, more: str = "") -> list[str]:
    """A stack without ports, probe and smoke test, somewhere else; the words that name it."""
    folder = tmp_path / "stacks" / "shop"
    folder.mkdir(parents=True)
    (folder / "stack.yml").write_text(
        "stack_definition:\n  tag: '1'\n  images: {cache: docker.io/library/redis:8.0}\n" + more
    )
    (folder / "compose.yml.j2").write_text(
        "services:\n  cache:\n    image: {{ image.cache }}\n    deploy: {replicas: 1}\n"
    )
    return ["-e", "stack=shop", "-e", f"stacks_dir={folder.parent}"]


def test_an_inventory_speaks_of_several_stacks(tmp_path: Path) -> None:
    """Issue 12, point 10: what is said of the stack that this run is not about is no mistake."""
    said = {"monsterstack_settings": {"port": 80}, "shop_images": {}, "monsterstack_setings": {}}
    done = run(tmp_path, "site.yml", *second_stack(tmp_path), **said)
    refused_first(done, ["monsterstack_setings: nothing here has such a variable"])
    assert "shop_images:" not in done.stdout
    assert "monsterstack_settings:" not in done.stdout


def test_a_probe_needs_a_port(tmp_path: Path) -> None:
    done = run(tmp_path, "site.yml", *second_stack(tmp_path, "  probe: {path: /}\n"))
    refused_first(done, ["no settings.port to ask at"])
