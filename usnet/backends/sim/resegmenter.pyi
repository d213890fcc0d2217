from usnet.backends.sim.middlebox import Middlebox
from usnet.backends.sim.network import Network

class Resegmenter(Middlebox):
    def __init__(self, network: Network, name: str, merge: int | str = 0, split: int | str = 0, hold: int | str = "1ms") -> None: ...
