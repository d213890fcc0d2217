"""Who is where: the kernel and usnet, one network, one link."""
KERNEL, USNET, NOBODY = "10.9.0.1", "10.9.0.2", "10.9.0.77"
PREFIX = 24
DEVICE = "usnet0"
