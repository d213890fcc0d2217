from usnet.backends.netmap.link import Interface
from usnet.backends.netmap.standin.kernel import Nic

class NicInterface(Interface):
    nic: Nic
    def __init__(self, nic: Nic) -> None: ...
