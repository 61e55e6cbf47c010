"""The OpenAPI document is true: schemathesis tries what it promises, and what it forbids."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case

from imagebackend import create_app

schema = schemathesis.openapi.from_wsgi("/openapi.json", create_app())


@schema.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_document_is_true(case: Case[Any]) -> None:
    case.call_and_validate()
