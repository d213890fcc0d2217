from usnet.ip import host, names


def test_every_counter_of_the_structs_has_a_name():
    assert host.layout() == {"drops": len(names.DROPS), "counters": len(names.COUNTERS)}


def test_names_are_the_enum_in_lower_case():
    from pathlib import Path

    text = (Path(__file__).parents[2] / "usnet/ip/state.pxd").read_text().splitlines()
    enum = [line.split()[0][5:].lower() for line in text if line.startswith("    DROP_")]
    struct = text[text.index("cdef struct ip_counters:") + 1 :]
    fields = [line.split()[1] for line in struct[: struct.index("")]]
    assert tuple(enum) == names.DROPS
    assert tuple(fields) == names.COUNTERS
