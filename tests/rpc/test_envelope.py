"""The hand-written envelope against protobuf's own, and against what peers really send."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

import toolkit
from toolkit.errors import DeadlineExceeded, RawAny, RpcError
from toolkit.rpc import envelope
from toolkit.status import Code

schema = toolkit.load("ttrpc")
RequestMessage = schema.message("ttrpc.Request")
ResponseMessage = schema.message("ttrpc.Response")

texts = st.text(max_size=20)
pairs = st.lists(st.tuples(texts, texts), max_size=4)
int64 = st.integers(-(2**63), 2**63 - 1)
payloads = st.one_of(st.binary(max_size=300), st.just(b"x" * 200))


@given(texts, texts, payloads, int64, pairs)
def test_requests_are_those_of_protobuf(
    service: str, method: str, payload: bytes, nano: int, metadata: list[tuple[str, str]]
) -> None:
    ours = envelope.encode_request(
        envelope.request_prefix(service, method), payload, nano, envelope.encode_metadata(metadata)
    )
    theirs = RequestMessage(
        service=service,
        method=method,
        payload=payload,
        timeout_nano=nano,
        metadata=[{"key": key, "value": value} for key, value in metadata],
    )

    assert RequestMessage.FromString(ours) == theirs
    assert envelope.decode_request(theirs.SerializeToString()) == (
        service,
        method,
        payload,
        nano,
        tuple(metadata),
    )


@given(payloads)
def test_successful_responses_are_those_of_protobuf(payload: bytes) -> None:
    theirs = ResponseMessage(payload=payload).SerializeToString()

    assert envelope.encode_response(payload) == theirs
    assert envelope.decode_response(theirs) == (payload, None)


@given(
    st.one_of(st.integers(1, 16), st.integers(17, 2**31 - 1), st.integers(-(2**31), -1)),
    texts,
    st.lists(st.tuples(texts, st.binary(max_size=20)), max_size=3),
)
def test_statuses_are_those_of_protobuf(
    code: int, message: str, details: list[tuple[str, bytes]]
) -> None:
    error = RpcError(code, message, [RawAny(*detail) for detail in details])
    theirs = ResponseMessage(
        status={
            "code": code,
            "message": message,
            "details": [{"type_url": url, "value": value} for url, value in details],
        }
    )

    assert ResponseMessage.FromString(envelope.encode_status(error)) == theirs
    _, decoded = envelope.decode_response(theirs.SerializeToString())
    assert decoded is not None
    assert (decoded.code, decoded.message, decoded.details) == (code, message, error.details)


@pytest.mark.parametrize("data", [b"", b"\x0a\x00"], ids=["as Go sends it", "as Rust sends it"])
def test_point_4_both_forms_of_success_are_success(data: bytes) -> None:
    assert envelope.decode_response(data) == (b"", None)


@pytest.mark.parametrize("code", [17, 99, -1])
def test_point_4_an_unknown_code_is_an_error_and_stays_an_int(code: int) -> None:
    _, error = envelope.decode_response(envelope.encode_status(RpcError(code, "odd")))

    assert error is not None
    assert error.code == code
    assert not isinstance(error.code, Code)


def test_a_deadline_that_the_peer_reports_is_deadline_exceeded_by_peer() -> None:
    _, error = envelope.decode_response(envelope.encode_status(RpcError(4, "late")))

    assert isinstance(error, DeadlineExceeded)
    assert error.by_peer


def test_a_status_message_that_is_no_utf_8_keeps_the_status() -> None:
    _, error = envelope.decode_response(b"\x0a\x06\x08\x05\x12\x02\xff\xfe")

    assert error is not None
    assert error.code is Code.NOT_FOUND


def test_the_last_of_a_field_counts_and_unknown_fields_are_passed_over() -> None:
    unknown = b"\x78\x01" + b"\x7d1234" + b"\x7912345678" + b"\x82\x01\x01z"
    data = b"\x0a\x01a" + unknown + b"\x0a\x01b"

    assert envelope.decode_request(data).service == "b"


@given(st.binary(max_size=60))
def test_any_bytes_decode_or_raise_value_error(data: bytes) -> None:
    for decode in (envelope.decode_request, envelope.decode_response):
        with contextlib.suppress(ValueError):
            decode(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x0a\x05ab", "field 1 has 5 bytes, 2 are left"),
        (b"\x0a", "middle of a varint"),
        (b"\x20" + b"\xff" * 10 + b"\x01", "more than ten bytes"),
        (b"\x08\x01", "a number where bytes are wanted"),
        (b"\x22\x01a", "bytes where a number is wanted"),
        (b"\x0b", "wire type 3"),
        (b"\x7d12", "ends after the message"),
        (b"\x00\x01", "field number 0"),
    ],
)
def test_a_malformed_request_says_what_is_wrong(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        envelope.decode_request(data)


def test_unknown_fields_are_passed_over_at_every_level() -> None:
    unknown = b"\x78\x01"
    pair = unknown + b"\x0a\x01k" + unknown + b"\x12\x01v" + unknown
    request = envelope.decode_request(b"\x2a" + bytes((len(pair),)) + pair)
    detail = unknown + b"\x0a\x01t" + unknown + b"\x12\x01v" + unknown
    status = b"\x08\x05" + unknown + b"\x1a" + bytes((len(detail),)) + detail + unknown
    _, error = envelope.decode_response(b"\x0a" + bytes((len(status),)) + status + unknown)

    assert request.metadata == (("k", "v"),)
    assert error is not None
    assert error.details == (RawAny("t", b"v"),)
