"""Worlds: hosts with stacks, links between them, programs on them, all in one virtual time.

    world = World(seed=1)
    client = world.host("client", "10.0.0.1/24")
    server = world.host("server", "10.0.0.2/24")
    world.link(client, server, rate="10Mbit", delay="20ms", loss=0.02)
    server.run(serve)
    client.run(fetch)
    world.run()
    print(world.digest())
"""

import contextlib
import contextvars
import functools
import inspect
import ipaddress
import os

from usnet.backends.sim.network import Network
from usnet.backends.sim.port import OwnRings
from usnet.lab.attach import attach, crash
from usnet.lab.environment import Environment
from usnet.lab.programs import SimPoller, spawn
from usnet.sockets.aio import run as run_coroutine
from usnet.sockets.aio_policy import installed
from usnet.sockets.context import use
from usnet.sockets.host import Stack
from usnet.stack import StackCore

DEFAULT_PREFIX = 24


@functools.lru_cache(1024)
def _interface(address):
    text = str(address)
    return ipaddress.ip_interface(text if "/" in text else f"{text}/{DEFAULT_PREFIX}")


@functools.cache
def _defaults():
    """The settings of a new stack."""
    return StackCore(0, 16, 16, 16).configuration()


def _plain(address):
    return address.split("/")[0]


def ring_class(kind):
    """What ports of a network are made with, by its name. ValueError for another one."""
    if kind == "own":
        return OwnRings
    if kind == "netmap":
        from usnet.lab.netmap_rings import NetmapRings

        return NetmapRings
    raise ValueError(f"rings are own or netmap, not {kind!r}")


