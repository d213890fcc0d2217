"""A world that is used again is as a new one: the same run, to the byte and to the last counter."""

from dataclasses import replace
from pathlib import Path

import pytest

from usnet.lab.reuse import Worlds
from usnet.lab.scenario import from_tables, items, run
from usnet.lab.world import World
from usnet.testing.plans import End, Link, Mishap, Outage, Plan, Talk, plan_to_scenario, steps

SCENARIOS = Path(__file__).parents[2] / "sim_scenarios"
TALK = Talk(client=steps("write 20000; shut; drain"), server=steps("write 20000; shut; drain"))
PLANS = [
    Plan(talks=(TALK,), fates=(Mishap("drop", "up", "data", byte=4000), Mishap("dup", "down", "ack"))),
    Plan(talks=(Talk(client=steps("write 300000"), server=steps("read 100; reset")),), seed=7),
    Plan(talks=(TALK, TALK), link=Link(rate=2_000_000, queue=5), client=End(sack=False, timestamps=False, sndbuf=3000), server=End(rcvbuf=4000)),
    Plan(talks=(Talk(client=steps("write 50000; shut; drain"), server=steps("pause 5000ms; drain")),), outages=(Outage(20_000_000, 3_000_000_000),)),
    Plan(talks=(Talk(client=steps("drain"), server=steps("drain")),), seed=3),
    Plan(talks=(TALK,), fates=(Mishap("delay", "up", "data", byte=3000, amount=90_000_000), Mishap("reorder", "down", "data", amount=3)), seed=9),
]


def told(outcome):
    return replace(outcome, cpu_seconds=0.0)


def scenario_of(plan):
    return from_tables(Path("plan.toml"), plan_to_scenario(plan))


def test_plans_one_after_another_in_one_world_run_as_in_worlds_of_their_own():
    worlds = Worlds()
    for plan in [*PLANS, *reversed(PLANS), *PLANS]:
        scenario = scenario_of(plan)
        assert told(run(scenario, worlds=worlds)) == told(run(scenario))
    assert worlds.reused == 3 * len(PLANS) - 1


@pytest.mark.parametrize("name", ["fin-loss", "host-crash-restart", "link-flap", "mss-clamp", "rx-ring-overrun", "simultaneous-open"])
def test_scenarios_run_again_in_their_worlds(name):
    for scenario in items(SCENARIOS / f"{name}.toml"):
        worlds = Worlds()
        new, first, again = run(scenario), run(scenario, worlds=worlds), run(scenario, worlds=worlds)
        assert told(first) == told(new) and told(again) == told(new)


def test_no_more_worlds_are_kept_than_asked_for_and_those_used_last():
    worlds = Worlds(most=2)
    scenarios = [scenario_of(replace(PLANS[0], link=Link(mtu=mtu))) for mtu in (1500, 1400, 1300)]
    for scenario in scenarios:
        run(scenario, worlds=worlds)
    run(scenarios[1], worlds=worlds)
    run(scenarios[2], worlds=worlds)
    assert worlds.reused == 2
    run(scenarios[0], worlds=worlds)
    assert worlds.reused == 2


def test_a_world_with_an_open_socket_is_not_used_again():
    with World(seed=1) as world:
        host = world.host("a", "10.0.0.1/24")
        world.link(host, world.host("b", "10.0.0.2/24"))
        assert world.reset(2) and world.seed == 2
        sock = host.stack.socket()
        assert not world.reset(3) and host.stack.closed
        sock.close()


def test_programs_that_wait_end_with_the_run():
    ended = []

    def waits():
        import usnet

        try:
            with usnet.create_server(("", 7)) as listener:
                listener.accept()
        finally:
            ended.append(True)

    with World(seed=1) as world:
        host = world.host("a", "10.0.0.1/24")
        world.link(host, world.host("b", "10.0.0.2/24"), delay="1ms")
        host.run(waits, daemon=True)
        world.run(until="1s")
        assert world.reset(1) and ended == [True] and (world.now, world.env.programs) == (0, {})
