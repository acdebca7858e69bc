"""Zip archives: what is read of them, and what no two readers could agree about is refused."""

import io
import zipfile
import zlib

import pytest
from weight_files import CountingFile, Entry, zip_archive

from pylstm import WeightFileError
from pylstm.files.base.source import open_source
from pylstm.files.base.zip_archive import InflatedSegment, ZipArchive

TEXT = bytes(range(256)) * 40


def opened(content):
    return ZipArchive(open_source(content))


def content_of(content, name):
    return opened(content).open(name).read()


def refused(content, name=None):
    """Return the text of the error that opening the archive, or one entry of it, raises."""
    with pytest.raises(WeightFileError) as caught:
        archive = opened(content)
        assert name is not None, "the archive was taken"
        archive.open(name).read()
    return str(caught.value)


@pytest.mark.parametrize("zip64", [False, True])
@pytest.mark.parametrize("deflated", [False, True])
def test_entries_are_read(zip64, deflated):
    entries = [
        Entry("first", TEXT, deflated=deflated, zip64=zip64),
        Entry("folder/é", b"", zip64=zip64),
    ]
    archive = opened(zip_archive(entries, zip64=zip64, comment=b"a comment"))
    assert list(archive.entries) == ["first", "folder/é"]
    assert archive.open("first").read() == TEXT
    assert archive.open("folder/é").read() == b""
    assert bytes(archive.open("first").view()) == TEXT


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_archives_of_pythons_own_writer(compression):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.comment = b"PK\5\6 is how the end of an archive begins, this is not it" * 3
        for index in range(20):
            archive.writestr(f"entry {index}", TEXT[index:])
    for index in range(20):
        assert content_of(file.getvalue(), f"entry {index}") == TEXT[index:]


def test_the_data_starts_where_the_local_header_says():
    padding = b"FB\x20\0" + b"Z" * 32
    assert content_of(zip_archive([Entry("a", TEXT, padding=padding)]), "a") == TEXT


def test_an_archive_without_entries():
    assert opened(zip_archive([])).entries == {}


def test_a_stored_entry_with_a_wrong_checksum_is_read():
    # torch writes such archives where its checksums are switched off.
    assert content_of(zip_archive([Entry("a", TEXT, crc=1)]), "a") == TEXT


def test_names_are_keys_and_never_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["../up", "/etc/passwd", "C:\\windows", "a//b", ""]
    archive = opened(zip_archive([Entry(name, name.encode()) for name in names]))
    assert [archive.open(name).read().decode() for name in names] == names
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("deflated", [False, True])
def test_cut_off_at_every_byte(deflated):
    content = zip_archive([Entry("a", b"abc" * 20, deflated=deflated), Entry("b", b"d")])
    for length in range(len(content)):
        assert refused(content[:length])


@pytest.mark.parametrize("zip64", [False, True])
def test_bytes_around_the_archive_are_refused(zip64):
    content = zip_archive([Entry("a", b"abc")], zip64=zip64)
    assert refused(b"junk" + content)
    assert refused(content + b"junk")


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": 3},
        {"count": 1},
        {"here": 1},
        {"count": 0xFFFF, "here": 0xFFFF},
        {"size": 10},
        {"size": 0xFFFFFFFF},
        {"offset": 0},
        {"offset": 0xFFFFFFFF},
    ],
)
def test_end_records_that_do_not_fit_the_archive(wrong):
    assert refused(zip_archive([Entry("a", b"abc"), Entry("b", b"d")], **wrong))


def test_two_end_records_that_disagree():
    entries = [Entry("a", b"abc")]
    short, long = zip_archive(entries), zip_archive(entries, zip64=True)
    assert "disagree" in refused(long[:-22] + short[-22:-12] + b"\7\0\0\0" + long[-8:])


@pytest.mark.parametrize(
    "entries",
    {
        "the same name": [Entry("a", b"abc"), Entry("a", b"def")],
        "the same bytes": [Entry("a", b"abc"), Entry("b", b"abc", start=0)],
        "one within another": [Entry("a", b"x" * 80, compressed=100, size=100), Entry("b", b"c")],
        "outside": [Entry("a", b"abc", compressed=1000, size=1000)],
        "behind the file": [Entry("a", b"abc", start=10**6)],
        "a size that no file has": [Entry("a", b"abc", zip64=True, compressed=2**63, size=2**63)],
        "no bytes for sizes": [Entry("a", b"abc", size=0xFFFFFFFF)],
        "another name in the local header": [Entry("a", b"abc", local_name=b"b")],
        "a name that is not UTF-8": [Entry("a", b"abc", raw_name=b"\xff")],
        "encrypted": [Entry("a", b"abc", flags=1)],
        "an unknown method": [Entry("a", b"abc", method=12)],
        "stored in other bytes": [Entry("a", b"abc", size=4)],
        "deflated to less": [Entry("a", TEXT, deflated=True, size=len(TEXT) + 1)],
        "deflated to more": [Entry("a", TEXT, deflated=True, size=len(TEXT) - 1)],
        "deflated to nothing": [Entry("a", TEXT, deflated=True, size=0)],
        "deflated with a wrong checksum": [Entry("a", TEXT, deflated=True, crc=1)],
        "not deflated at all": [Entry("a", b"\xff" * 50, method=8)],
        "a bomb": [Entry("a", b"\0" * 1000, deflated=True, size=10**9)],
    }.items(),
    ids=lambda pair: pair[0],
)
def test_entries_that_are_refused(entries):
    assert refused(zip_archive(entries[1]), "a")


def test_bytes_after_the_deflated_data():
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = packer.compress(TEXT) + packer.flush() + b"more"
    entry = Entry("a", raw, method=8, size=len(TEXT), crc=zlib.crc32(TEXT))
    assert "after its deflated data" in refused(zip_archive([entry]), "a")


def test_too_many_entries_for_the_size(monkeypatch):
    monkeypatch.setattr("pylstm.files.base.source.MOST_PARTS", 10)
    assert opened(zip_archive([Entry(str(index)) for index in range(10)])).entries
    assert "more than 19 parts" in refused(zip_archive([Entry(str(index)) for index in range(20)]))


def test_a_deflated_entry_is_read_in_any_order():
    segment = opened(zip_archive([Entry("a", TEXT, deflated=True)])).open("a")
    assert isinstance(segment, InflatedSegment)
    for start, stop in [(0, 10), (10, 10), (5000, 9000), (9000, len(TEXT)), (3, 7), (0, len(TEXT))]:
        piece = bytearray(stop - start)
        segment.readinto(start, memoryview(piece))
        assert piece == TEXT[start:stop]
    with pytest.raises(WeightFileError, match="has 10240 bytes"):
        segment.readinto(1, memoryview(bytearray(len(TEXT))))


def test_a_deflated_entry_that_expands_most():
    zeros = bytes(3_000_000)
    content = zip_archive([Entry("a", zeros, deflated=True)])
    assert len(content) < 4000
    assert content_of(content, "a") == zeros


def test_only_the_directory_is_read_to_open_an_archive():
    content = zip_archive([Entry("a", TEXT * 100), Entry("b", TEXT * 100)])
    file = CountingFile(io.BytesIO(content))
    archive = ZipArchive(open_source(file))
    assert file.count < 200
    archive.open("b").read()
    assert file.count < 300 + len(TEXT) * 100
