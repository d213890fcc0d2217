"""Ports around ports: they capture or harm the frames of any backend."""
