"""The registry's users: one line, the same everywhere."""

from __future__ import annotations

import bcrypt
import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.monsterstack.swarm.plugins.filter.htpasswd import htpasswd


def test_the_line_is_the_same_with_every_version() -> None:
    # Made with bcrypt 5.0 and again with 4.0: what one controller wrote another must not change.
    line = "swarm:$2b$10$EZHWTsF/SKoBRN9GrXqhpOpEW0f.x7zkiky97jXvm9.kt9KtRHZqy\n"
    assert htpasswd("swarm", "secret", "seed") == line


def test_the_password_fits_and_another_does_not() -> None:
    stored = htpasswd("swarm", "secret", "seed").strip().partition(":")[2].encode()
    assert bcrypt.checkpw(b"secret", stored)
    assert not bcrypt.checkpw(b"Secret", stored)


def test_another_seed_gives_another_hash() -> None:
    assert htpasswd("swarm", "secret", "seed") != htpasswd("swarm", "secret", "seeds")


def test_what_would_be_cut_off_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="72 bytes"):
        htpasswd("swarm", "x" * 73, "seed")
