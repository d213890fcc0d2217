from usnet.backends.sim.network import Network

class Middlebox:
    name: str
    network: Network
    def statistics(self) -> dict[str, int]: ...
