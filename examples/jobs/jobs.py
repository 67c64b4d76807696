"""Three steps over one SQLite file: migrate, fill, serve."""

import json
import signal
import sqlite3
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

DATABASE = "/data/whales.db"
WHALES = [("blue whale", 29.9), ("fin whale", 25.9), ("sei whale", 19.5), ("minke whale", 10.7)]


def migrate():
    with sqlite3.connect(DATABASE) as database:
        database.execute("CREATE TABLE IF NOT EXISTS rorquals (name TEXT PRIMARY KEY, metres REAL)")
    print("migrated")


def fill():
    with sqlite3.connect(DATABASE) as database:
        database.executemany("INSERT OR IGNORE INTO rorquals VALUES (?, ?)", WHALES)
    print(f"filled in {len(WHALES)} rows")


class Report(BaseHTTPRequestHandler):
    def do_GET(self):
        with sqlite3.connect(DATABASE) as database:
            rows = database.execute("SELECT name, metres FROM rorquals ORDER BY metres DESC").fetchall()
        body = (json.dumps([{"name": name, "metres": metres} for name, metres in rows]) + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve():
    # process 1 has no default handlers
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    HTTPServer(("", 8000), Report).serve_forever()


if __name__ == "__main__":
    {"migrate": migrate, "fill": fill, "serve": serve}[sys.argv[1]]()
