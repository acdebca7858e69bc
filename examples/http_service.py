"""A small HTTP service around the tagger: the standard library and pylstm, nothing else.

    python examples/http_service.py --port 8000
    curl -d '{"lines": ["Meet on 12.05.2026 at 9:30"]}' http://127.0.0.1:8000/tag

One module serves all threads: calls share nothing that they write to, and the bits of an answer
do not depend on what else is asked at the same time. load_test.py measures it.
"""

import argparse
import json
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tagger import Tagger

MOST_BYTES, MOST_LINES, MOST_CHARACTERS = 1 << 20, 256, 1000


class RequestError(Exception):
    """What is wrong with a request: an HTTP status and a text."""


def lines_of(body):
    """Return the lines that a request asks about, or say what it should have been."""
    try:
        request = json.loads(body)
    except ValueError as error:  # UnicodeDecodeError is one
        raise RequestError(400, f"the body must be JSON: {error}") from None
    except RecursionError:
        raise RequestError(400, "the body is nested too deeply") from None
    lines = request.get("lines") if isinstance(request, dict) else None
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise RequestError(400, 'the body must be {"lines": [...]} with a list of strings')
    if len(lines) > MOST_LINES or any(len(line) > MOST_CHARACTERS for line in lines):
        raise RequestError(400, f"at most {MOST_LINES} lines of {MOST_CHARACTERS} characters")
    return lines


class Handler(BaseHTTPRequestHandler):
    """Answers POST /tag; ``tagger`` is set when the service starts."""

    protocol_version = "HTTP/1.1"  # connections stay open from request to request
    disable_nagle_algorithm = True  # small answers must not wait for more to send
    timeout = 30  # seconds that a client may leave us waiting
    tagger = None

    def do_GET(self):
        """Answer /health."""
        if self.path == "/health":
            self.answer(200, {"model": repr(self.tagger.lstm)})
        else:
            self.answer(404, {"error": "there are GET /health and POST /tag"})

    def do_POST(self):
        """Answer /tag."""
        try:
            self.answer(200, {"tags": self.tagger.tag(lines_of(self.body()))})
        except RequestError as error:
            status, text = error.args
            self.close_connection = True  # of what was not read, nothing must be taken for more
            self.answer(status, {"error": text})

    def body(self):
        """Read the body of a request for /tag."""
        if self.path != "/tag":
            raise RequestError(404, "there are GET /health and POST /tag")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()):
            raise RequestError(411, "Content-Length is missing")
        if len(length) > 9 or int(length) > MOST_BYTES:
            raise RequestError(413, f"at most {MOST_BYTES} bytes")
        return self.rfile.read(int(length))

    def answer(self, status, content):
        """Send JSON, in one piece."""
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *arguments):
        """Write no line for every request."""


def main():
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1", help="default: this machine alone")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    options = parser.parse_args()
    Handler.tagger = Tagger()
    Handler.tagger.tag(["the first call packs the weights"])
    with ThreadingHTTPServer((options.host, options.port), Handler) as server:
        print(f"http://{options.host}:{server.server_port}/tag", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    main()