class Host:
    """A machine of a world: a name, a stack, and as many ports as it has links. Made by World.host()."""

    def __init__(self, world, name, addresses, *, gateway, routes, config, granularity, limits):
        self.world = world
        self.name = name
        self.addresses = list(addresses)
        self.ports = []
        self.port_addresses = []            # of each, without its prefix; None: it has none
        self.programs = []
        self.crashes = 0
        self.daemon = False                 # what run() makes of its programs when it is not told
        self._unused = list(addresses)      # each link takes the next address
        self._routes = list(routes)
        if gateway is not None:
            self._routes.append(("0.0.0.0/0", gateway))
        for network, hop in self._routes:
            if not any(self._reaches(address, hop) for address in self.addresses):
                raise ValueError(f"host {name}: {hop}, the next hop to {network}, lies in none of its networks")
        self.simulated = world.network.host(name, granularity)
        poller = SimPoller(world.env, self.simulated)
        # So that timers do not fire early: settings() are laid over it
        self._clock = {"granularity": self.simulated.clock.granularity} if self.simulated.clock.granularity > 10**6 else {}
        self.wall = 0           # ns that its clock of the day is ahead of the world's
        self.stack = Stack(
            None,
            config=self._clock | config,
            seed=world.seed_for(name),
            clock=self.simulated.clock,
            poller=poller,
            **limits,
        )
        poller.is_woken, poller.wait_text = self.stack.is_woken, self.stack.wait_text
        attach(self.stack, self.simulated, world.network, len(world.hosts))

    @property
    def address(self):
        """The first address, without its prefix."""
        return _plain(self.addresses[0])

    def configure(self, settings):
        """Settings of its stack by name; all others are as a new stack has them."""
        core = self.stack.core
        now, wanted = core.configuration(), _defaults() | self._clock | settings
        if now != wanted:
            core.configure(**{name: value for name, value in wanted.items() if value != now[name]})

    def new_port(self, **rings):
        """A port for one more link, with the next address that the host was given (none when they are used up)."""
        suffix = f".{len(self.ports)}" if self.ports else ""
        port = self.world.network.port(f"{self.name}{suffix}", host=self.simulated, **rings)
        address = self._unused.pop(0) if self._unused else None
        self.port_addresses.append(address and address.split("/")[0])
        netif = self.stack.add_port(port, address)
        self.ports.append(port)
        for network, hop in list(self._routes):
            if self._reaches(address, hop):
                self.stack.add_route(network, hop, netif)
                self._routes.remove((network, hop))
        return port

    def learn(self, other):
        """Puts the addresses of another host, of the last link that both were given, into the table of neighbours for good: nobody has to ask."""
        if other.port_addresses[-1] is not None:
            self.stack.core.add_neighbour(len(self.ports) - 1, other.port_addresses[-1], bytes(other.ports[-1].mac))

    @staticmethod
    def _reaches(address, hop):
        return address is not None and (hop is None or ipaddress.ip_address(hop) in _interface(address).network)

    def run(self, program, *args, name=None, daemon=None):
        """Starts program(*args) as a blocking program on this host: usnet.socket() and the like use its stack. Returns the Program.

        A coroutine that the function returns (as an `async def` does) is run as asyncio.run() would, on the stack and in virtual time.
        The path of a file (text or Path) is a script, with args as its arguments: see run_script(), whose Script is returned.
        `daemon`: it may be left waiting at the end, as a server is; None: as the host's attribute `daemon` says."""
        if isinstance(program, str | os.PathLike):
            return self.run_script(program, *args, daemon=(self.daemon or None) if daemon is None else daemon)

        def body():
            with use(self.stack), installed(self.stack):
                result = program(*args)
                return run_coroutine(result) if inspect.iscoroutine(result) else result

        name = name or f"{self.name}:{getattr(program, '__name__', 'program')}"
        context = contextvars.copy_context()
        started = spawn(self.world.env, context.run, body, name=name, daemon=self.daemon if daemon is None else daemon)
        self.programs = [*(known for known in self.programs if known.alive), started]
        return started

    def run_script(self, path, *args, is_module=False, daemon=None, report=None):
        """Starts an ordinary program on this host, a file (or with is_module a module's name) that imports socket, time, threading and so on:
        docs/scripts.md. Returns its Script.

        args: its sys.argv behind its name. daemon: it may be left running at the end; None: if it listens, once some other has ended.
        report: called with the Script and the exception that ended it; None: the exception comes out of world.run().
        """
        from usnet.lab.script import Script

        script = Script(self, path, args, is_module=is_module, daemon=daemon, report=report)
        self.world.scripts.append(script)
        return script

    def crash(self):
        """The host dies without a word: its programs end (their `finally` clauses run, and reach nobody), its stack forgets everything, what arrives
        is lost. From a program of another host or an event of the world, at a time when the network has settled."""
        self.simulated.switch_off()
        for script in self.world.scripts:
            if script.host is self:
                script.end()
        for program in reversed(self.programs):
            program.kill()
        self.programs = []
        self.crashes += 1
        crash(self.stack, self.simulated, self.world.seed_for(f"{self.name}/{self.crashes}"))

    def boot(self):
        """A host that crashed is there again, with the same ports, addresses and settings, and without programs: start them with run()."""
        self.simulated.resume()

    def stall(self):
        """The host does not run: arriving frames fill its receive rings, and what finds them full is lost; nothing leaves its transmit rings."""
        self.simulated.stall()

    def resume(self):
        """A host that was stalled goes on: first with what its transmit rings hold."""
        if self.simulated.is_stalled:
            self.simulated.resume()
            for port in self.ports:
                port.tx_ring().sync()

    @property
    def is_off(self):
        """Whether it has crashed and not come back."""
        return self.simulated.is_off

    def set_clock(self, jump="0ns", drift=None):
        """The clock of its stack, a monotonic one, is from now on `jump` ahead (ns or "1h"; never back), and gains `drift` parts in a million
        (below 0: loses). Links and programs' own waits (sleep()) go by the world's time as before."""
        self.simulated.set_clock(jump, drift)

    def set_wall_clock(self, by):
        """Somebody sets the clock of the day, by so many ns from the world's, forth or back: what scripts read as time.time(), and no more."""
        self.wall = by

    def statistics(self):
        return self.stack.statistics()

    def __repr__(self):
        return f"<Host {self.name} {', '.join(self.addresses)}>"


