"""The first flight of QUIC, against the vectors of RFC 9001 and RFC 9369."""

from __future__ import annotations

from itertools import pairwise

import pytest
from captured import V1, V2, crypto, hello, initial
from hypothesis import given
from hypothesis import strategies as st

from bartizan.readers.logs.quic import MAX_PACKETS, Initial

ID = bytes.fromhex("8394c8f03e515708")
# RFC 9001, A.2: the ClientHello for example.com.
EXAMPLE = bytes.fromhex(
    "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e868"
    "04fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578"
    "616d706c652e636f6dff01000100000a00080006001d00170018001000070005"
    "04616c706e000500050100000000003300260024001d00209370b2c9caa47fba"
    "baf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b000302030400"
    "0d0010000e0403050306030203080408050806002d00020101001c0002400100"
    "3900320408ffffffffffffffff05048000ffff07048000ffff08011001048000"
    "75300901100f088394c8f03e51570806048000ffff"
)
BEGINS = {
    V1: "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11",
    V2: "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485",
}


@pytest.mark.parametrize("version", [V1, V2])
def test_the_vectors_of_the_standard(version: bytes) -> None:
    packet = initial(EXAMPLE, ID, version=version)
    assert packet[:32].hex() == BEGINS[version]
    assert len(packet) == 1200
    found = Initial().feed(packet)
    assert found is not None
    assert found.name == "example.com"
    assert found.protocols == ("alpn",)


@given(st.lists(st.integers(1, 2999), max_size=8, unique=True), st.randoms(use_true_random=False))
def test_frames_in_any_order_over_any_packets(cuts: list[int], random: object) -> None:
    message = hello("claude.ai", padding=2900)
    ends = sorted({0, len(message), *(cut for cut in cuts if cut < len(message))})
    frames = [crypto(a, message[a:b]) for a, b in pairwise(ends)]
    random.shuffle(frames)  # type: ignore[attr-defined]  # Hypothesis' own Random
    flight = Initial()
    found = [flight.feed(initial(frame, ID, number=n)) for n, frame in enumerate(frames)]
    assert [one for one in found if one][-1].name == "claude.ai"
    assert all(one is None for one in found[:-1])


def test_after_the_answer_of_the_server_the_keys_stay() -> None:
    message = hello("claude.ai")
    flight = Initial()
    assert flight.feed(initial(crypto(0, message[:100]), ID)) is None
    found = flight.feed(initial(crypto(100, message[100:]), ID, number=3, to=b"\7" * 20))
    assert found is not None
    assert found.name == "claude.ai"


def test_two_packets_in_one_datagram() -> None:
    message = hello("claude.ai")
    parts = (initial(crypto(100, message[100:]), ID, size=600), initial(crypto(0, message[:100]), ID, 3, size=400))
    found = Initial().feed(b"".join(parts))
    assert found is not None
    assert found.name == "claude.ai"


def test_a_byte_that_is_changed_is_told() -> None:
    packet = bytearray(initial(EXAMPLE, ID))
    packet[700] ^= 1
    assert Initial().feed(bytes(packet)) is None


def test_no_more_packets_are_opened_than_the_bound() -> None:
    flight = Initial()
    for n in range(MAX_PACKETS):
        assert not flight.spent
        flight.feed(initial(b"\1", ID, number=n, size=100))
    assert flight.spent
    assert flight.feed(initial(EXAMPLE, ID)) is None


@given(st.binary(max_size=1300), st.sampled_from([V1, V2]))
def test_any_bytes_at_all(data: bytes, version: bytes) -> None:
    assert Initial().feed(data) is None
    assert Initial().feed(b"\xc3" + version + data) is None


@given(st.binary(max_size=400))
def test_any_frames_at_all(frames: bytes) -> None:
    Initial().feed(initial(frames, ID, size=400))
