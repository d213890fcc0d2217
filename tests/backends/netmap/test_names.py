"""Port names and the requests that they stand for."""
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usnet.backends.netmap.abi import CONSTANTS as ABI
from usnet.backends.netmap.names import CONF, FLAGS, MODES, WITH_NUMBER, PortRequest, as_request, parse

ALL, SW, NIC_SW, ONE, ONE_SW = (ABI["NR_REG_" + name] for name in ("ALL_NIC", "SW", "NIC_SW", "ONE_NIC", "ONE_SW"))
X, Z, T, R, TX_ONLY, RX_ONLY = (FLAGS[letter] for letter in "xztrTR")


@pytest.mark.parametrize(("name", "expected"), [
    ("eth0", PortRequest("eth0", ALL)),
    ("netmap:eth0", PortRequest("eth0", ALL)),
    ("eth0-3", PortRequest("eth0", ONE, 3)),
    ("eth0-0", PortRequest("eth0", ONE, 0)),
    ("eth0^", PortRequest("eth0", SW)),
    ("eth0^1", PortRequest("eth0", ONE_SW, 1)),
    ("eth0*", PortRequest("eth0", NIC_SW)),
    ("vale0:a", PortRequest("vale0:a")),
    ("netmap:vale0:a-1", PortRequest("vale0:a", ONE, 1)),
    ("vale:a", PortRequest("vale:a")),
    ("valeLAN_2:eth0.12", PortRequest("valeLAN_2:eth0.12")),
    ("eth0{id", PortRequest("eth0{id")),
    ("eth0}7", PortRequest("eth0}7")),
    ("eth0{id-2", PortRequest("eth0{id", ONE, 2)),
    ("eth0-2{id", PortRequest("eth0{id", ONE, 2)),
    ("vale0:a}x/x", PortRequest("vale0:a}x", flags=X)),
    ("eth0/x", PortRequest("eth0", flags=X)),
    ("eth0/zt", PortRequest("eth0", flags=Z | T)),
    ("eth0-1/r", PortRequest("eth0", ONE, 1, flags=R)),
    ("eth0/T", PortRequest("eth0", flags=TX_ONLY)),
    ("eth0^/R", PortRequest("eth0", SW, flags=RX_ONLY)),
    ("eth0@1", PortRequest("eth0", mem_id=1)),
    ("eth0-1/x@12", PortRequest("eth0", ONE, 1, flags=X, mem_id=12)),
    ("vale0:a@conf:rings=2,slots=512", PortRequest("vale0:a", tx_rings=2, rx_rings=2, tx_slots=512, rx_slots=512)),
    ("vale0:a@conf:tx-rings=1,rings=2", PortRequest("vale0:a", tx_rings=1, rx_rings=2)),
    ("vale0:a@conf:rx_slots=8,host-rings=3", PortRequest("vale0:a", rx_slots=8, host_tx_rings=3, host_rx_rings=3)),
    ("vale0:b@share=vale0:a", PortRequest("vale0:b", share="vale0:a")),
    ("vale0:b@share:port=netmap:eth0@conf:rings=2", PortRequest("vale0:b", share="eth0", tx_rings=2, rx_rings=2)),
    ("eth0@offset:initial=64", PortRequest("eth0", offset=64, initial_offset=64)),
    ("eth0@3@offset:initial=64,bits=16", PortRequest("eth0", mem_id=3, offset=64, initial_offset=64, offset_bits=16)),
    ("eth0@offset=2", PortRequest("eth0", offset=2, initial_offset=2)),
    ("x" * 63, PortRequest("x" * 63)),
])
def test_a_name_stands_for_a_request(name, expected):
    assert parse(name) == expected


