"""end_of_pipe.py NAME ADDRESS serve|ask PEER: one process with its own stack at one end of a pipe, until it is killed or told to stop."""
import sys

from usnet import Stack


def serve(stack):
    with stack.create_server(("", 7)) as listener:
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            with connection:
                while data := connection.recv(65536):
                    connection.sendall(data)


def ask(stack, host):
    """Round trips without end; says how many, each ten."""
    with stack.create_connection((host, 7), timeout=30) as sock:
        print("ready", flush=True)
        sent = 0
        while True:
            data = bytes([sent & 0xFF]) * 5000
            sock.sendall(data)
            back = b""
            while len(back) < len(data):
                back += sock.recv(65536)
            assert back == data
            sent += 1
            if sent % 10 == 0:
                print(sent, flush=True)


def main(name, address, what, *peer):
    with Stack(f"netmap:{name}", address) as stack:
        serve(stack) if what == "serve" else ask(stack, *peer)


if __name__ == "__main__":
    main(*sys.argv[1:])
