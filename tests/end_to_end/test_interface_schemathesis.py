"""The interface against its own description: schemathesis over /openapi.json.

No generated request makes a 5xx, every answer has a status, content type and body that the
document describes. The number of examples is small here; `-m full` runs many.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.contract.served_market import ServedMarket

from tradepit.gateway.config import GatewayConfig
from tradepit.gateway.openapi import openapi_document

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedMarket]:
    root = tmp_path_factory.mktemp("schema")
    url = f"sqlite:///{root / 'history.sqlite'}"
    market = ServedMarket(root / "data", GatewayConfig(read_wait_max=0.05), database_url=url)
    yield market
    market.stop()


@schemathesis.serializer("application/x-ndjson")
def as_lines(_context: schemathesis.SerializationContext, value: object) -> bytes:
    """A body of lines: the same value twice."""
    return msgspec.json.encode(value) + b"\n" + msgspec.json.encode(value)


schema = schemathesis.openapi.from_dict(msgspec.json.decode(openapi_document()))
QUICK = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
)
LONG = settings(QUICK, max_examples=300, derandomize=False, print_blob=True)


@schema.parametrize()
@QUICK
def test_requests_of_the_description_get_described_answers(
    case: schemathesis.Case, served: ServedMarket
) -> None:
    check(case, served)


@pytest.mark.full
@schema.parametrize()
@LONG
def test_many_requests_of_the_description_get_described_answers(
    case: schemathesis.Case, served: ServedMarket
) -> None:
    check(case, served)


def check(case: schemathesis.Case, served: ServedMarket) -> None:
    answer = case.call(base_url=served.url)
    case.validate_response(answer, checks=list(CHECKS))