class World:
    """World(seed=0): an empty world at 0 ns. The same calls with the same seed give the same run, to the byte:
    digest() shows it. In a `with` statement it is closed at the end. `rings`: what its ports have, "own",
    or "netmap": each is a NIC of netmap's stand-in, and its stack sends as it would on a card. A run is the same on both.
    `patience`: seconds of processor time that a script may compute without waiting, until it counts as stuck (NoProgress); None: no end.
    `spares`: spare buffers of each port where link() does not say; a run is the same with any number, but for what is copied.
    """

    virtual = True

    def __init__(self, seed=0, rings="own", spares=64, patience=10.0):
        self.seed = seed
        self.patience = patience
        self.spares = spares
        self.network = Network(seed, ring_class(rings))
        self.env = self._environment()
        self.hosts = {}
        self.scripts = []       # in the order of their start
        self.change = None      # an event for whoever waits for scripts to begin to serve
        self.failures = []      # scripts whose exceptions nobody was told of
        self.programs_ended = False
        self.last_turn = 0      # ns: when a script last ran

    def _environment(self):
        return Environment(self.network)

    def interrupted(self):
        """Something has come from outside: who waits should look. Nothing does in virtual time."""

    def seed_for(self, name):
        """The seed of a host's own draws: from the world's seed and the host's name, whatever else the world holds."""
        return self._seed_for(self.seed, name)

    @staticmethod
    def _seed_for(seed, name):
        digest = 0xCBF29CE484222325
        for byte in f"{seed}/{name}".encode():
            digest = (digest ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
        return digest

    @property
    def now(self):
        """Virtual time, ns."""
        return self.env.now

    def host(
        self,
        name,
        *addresses,
        gateway=None,
        routes=(),
        config=None,
        forward=False,
        granularity="1ns",
        max_connections=4096,
        max_chunks=1 << 16,
        max_sockets=4096,
    ):
        """A new host. `addresses`: "10.0.0.1/24", one for each link it will have. `forward`: it is a router. `config`: settings of its stack by
        name (StackCore.configure). `granularity`: of its clock, and where that is above a millisecond of its stack's setting."""
        if name in self.hosts:
            raise ValueError(f"there is a host {name} already")
        config = {**(config or {}), **({"forward": 1} if forward else {})}
        limits = {"max_connections": max_connections, "max_chunks": max_chunks, "max_sockets": max_sockets}
        host = Host(
            self,
            name,
            [str(_interface(a)) for a in addresses],
            gateway=gateway,
            routes=routes,
            config=config,
            granularity=granularity,
            limits=limits,
        )
        for other in self.hosts.values():       # by their names they know each other
            other.stack.hosts.add(name, *map(_plain, host.addresses))
            host.stack.hosts.add(other.name, *map(_plain, other.addresses))
        host.stack.hosts.add(name, *map(_plain, host.addresses))
        self.hosts[name] = host
        return host

    def router(self, name, *addresses, **options):
        """A host that forwards, with an address for each link."""
        return self.host(name, *addresses, forward=True, **options)

    def switch(self, name, **options):
        """A learning switch; link hosts to it."""
        return self.network.switch(name, **options)

    def middlebox(self, name, kind, **options):
        """A middlebox, "nat" or "resegment", as usnet.backends.sim's Network.middlebox() takes it; link its inside first, then its outside."""
        return self.network.middlebox(name, kind, **options)

    def link(self, a, b, *, ports=None, **model):
        """A link between hosts, switches and middleboxes (objects or names); `model` as usnet.backends.sim's Network.link: rate, delay, jitter,
        mtu, loss, duplicate, corrupt, queue, fates, up={...}, down={...}. `ports`: as Network.port() takes it of the
        new ones: mtu, slots, buf_size, spares, fifo, offload."""
        ends = [self._end(end, {"spares": self.spares, **(ports or {})}) for end in (a, b)]
        return self.network.link(*ends, **model)

    def _end(self, end, rings):
        end = self.hosts.get(end, end) if isinstance(end, str) else end
        return end.new_port(**rings) if isinstance(end, Host) else end

    def process(self, generator):
        """A SimPy process in this world."""
        return self.env.process(generator)

    def run(self, until=None, limit="24h"):
        """Runs until all programs have ended and nothing is left to happen, or up to a time (ns or "2s"), or until an event. Raises what programs
        raise; SimulationStalled when nothing is left to happen and a program still waits.

        With scripts and without `until`: until they have ended, or only servers are left and at rest; `limit` is the virtual time after which
        that is an error (Deadlock, which says where each of them is)."""
        if not self.scripts:
            return self.env.run(until)
        from usnet.lab.script_run import collecting, raise_failures, run

        with collecting(self):
            value = run(self, limit) if until is None else self.env.run(until)
        raise_failures(self)
        return value

    @functools.cached_property
    def watch(self):
        """Looks whether scripts ever wait."""
        from usnet.lab.script_watch import Watch

        return Watch(self.patience)

    def scripts_changed(self):
        """A script has begun to serve."""
        if self.change is not None and not self.change.triggered:
            self.change.succeed()

    def run_programs(self, limit=None):
        """Runs until every program (other than daemons) has ended. True; or False when virtual time reached `limit` first."""
        from usnet.backends.sim import units

        stop = None if limit is None else units.time(limit)
        waiting = [program.done for program in self.env.programs.values() if not program.daemon]
        if not waiting:
            return True
        everyone = self.env.all_of(waiting)
        if stop is None:
            self.env.run(everyone)
            return True
        self.env.run(self.env.any_of([everyone, self.env.timeout(stop - self.now)]))
        return everyone.triggered

    def close(self):
        """Ends the programs that still wait (their `finally` clauses run) and closes all stacks. May be called again.

        A world that is dropped with programs in it, as after an error, is not freed otherwise. Take the digest before."""
        if self.env.running:
            raise RuntimeError("a world cannot be closed by what runs in it")
        with contextlib.ExitStack() as ending:
            for host in self.hosts.values():
                ending.callback(host.stack.close, linger=0)
            for program in reversed(self.env.programs.values()):
                ending.callback(program.kill)
            if self.scripts:
                ending.callback(self.watch.stop)

    def reset(self, seed):
        """As new, at 0 ns, with another seed, and with the same hosts, their settings and links, these without fates: programs end, connections are
        forgotten. A run is then the same as in a new world. False: it cannot be used again (scripts ran in it, a socket was not closed, a port has
        vanished), and is closed."""
        if self.env.running:
            raise RuntimeError("a world cannot be reset by what runs in it")
        for program in reversed(list(self.env.programs.values())):
            program.kill()
        if self.scripts or any(host.stack.closed or host.stack.descriptors for host in self.hosts.values()):
            self.close()
            return False
        for host in self.hosts.values():
            host.stack.reset(self._seed_for(seed, host.name))
        if not self.network.reset(seed):
            self.close()
            return False
        self.seed = seed
        self.env = self._environment()
        for host in self.hosts.values():
            host.stack.poller.reset(self.env)
            host.programs, host.crashes, host.daemon, host.wall = [], 0, False, 0
        self.change, self.failures, self.programs_ended, self.last_turn = None, [], False, 0
        return True

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def digest(self):
        """128 bits, as hex, over every frame on every wire with its time, the results of all socket calls with the bytes they gave, and
        what note() added."""
        return self.network.digest()

    def note(self, *results):
        """Adds results of an application to the digest."""
        self.network.digest_update(repr(results).encode())
