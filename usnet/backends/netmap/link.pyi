class Interface:
    name: str
    @property
    def up(self) -> bool: ...

class SystemInterface(Interface):
    def __init__(self, name: str) -> None: ...
