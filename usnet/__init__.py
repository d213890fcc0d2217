"""usnet: a user-space TCP/IP stack that is simulated first."""
