"""TAP devices: the kernel's own stack at the other end of a virtual cable."""
