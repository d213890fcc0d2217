from usnet.backends.sim.network import Network
from usnet.sockets.host import Stack

def attach(stack: Stack, simulated: object, network: Network, number: int) -> None: ...
