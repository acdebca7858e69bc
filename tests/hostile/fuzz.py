"""Coverage-guided fuzzing of one format: needs atheris (pip install atheris).

python tests/hostile/fuzz.py FORMAT SECONDS

Starts from honest files, changes them by bytes or by structure as tests/hostile/mutate.py does,
and keeps in build/fuzz what reaches new branches of the readers. Ends at the first file with which
a promise is not kept; that file stays in build/fuzz as well.
"""

import random
import resource
import sys
from pathlib import Path

import atheris

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "fuzz"
sys.path[:0] = [str(HERE), str(HERE.parent)]

with atheris.instrument_imports(include=["pylstm"]):
    import folders
    import judge
    import mutate
    import seeds

    # Readers are imported when a file needs them; an import while a file is judged counts as that
    # file's doing.
    for _format in seeds.FORMATS:
        for _content in seeds.seeds(_format):
            judge.open_all(_content, _format)

ADDRESS_SPACE = 4 << 30  # the fuzzer's own memory grows with what it has found
LARGEST = 100_000


def main(format, seconds):
    folder = BUILD / format
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for index, content in enumerate(seeds.seeds(format)):
        (corpus / f"seed-{index}").write_bytes(content)
    guard = judge.Guard(
        folder, timed=False
    )  # libFuzzer has a timer, for all that is done to a file

    def test(content):
        if format not in folders.FORMATS or folders.is_packed(content):
            judge.judge(guard, content, format)

    def change(content, most, seed):
        rng = random.Random(seed)
        if format in folders.FORMATS:
            made = (
                mutate.mutated(rng, format, bytes(content)) if folders.is_packed(content) else b""
            )
            return made if len(made) <= most else b""
        if rng.random() < 0.5:
            return atheris.Mutate(content, most)
        return mutate.mutated(rng, format, bytes(content))[:most]

    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + ADDRESS_SPACE,) * 2)
    options = [f"-max_total_time={seconds}", f"-max_len={LARGEST}", "-timeout=25", "-verbosity=0"]
    options += ["-print_final_stats=1", "-rss_limit_mb=4096", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], test, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:] == ["--formats"]:
        print(*seeds.FORMATS)
    else:
        main(*sys.argv[1:])
