"""A server with one stream, which advances the rows of the clients that have sent a frame.

    python examples/frames_server.py [--clients 64] [--digits 2]

Each client sends the frames of a sequence when it likes: here the rows of handwritten digits, over
TCP on this machine. The server keeps one Stream, in which every client has a row. The server takes
all frames that have arrived, advances those rows in one call, and answers each client with its
hidden state. Which clients share a call depends on chance; the bits of the answers do not: the
program compares the answer to the last frame of each digit with the digit read whole.
"""

import argparse
import asyncio

import numpy as np

import pylstm as nn
from pylstm.demo.digits import HELD_OUT, WEIGHTS

NEW = b"new"  # instead of a frame: what follows is another sequence


class FramesServer:
    """Rows of a Stream for clients that come and go.

    Parameters
    ----------
    layer : LSTM, GRU or RNN
        What reads the frames, in one direction.
    """

    def __init__(self, layer):
        self.size = layer.input_size
        self.stream = layer.stream(batch=0)
        self.clients = []  # the client of every row of the stream
        self.waiting = {}  # client: its frame, and the future of the hidden state
        self.arrived = asyncio.Event()
        self.calls = 0

    async def serve(self, reader, writer):
        """Answer the frames of one client, one after the other, until the connection ends."""
        self.stream.join(1)
        self.clients.append(writer)
        try:
            while message := await self.message(reader):
                if message == NEW:
                    self.stream.reset([self.clients.index(writer)])
                else:
                    future = asyncio.get_running_loop().create_future()
                    self.waiting[writer] = np.frombuffer(message, np.float32), future
                    self.arrived.set()
                    writer.write((await future).tobytes())
                    await writer.drain()
        except ConnectionError:
            pass
        finally:
            row = self.clients.index(writer)
            self.stream.leave([row])  # the rows behind it move up, as those of the list do
            del self.clients[row]
            self.waiting.pop(writer, None)
            writer.close()

    async def message(self, reader):
        """Return one message: NEW, a frame, or nothing where the connection ends."""
        try:
            length = (await reader.readexactly(1))[0]
            known = length in (len(NEW), 4 * self.size)
            return await reader.readexactly(length) if known else b""
        except asyncio.IncompleteReadError:
            return b""

    async def advance(self):
        """Advance the clients whose frames have arrived, in one call, again and again."""
        while True:
            await self.arrived.wait()
            self.arrived.clear()
            waiting, self.waiting = self.waiting, {}
            row_of = {client: row for row, client in enumerate(self.clients)}
            frames = np.stack([frame for frame, _ in waiting.values()])
            hidden = self.stream(frames, rows=[row_of[client] for client in waiting])
            self.calls += 1
            for (_, future), state in zip(waiting.values(), hidden, strict=True):
                if not future.done():
                    future.set_result(state)


async def client(port, images, hidden_size, pauses):
    """Send images row by row; return the hidden state that answers the last row of each."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = []
    for image in images:
        writer.write(bytes([len(NEW)]) + NEW)
        for row in image:
            await asyncio.sleep(next(pauses))
            writer.write(bytes([row.nbytes]) + row.tobytes())
            answer = await reader.readexactly(4 * hidden_size)
        answers.append(np.frombuffer(answer, np.float32))
    writer.close()
    await writer.wait_closed()
    return answers


async def run(clients, digits):
    """Serve all clients; return the images, the answers and the calls of the server."""
    layer = nn.LSTM.from_weights(WEIGHTS, "lstm")
    with np.load(HELD_OUT) as file:
        images = (file["images"] / 16).astype(np.float32)
        labels = file["labels"]
    chosen = np.arange(clients * digits).reshape(clients, digits) % len(images)
    server = FramesServer(layer)
    advancing = asyncio.create_task(server.advance())
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    random = np.random.default_rng(0)
    async with listener:
        sending = [
            client(
                port, images[mine], layer.hidden_size, iter(random.exponential(0.01, 8 * digits))
            )
            for mine in chosen
        ]
        answers = np.array(await asyncio.gather(*sending))
        while server.clients:  # they have closed their connections; the server hears of it
            await asyncio.sleep(0.001)
    advancing.cancel()
    assert len(server.stream) == 0
    return layer, images[chosen], labels[chosen], answers, server.calls


def main():
    """Let clients send digits; compare the answers with the digits read whole."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--digits", type=int, default=2)
    options = parser.parse_args()
    layer, images, labels, answers, calls = asyncio.run(run(options.clients, options.digits))
    frames = images.shape[0] * images.shape[1] * images.shape[2]
    print(f"{len(images)} clients sent {frames} frames; the server made {calls} calls")
    weights = nn.load(WEIGHTS)
    scores = answers @ weights["head.weight"].T + weights["head.bias"]
    right = int(np.sum(scores.argmax(axis=-1) == labels))
    print(f"{right} of {labels.size} digits read correctly")
    whole = [layer(image)[0][-1] for image in images.reshape(-1, 8, 8)]
    same = answers.tobytes() == b"".join(state.tobytes() for state in whole)
    print(
        f"row by row in shared calls, each digit whole: {'the same bits' if same else 'OTHER BITS'}"
    )
    return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main())
