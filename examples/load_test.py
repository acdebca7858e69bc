"""Load the service of http_service.py and print how it does.

    python examples/load_test.py [--requests 2000] [--clients 4] [--lines 1] [--seconds 30]

Starts the service on a free port of this machine, sends so many requests over as many open
connections, or as many as fit into the time, checks every answer, and stops it again. It goes to
127.0.0.1 and nowhere else.
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
from tagger import Tagger

HOST = "127.0.0.1"
SERVICE = Path(__file__).with_name("http_service.py")
TEXT = "Meet on 12.05.2026 at 9:30 in room 12.05, bring invoice 4711"


def up_to(most):
    """Return a type for argparse: whole numbers from 1 to ``most``."""

    def number(text):
        value = int(text)
        if not 1 <= value <= most:
            raise argparse.ArgumentTypeError(f"must be from 1 to {most}, got {value}")
        return value

    return number


class Load:
    """Clients that send one and the same request until enough are sent or the time is over."""

    def __init__(self, port, options):
        lines = [TEXT[k % 20 :] for k in range(options.lines)]
        self.port = port
        self.body = json.dumps({"lines": lines})
        self.expected = Tagger().tag(lines)
        self.left = options.requests
        self.end = time.monotonic() + options.seconds
        self.lock = threading.Lock()
        self.times, self.failures = [], []

    def take(self):
        """Tell whether there is another request to send."""
        with self.lock:
            self.left -= 1
            return self.left >= 0 and not self.failures and time.monotonic() < self.end

    def client(self):
        """Send requests over one connection."""
        connection = HTTPConnection(HOST, self.port, timeout=10)
        try:
            while self.take():
                start = time.perf_counter()
                connection.request("POST", "/tag", self.body)
                response = connection.getresponse()
                answer = json.loads(response.read())
                self.times.append(time.perf_counter() - start)
                if response.status != 200 or answer != {"tags": self.expected}:
                    raise ValueError(f"status {response.status}: {str(answer)[:200]}")
        except Exception as error:  # of any thread, the figures would mean nothing
            self.failures.append(f"{type(error).__name__}: {error}")
        finally:
            connection.close()

    def run(self, clients):
        """Return the seconds from the first request to the last answer."""
        threads = [threading.Thread(target=self.client) for _ in range(clients)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - start


def main():
    """Start the service, load it, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=up_to(100_000), default=2000)
    parser.add_argument("--clients", type=up_to(64), default=4)
    parser.add_argument("--lines", type=up_to(256), default=1, help="in every request")
    parser.add_argument("--seconds", type=up_to(300), default=30, help="after which it ends")
    options = parser.parse_args()
    command = [sys.executable, str(SERVICE), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        try:
            address = service.stdout.readline()
            load = Load(int(address.rpartition(":")[2].partition("/")[0]), options)
            seconds = load.run(options.clients)
        finally:
            service.terminate()
    if load.failures:
        print(f"failed: {load.failures[0]}", file=sys.stderr)
        return 1
    count = len(load.times)
    p50, p95, p99 = np.percentile(np.array(load.times) * 1e3, (50, 95, 99))
    print(f"{count} requests of {options.lines} lines by {options.clients} clients, all right")
    print(f"{count / seconds:.0f} requests/s, {count * options.lines / seconds:.0f} lines/s")
    print(f"latency: median {p50:.2f} ms, 95 % {p95:.2f} ms, 99 % {p99:.2f} ms")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
