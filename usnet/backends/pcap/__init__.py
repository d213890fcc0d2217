"""Capture files: pcap and pcapng, as receive rings."""