@pytest.mark.parametrize(("name", "said"), [
    ("", "needs a name"),
    ("netmap:", "needs a name"),
    ("-1", "needs a name"),
    ("x" * 64, "too long: 64 bytes, netmap takes 63"),
    ("é" * 32, "too long: 64 bytes"),
    ("eth0-", "the ring after '-' is a number, not ''"),
    ("eth0-a", "the ring after '-' is a number, not 'a'"),
    ("eth0-1a", "is a number"),
    ("eth0-4095", "at most 4094"),
    ("eth0^x", "the ring after '^' is a number"),
    ("eth0*3", "nothing may follow"),
    ("eth0/", "flags are missing"),
    ("eth0/q", "no flag 'q'"),
    ("eth0/x/z", "no flag '/'"),
    ("eth0@", "the memory region after '@' is a number"),
    ("eth0@0", "from 1 on"),
    ("eth0@1@2", "one memory region"),
    ("eth0@65536", "at most 65535"),
    ("eth0{", "no name of a pipe"),
    ("eth0{a b", "has a blank"),
    ("eth0{a.b", "no name of a pipe"),
    ("eth0{a}b", "no name of a pipe"),
    ("{a", "needs a port before the brace"),
    ("eth0-1{a-2", "cannot stand there"),
    ("vale0:", "the port of the switch has no name"),
    ("vale0:{a", "the port of the switch has no name"),
    ("vale.0:a", "a switch's name is"),
    ("eth0:1", "only ports of a switch"),
    ("vale0:a@nothing:x=1", "no option @nothing"),
    ("vale0:a@extmem:file=/dev/zero", "not supported"),
    ("vale0:a@conf", "@conf needs a key"),
    ("vale0:a@conf:rings", "rings of @conf is a number, not ''"),
    ("vale0:a@conf:rings=-2", "is a number"),
    ("vale0:a@conf:rings=1,rings=2", "twice"),
    ("vale0:a@conf:wings=2", "no key 'wings'"),
    ("vale0:a@conf:rings=65536", "out of range"),
    ("vale0:a@conf=2", "@conf needs a key"),
    ("vale0:a@offset:bits=3", "@offset needs initial="),
    ("vale0:a@share:port=", "needs a name"),
])
def test_a_bad_name_is_refused_with_the_reason(name, said):
    with pytest.raises(ValueError) as refused:
        parse(name)
    assert said in str(refused.value)


def test_fields_can_be_given_beside_a_name_and_flags_are_added():
    assert parse("eth0/x", flags=T, extra_bufs=8) == PortRequest("eth0", flags=X | T, extra_bufs=8)
    assert as_request(PortRequest("br-lan"), mem_id=None, extra_bufs=2) == PortRequest("br-lan", extra_bufs=2)


@pytest.mark.parametrize("fields", [{"mem_id": 65536}, {"extra_bufs": -1}, {"ringid": 4095}, {"offset": 4, "initial_offset": 5}, {"offset": -1}])
def test_a_request_has_no_field_that_netmap_cannot_take(fields):
    with pytest.raises(ValueError):
        PortRequest("eth0", **fields)


WORD = st.text(string.ascii_letters + string.digits + "_.", min_size=1, max_size=12).filter(lambda word: not word.startswith("vale"))
PIPE = st.just("") | st.builds("".join, st.tuples(st.sampled_from("{}"), st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=9)))
PORT = WORD | st.builds("vale{}:{}".format, st.text(string.digits, max_size=2), WORD)


@st.composite
def requests(draw):
    mode = draw(st.sampled_from(sorted(MODES)))
    numbers = {name: draw(st.integers(0, 0xFFFF)) for names in CONF.values() for name in names}
    offset = draw(st.none() | st.integers(0, 2048))
    return PortRequest(
        draw(PORT) + draw(PIPE), mode, draw(st.integers(0, 0xFFE)) if mode in WITH_NUMBER else 0,
        sum(draw(st.sets(st.sampled_from(sorted(FLAGS.values()))))), draw(st.integers(0, 0xFFFF)), offset=offset, initial_offset=offset or 0,
        offset_bits=draw(st.integers(0, 64)) if offset is not None else 0, share=draw(st.just("") | PORT), **numbers)


@given(requests())
def test_a_request_written_as_a_name_is_read_as_itself(request):
    assert parse(str(request)) == request
    assert parse(f"netmap:{request}") == request


@given(st.text("eth0-^*{}/@:xzvale,=conf1 ", max_size=30) | st.text(max_size=70))
def test_any_text_is_a_request_or_a_value_error(text):
    try:
        request = parse(text)
    except ValueError:
        return
    assert parse(str(request)) == request
