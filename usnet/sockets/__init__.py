"""What applications touch: socket objects, epoll, the stack that they stand on. Public names are in `usnet` itself."""
