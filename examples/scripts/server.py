"""Counts the words of each line it is sent: an ordinary server. `python server.py 8080`"""

import socketserver
import sys


class Words(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(b"%d\n" % len(line.split()))


socketserver.ThreadingTCPServer.allow_reuse_address = True
with socketserver.ThreadingTCPServer(("", int(sys.argv[1])), Words) as server:
    server.serve_forever()
