"""A recurrent policy over parallel environments whose episodes end at different times.

    python examples/policy_resets.py

In each of 16 corridors a signal at the first step says which way to turn at the end. The policy is
an LSTM of one unit that remembers the signal; its weights are set by hand. While the policy acts,
one call of a Stream advances all environments, and `stream.reset(rows)` clears the states of those
whose episode has ended. When the rollout is evaluated later, as training does, one call with
`reset=` gives the same outputs, in every bit; without resets, states go from one episode into the
next, and the policy turns the wrong way.
"""

import numpy as np

import pylstm as nn

ENVIRONMENTS, STEPS, ROLLOUTS = 16, 128, 2
OPEN, SHUT = 8.0, -8.0  # pre-activations at which a gate is nearly 1, nearly 0


class Corridors:
    """Environments in parallel: what a policy sees, and when an episode is over.

    An observation is (signal, whether this is the first step, whether this is the end, noise).
    """

    def __init__(self, count, seed):
        self.random = np.random.default_rng(seed)
        self.count = count
        self.step, self.length, self.signal = np.zeros((3, count), int)
        self.begin(np.arange(count))

    def begin(self, rows):
        """Begin new episodes, of 5 to 40 steps."""
        self.step[rows] = 0
        self.length[rows] = self.random.integers(5, 41, len(rows))
        self.signal[rows] = self.random.choice([-1, 1], len(rows))

    def observe(self):
        """Return observations (count, 4)."""
        first, last = self.step == 0, self.step == self.length - 1
        noise = self.random.standard_normal(self.count)
        return np.stack([self.signal * first, first, last, noise], axis=1).astype(np.float32)

    def act(self, turns):
        """Take a step; return rewards and where episodes ended. New ones begin there."""
        over = self.step == self.length - 1
        rewards = np.where(over, turns == self.signal, False)
        self.step += 1
        self.begin(np.flatnonzero(over))
        return rewards, over


def policy():
    """Return an LSTM whose one unit keeps the signal of the first step."""
    lstm = nn.LSTM(4, 1)
    for values in lstm.parameters():
        values[...] = 0
    i, f, g, o = range(4)  # the rows of the gates
    lstm.bias_ih_l0[i] = SHUT
    lstm.weight_ih_l0[i, 1] = OPEN - SHUT  # i opens at the first step only
    lstm.weight_ih_l0[g, 0] = 2.0  # and the signal goes in
    lstm.bias_ih_l0[[f, o]] = OPEN  # what is there stays, and shows in h
    return lstm


def turns_of(output):
    """Return the turns, -1 or 1, that outputs (..., 1) of the policy choose."""
    return np.where(output[..., 0] > 0, 1, -1)


def collect(corridors, stream):
    """Act for some steps; return observations, outputs, rewards, and where episodes ended."""
    seen, outputs, rewards, ends = [], [], [], []
    for _ in range(STEPS):
        seen.append(corridors.observe())
        outputs.append(stream(seen[-1]))
        reward, over = corridors.act(turns_of(outputs[-1]))
        stream.reset(np.flatnonzero(over))
        rewards.append(reward)
        ends.append(over)
    return [np.stack(arrays) for arrays in (seen, outputs, rewards, ends)]


def reset_mask(ends):
    """Return where sequences begin: the step after each end, (STEPS, ENVIRONMENTS)."""
    mask = np.zeros_like(ends)
    mask[1:] = ends[:-1]  # an end at the last step is in the states of the next rollout
    return mask


def main():
    """Act, evaluate the rollouts in one call each, and do so without resets for comparison."""
    lstm, corridors = policy(), Corridors(ENVIRONMENTS, seed=0)
    stream = lstm.stream(batch=ENVIRONMENTS)
    same = True
    for number in range(ROLLOUTS):
        before = stream.state
        seen, acted, rewards, ends = collect(corridors, stream)
        output, states = lstm(seen, before, reset=reset_mask(ends))
        same &= output.tobytes() == acted.tobytes()
        # Episodes that ended at the last step were reset behind it.
        for state, after in zip(states, stream.state, strict=True):
            same &= np.array_equal(np.where(ends[-1][:, None], 0, state), after)
        print(f"rollout {number}: {ends.sum()} episodes ended, {rewards.sum()} turned right")
        if number == 0:
            plain, _ = lstm(seen, before)
            wrong = int(np.sum((turns_of(plain) != turns_of(acted)) & ends))
            print(f"           without resets, {wrong} of them would turn the wrong way")
    bits = "the same bits" if same else "OTHER BITS"
    print(f"acting step by step, each rollout in one call: {bits}")
    return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main())
