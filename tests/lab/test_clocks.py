"""Hosts of a world whose clocks are not the world's: what their programs wait for, and the time of day."""

import usnet
from usnet.lab.programs import sleep


def pair(world):
    a, b = world.host("a", "10.0.0.1/24"), world.host("b", "10.0.0.2/24")
    world.link(a, b, delay="1ms")
    return a, b


def waits(world, host, ended):
    def program():
        with usnet.socket(type=usnet.SOCK_DGRAM) as sock:
            sock.bind(("", 9))
            sock.settimeout(10)
            try:
                sock.recv(1)
            except TimeoutError:
                ended.append(world.now)

    host.run(program)


def test_a_blocking_calls_timeout_is_a_time_of_the_hosts_clock():
    with usnet.World() as world:
        a, b = pair(world)
        a.set_clock(drift=250_000)
        ended = []
        waits(world, a, ended)
        waits(world, b, ended)
        world.run()
    assert ended == [8 * 10**9, 10 * 10**9]


def test_a_jump_ends_the_waits_whose_time_it_has_passed():
    with usnet.World() as world:
        a, _ = pair(world)
        ended = []
        waits(world, a, ended)

        def sets():
            sleep("2s")
            a.set_clock("5s")

        a.run(sets)
        world.run()
    assert ended == [5 * 10**9]


def test_the_main_program_waits_by_its_hosts_clock_as_well():
    with usnet.World() as world:
        a, _ = pair(world)
        world.network.call_at("2s", a.set_clock, "5s")
        with a.stack.socket(type=usnet.SOCK_DGRAM) as sock:
            sock.bind(("", 9))
            sock.settimeout(10)
            try:
                sock.recv(1)
            except TimeoutError:
                pass
        assert world.now == 5 * 10**9


def test_the_time_of_day_may_be_set_back_and_nothing_else_goes_back(tmp_path, capsys):
    source = """
        import datetime, time
        day, steady = time.time(), time.monotonic()
        time.sleep(2)
        print(time.time() - day, time.monotonic() - steady, datetime.datetime.now().hour)
    """
    file = tmp_path / "day.py"
    file.write_text("\n".join(line.strip() for line in source.splitlines()))
    with usnet.World() as world:
        a, _ = pair(world)
        world.network.call_at("1s", a.set_wall_clock, -3600 * 10**9)
        a.run_script(file)
        world.run()
    assert capsys.readouterr().out.split() == ["-3598.0", "2.0", "23"]


def test_a_world_that_is_used_again_has_clocks_as_new():
    with usnet.World() as world:
        a, _ = pair(world)
        a.set_clock("1h", 100)
        a.set_wall_clock(5)
        assert world.reset(2)
        assert (a.simulated.clock.now(), a.simulated.clock.drift, a.wall) == (0, 0, 0)
