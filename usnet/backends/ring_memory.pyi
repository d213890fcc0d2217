class RingMemory:
    n_tx: int
    n_rx: int
    n_bufs: int
    n_spare: int
    buf_size: int
    pool: int
    def __init__(self, n_tx: int = 1, n_rx: int = 1, tx_slots: int = 512, rx_slots: int = 512, buf_size: int = 2048, n_spare: int = 0) -> None: ...
