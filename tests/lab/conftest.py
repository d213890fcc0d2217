"""Fixtures. run: worlds whose hosts run sources, each on a link to one switch."""

import textwrap

import pytest

import usnet


@pytest.fixture
def run(tmp_path, capsys):
    """run({host: source}, ...): runs them in one world, and returns the lines printed, the Scripts and the digest."""

    def run(sources, args=None, seed=1, patience=2.0, limit="24h", **path):
        with usnet.World(seed=seed, patience=patience) as world:
            hosts = [world.host(name, f"10.0.0.{i}/24") for i, name in enumerate(sources, 1)]
            hub = world.switch("hub")
            for host in hosts:
                world.link(host, hub, **{"delay": "1ms", **path})
            scripts = []
            for host, source in zip(hosts, sources.values(), strict=True):
                file = tmp_path / f"{host.name}.py"
                file.write_text(textwrap.dedent(source))
                scripts.append(host.run_script(file, *(args or {}).get(host.name, ())))
            world.run(limit=limit)
            digest = world.digest()
        return capsys.readouterr().out.splitlines(), scripts, digest

    return run
