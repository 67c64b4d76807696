"""The shop: its page and its API, over PostgreSQL. Any number of these may run side by side."""

import html
import json
import os
import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2

PAGE = """<!doctype html>
<title>{name}</title>
<h1>{name}</h1>
<ul>
{products}
</ul>
<p>visit {visits}, served by {host}</p>
"""


def connect():
    with open("/run/secrets/db_password") as secret:
        password = secret.read().strip()
    return psycopg2.connect(
        host=os.environ["DB_HOST"], user="shop", dbname="postgres", password=password, connect_timeout=2
    )


def prepare():
    """Make the tables; whichever replica comes first does it."""
    with open("/app/products.json") as file:
        products = json.load(file)
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(1)")
        cursor.execute("CREATE TABLE IF NOT EXISTS visits (id serial)")
        cursor.execute("CREATE TABLE IF NOT EXISTS products (name text PRIMARY KEY, price numeric, stock int)")
        for product in products:
            cursor.execute(
                "INSERT INTO products VALUES (%(name)s, %(price)s, %(stock)s) ON CONFLICT (name) DO NOTHING", product
            )


class Shop(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/health":
            self.answer(200, "text/plain", "ok\n")
        elif self.path == "/api/products":
            rows = self.query("SELECT name, price, stock FROM products ORDER BY name")
            self.json(200, [{"name": name, "price": str(price), "stock": stock} for name, price, stock in rows])
        elif self.path == "/":
            self.answer(200, "text/html; charset=utf-8", self.page())
        else:
            self.json(404, {"error": f"nothing at {self.path}"})

    def do_POST(self):
        if self.path != "/api/orders":
            return self.json(404, {"error": f"nothing at {self.path}"})
        wanted = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
        left = self.query(
            "UPDATE products SET stock = stock - 1 WHERE name = %s AND stock > 0 RETURNING stock",
            (wanted.get("name"),),
        )
        if not left:
            return self.json(409, {"error": f"{wanted.get('name')!r} is not to be had"})
        return self.json(201, {"name": wanted["name"], "left": left[0][0]})

    def page(self):
        visits = self.query("INSERT INTO visits DEFAULT VALUES RETURNING id")[0][0]
        rows = self.query("SELECT name, price, stock FROM products ORDER BY name")
        products = "\n".join(f"<li>{html.escape(name)}: {price} ({stock} left)</li>" for name, price, stock in rows)
        return PAGE.format(
            name=html.escape(os.environ["SHOP_NAME"]), products=products, visits=visits, host=socket.gethostname()
        )

    def query(self, text, values=()):
        with connect() as connection, connection.cursor() as cursor:
            cursor.execute(text, values)
            return cursor.fetchall()

    def json(self, status, value):
        self.answer(status, "application/json", json.dumps(value) + "\n")

    def answer(self, status, kind, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Served-By", socket.gethostname())
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        if self.path != "/health":
            super().log_message(format, *args)


if __name__ == "__main__":
    # process 1 has no default handlers
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    prepare()
    print("ready", flush=True)
    ThreadingHTTPServer(("", 8000), Shop).serve_forever()
