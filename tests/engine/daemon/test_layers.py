"""Layers: unpacked as they are, never outside their folder, made again byte for byte. Root, for owners and devices."""

from __future__ import annotations

import gzip
import os
import resource
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from engine.daemon.snapshots.layers import SMALL, Layer, Layers
from engine.daemon.snapshots.recipe import HEAD, all_records
from engine.daemon.snapshots.tarread import TarFault
from engine.daemon.store.records import RecordStore
from tests.engine.daemon.tars import digest, folder, hard, in_pieces, link, member, tar_of

pytestmark = pytest.mark.root


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RecordStore]:
    store = RecordStore(tmp_path / "records.db")
    yield store
    store.close()


@pytest.fixture(params=[SMALL, 1], ids=["here", "apart"])
def layers(request: pytest.FixtureRequest, tmp_path: Path, store: RecordStore) -> Layers:
    """Unpacked by the test's own process, and by processes of their own."""
    return Layers(tmp_path / "layers", store, apart_from=request.param)


def added(layers: Layers, tar: bytes, parent: str = "", *, pieces: int = 777) -> tuple[Layer, Path]:
    fresh = layers.unpack(in_pieces(tar, pieces))
    layer = layers.append(parent, fresh)
    layers.discard(fresh)
    return layer, layers.root / layer.folder


def test_a_layer_is_unpacked_as_the_tar_has_it(layers: Layers) -> None:
    tar = tar_of(
        folder("etc", mode=0o750, uid=7, gid=8),
        member(
            "etc/passwd", content=b"root\n", mode=0o4640, uid=3, gid=4, pax_headers={"SCHILY.xattr.user.note": "hi"}
        ),
        link("etc/alias", "/absolute/nowhere"),
        hard("etc/again", "etc/passwd"),
        member("pipe", tarfile.FIFOTYPE),
        member("null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        member("moment", content=b"x", pax_headers={"mtime": "1700000000.123456789"}),
    )
    layer, root = added(layers, tar)
    passwd = (root / "etc/passwd").lstat()
    assert (stat.S_IMODE(passwd.st_mode), passwd.st_uid, passwd.st_gid, passwd.st_nlink) == (0o4640, 3, 4, 2)
    assert os.getxattr(root / "etc/passwd", "user.note") == b"hi"
    assert (stat.S_IMODE((root / "etc").lstat().st_mode), (root / "etc").lstat().st_mtime) == (0o750, 1_700_000_000)
    assert os.readlink(root / "etc/alias") == "/absolute/nowhere"
    assert stat.S_ISFIFO((root / "pipe").lstat().st_mode)
    assert (root / "null").lstat().st_rdev == os.makedev(1, 3)
    assert (root / "moment").lstat().st_mtime_ns == 1_700_000_000_123_456_789
    assert layer.diff_id == digest(tar)


@pytest.mark.parametrize(
    "pack", [gzip.compress, zstandard.ZstdCompressor().compress, bytes], ids=["gzip", "zstd", "plain"]
)
@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_the_same_tar_comes_out_that_went_in(layers: Layers, pack: type[bytes], format: int) -> None:
    long = "deep/" * 18 + "name"
    tar = tar_of(
        folder("deep"),
        member(long, content=os.urandom(70_000)),
        member("zeros", content=bytes(300_000)),
        member("b", content=b"1"),
        member("b", content=b"22"),
        member("empty"),
        format=format,
    ) + bytes(4096)
    layer = layers.append("", layers.unpack(in_pieces(pack(tar), 50_000)))
    assert layer.diff_id == digest(tar)
    assert b"".join(layers.tar(layer.chain_id)) == tar
    assert layers.tar_size(layer.chain_id) == len(tar)


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_names_longer_than_a_header_are_whole(layers: Layers, format: int) -> None:
    name = "/".join(["x" * 90] * 5)
    _, root = added(layers, tar_of(member(name, content=b"found"), link("l", "y" * 300), format=format))
    assert (root / name).read_bytes() == b"found"
    assert os.readlink(root / "l") == "y" * 300


def test_long_runs_of_zeros_become_holes(layers: Layers) -> None:
    tar = tar_of(member("disk", content=b"a" + bytes(8 << 20) + b"z" + bytes(1 << 20)))
    _, root = added(layers, tar, pieces=1 << 16)
    status = (root / "disk").stat()
    assert status.st_size == (9 << 20) + 2
    assert status.st_blocks * 512 < 2 << 20


@pytest.mark.parametrize("version", ["0.0", "0.1", "1.0", "old"])
def test_sparse_files_of_gnu_tar_are_restored(layers: Layers, tmp_path: Path, version: str) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        for offset in range(0, 40 << 20, 1 << 20):
            file.seek(offset)
            file.write(os.urandom(5000))
        file.truncate(50 << 20)
    kind = ["--format=gnu"] if version == "old" else ["--format=pax", f"--sparse-version={version}"]
    made = subprocess.run(["tar", "-S", *kind, "-C", tmp_path, "-cf", "-", "sparse"], check=True, capture_output=True)
    layer, root = added(layers, made.stdout)
    assert (root / "sparse").read_bytes() == (tmp_path / "sparse").read_bytes()
    assert (root / "sparse").stat().st_blocks * 512 < 4 << 20
    assert b"".join(layers.tar(layer.chain_id)) == made.stdout


def test_whiteouts_become_what_overlayfs_reads(layers: Layers) -> None:
    base, _ = added(layers, tar_of(folder("a"), member("a/old", content=b"1"), folder("b"), member("gone")))
    tar = tar_of(
        member(".wh.gone"), folder("b"), member("b/.wh..wh..opq"), folder("a"), member("a/.wh.old"), member("a/new")
    )
    _, root = added(layers, tar, base.chain_id)
    for name in ("gone", "a/old"):
        status = (root / name).lstat()
        assert stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
    assert os.getxattr(root / "b", "trusted.overlay.opaque") == b"y"


def test_a_folder_that_replaces_one_below_hides_it(layers: Layers) -> None:
    base, _ = added(layers, tar_of(folder("a"), member("a/old")))
    for tar in (tar_of(member(".wh.a"), folder("a")), tar_of(folder("a"), member(".wh.a"))):
        _, root = added(layers, tar, base.chain_id)
        assert os.getxattr(root / "a", "trusted.overlay.opaque") == b"y"


def test_folders_that_a_layer_only_implies_are_as_the_parent_has_them(layers: Layers) -> None:
    base, _ = added(layers, tar_of(folder("./", mode=0o711), folder("tmp", mode=0o1777), folder("srv", uid=9)))
    _, root = added(layers, tar_of(member("tmp/x"), member("srv/y"), member("new/z")), base.chain_id)
    assert stat.S_IMODE(root.stat().st_mode) == 0o711
    assert stat.S_IMODE((root / "tmp").stat().st_mode) == 0o1777
    assert (root / "srv").stat().st_uid == 9
    assert stat.S_IMODE((root / "new").stat().st_mode) == 0o755


def test_a_hard_link_to_a_lower_layers_file_has_its_content(layers: Layers) -> None:
    base, _ = added(layers, tar_of(member("tool", content=b"#!", mode=0o755)))
    _, root = added(layers, tar_of(hard("alias", "tool")), base.chain_id)
    assert (root / "alias").read_bytes() == b"#!"
    assert stat.S_IMODE((root / "alias").stat().st_mode) == 0o755


HOSTILE = {
    "dots": tar_of(member("../evil", content=b"x")),
    "dots within": tar_of(member("a/../../evil", content=b"x")),
    "hard link out": tar_of(hard("a", "../../evil")),
    "hard link to nothing": tar_of(hard("a", "nowhere")),
    "whiteout of the folder above": tar_of(member("a/.wh...", content=b"")),
    "device that is a whiteout": tar_of(member("a", tarfile.CHRTYPE, devmajor=0, devminor=0)),
    "cut off": tar_of(member("a", content=bytes(2000)))[:1500],
    "cut off in a header": tar_of(member("a", content=bytes(2000)))[:300],
    "wrong checksum": b"x" + tar_of(member("a"))[1:],
    "no tar": b"hello, world" * 100,
    "gzip cut off": gzip.compress(tar_of(member("a", content=os.urandom(5000))))[:2000],
    "gzip damaged": gzip.compress(tar_of(member("a")))[:30] + b"garbage" * 20,
}


@pytest.mark.parametrize("tar", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_or_damaged_layer_is_refused_and_leaves_nothing(layers: Layers, tar: bytes) -> None:
    with pytest.raises(TarFault):
        added(layers, tar)
    assert list(layers.root.parent.rglob("evil")) == []


def test_links_cannot_lead_out_of_the_layer(layers: Layers, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    tar = tar_of(
        link("way", str(outside)),
        member("way/file", content=b"x"),
        link("up", "../../../../../../../../.." + str(outside)),
        member("up/file", content=b"x"),
        link("file", str(outside / "file")),
        member("file", content=b"x"),
    )
    _, root = added(layers, tar)
    assert list(outside.iterdir()) == []
    assert (root / "file").read_bytes() == b"x" and not (root / "file").is_symlink()


def test_what_would_speak_to_overlayfs_is_left_out(layers: Layers) -> None:
    headers = {"SCHILY.xattr.trusted.overlay.redirect": "/etc", "SCHILY.xattr.user.overlay.opaque": "y"}
    _, root = added(layers, tar_of(folder("a", pax_headers=headers), member("b", pax_headers=headers)))
    assert os.listxattr(root / "a") == os.listxattr(root / "b") == []


def test_a_bomb_of_zeros_is_never_held_whole(layers: Layers) -> None:
    tar = tar_of(member("zeros", content=bytes(400 << 20)))
    packed = gzip.compress(tar, 9)
    del tar
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, root = added(layers, packed, pieces=1 << 16)
    assert (root / "zeros").stat().st_size == 400 << 20
    assert (root / "zeros").stat().st_blocks * 512 < 4 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 << 10


def test_equal_layers_lie_on_the_disk_once(layers: Layers) -> None:
    first, second = tar_of(member("a", content=b"1")), tar_of(member("b", content=b"2"))
    one, _ = added(layers, first)
    two, _ = added(layers, second, one.chain_id)
    other, _ = added(layers, second)
    assert other.chain_id != two.chain_id and other.folder == two.folder
    assert len([path for path in layers.root.iterdir() if path.is_dir()]) == 2


def put_on(layers: Layers, way: str, tar: bytes, parent: str) -> Path:
    """Over a parent: unpacked anew, or from what another chain has."""
    if way == "fresh":
        return added(layers, tar, parent)[1]
    known = layers.append_known(parent, digest(tar))
    assert known is not None
    return layers.root / known.folder


@pytest.mark.parametrize("way", ["fresh", "known"])
def test_a_folder_that_equal_layers_only_imply_is_as_each_of_their_parents_has_it(layers: Layers, way: str) -> None:
    top = tar_of(member("etc/new", content=b"1"))
    parents = [
        added(layers, tar_of(folder("etc", mode=0o700, uid=5)))[0],
        added(layers, tar_of(folder("etc", mode=0o755)))[0],
        added(layers, tar_of(folder("etc", mode=0o755, mtime=1_600_000_000)))[0],
        added(layers, tar_of(folder("etc", mode=0o755, pax_headers={"SCHILY.xattr.user.note": "hi"})))[0],
        added(layers, tar_of(folder("./", mode=0o711), folder("etc")))[0],
        added(layers, tar_of(folder("other")))[0],
    ]
    roots = [added(layers, top, parents[0].chain_id)[1]]
    roots += [put_on(layers, way, top, parent.chain_id) for parent in parents[1:]]
    manners = [(found.st_uid, stat.S_IMODE(found.st_mode)) for found in [(root / "etc").lstat() for root in roots]]
    assert manners == [(5, 0o700), *[(0, 0o755)] * 5]
    assert (roots[2] / "etc").lstat().st_mtime == 1_600_000_000
    assert [os.listxattr(root / "etc") for root in roots] == [[], [], [], ["user.note"], [], []]
    assert stat.S_IMODE(roots[4].lstat().st_mode) == 0o711
    assert len(set(roots)) == 5 and roots[5] == roots[1], "as a folder is that nobody below has"
    same = added(layers, tar_of(folder("etc", mode=0o755), member("unlike", content=b"2")))[0]
    assert put_on(layers, way, top, same.chain_id) == roots[1]


@pytest.mark.parametrize("way", ["fresh", "known"])
def test_equal_layers_that_link_to_lower_files_have_those_of_their_own_parents(layers: Layers, way: str) -> None:
    top = tar_of(hard("again", "file"), folder("own"), member("own/file", content=b"3"))
    one, _ = added(layers, tar_of(member("file", content=b"one")))
    other, _ = added(layers, tar_of(member("file", content=b"other")))
    _, first = added(layers, top, one.chain_id)
    second = put_on(layers, way, top, other.chain_id)
    assert [(first / "again").read_bytes(), (second / "again").read_bytes()] == [b"one", b"other"]
    empty, _ = added(layers, tar_of(member("nothing")))
    with pytest.raises(TarFault, match="not there"):
        put_on(layers, way, top, empty.chain_id)
    assert layers.strays() == []


def test_a_layer_of_an_engine_that_did_not_note_what_it_borrowed_is_not_shared(layers: Layers) -> None:
    one, other = added(layers, tar_of(member("a")))[0], added(layers, tar_of(member("b")))[0]
    top = tar_of(member("c", content=b"3"))
    _, first = added(layers, top, one.chain_id)
    plain = [record for record in all_records(first.with_suffix(".recipe")) if record[0] in b"HF"]
    packed = gzip.compress(b"".join(HEAD.pack(kind, len(content), size) + content for kind, content, size in plain))
    first.with_suffix(".recipe").write_bytes(packed)
    second = put_on(layers, "known", top, other.chain_id)
    assert second != first and (second / "c").read_bytes() == b"3"


def test_a_folder_that_was_implied_and_then_replaced_by_a_file_borrows_nothing(layers: Layers) -> None:
    base, _ = added(layers, tar_of(folder("a", mode=0o700)))
    _, root = added(layers, tar_of(member("a/b", content=b"1"), member("a", content=b"2")), base.chain_id)
    assert (root / "a").read_bytes() == b"2"


def test_a_layer_that_a_chain_has_twice_is_mounted_once_where_it_is_on_top(layers: Layers) -> None:
    first, second = tar_of(member("a", content=b"1")), tar_of(member("a", content=b"2"))
    one, upper = added(layers, first)
    two, between = added(layers, second, one.chain_id)
    three, _ = added(layers, first, two.chain_id)
    assert layers.folders(three.chain_id) == [upper, between]
    assert [layer.diff_id for layer in layers.chain(three.chain_id)] == [one.diff_id, two.diff_id, one.diff_id]


def test_unused_layers_go_and_used_ones_stay(layers: Layers) -> None:
    one, _ = added(layers, tar_of(member("a", content=b"1")))
    two, _ = added(layers, tar_of(member("b", content=b"22")), one.chain_id)
    three, root = added(layers, tar_of(member("c", content=b"333")), two.chain_id)
    gone = layers.forget_unused({two.chain_id})
    assert [layer.chain_id for layer in gone] == [three.chain_id]
    assert layers.sweep(gone) == 3
    assert not root.exists() and layers.has(one.chain_id) and layers.has(two.chain_id)


def test_what_a_killed_daemon_was_unpacking_goes_at_the_next_start(layers: Layers, store: RecordStore) -> None:
    kept, root = added(layers, tar_of(member("a", content=b"1")))
    stray = layers.unpack(in_pieces(tar_of(member("b", content=b"2"))))
    again = Layers(layers.root, store)
    assert not (again.root / stray.folder).exists()
    assert again.get(kept.chain_id) == kept and root.exists()
    assert b"".join(again.tar(kept.chain_id))


def test_a_layer_that_was_changed_on_the_disk_is_not_given_out(layers: Layers) -> None:
    layer, root = added(layers, tar_of(member("a", content=b"good")))
    (root / "a").write_bytes(b"evil")
    with pytest.raises(Exception, match="changed on the disk"):
        b"".join(layers.tar(layer.chain_id))


def test_a_layer_that_a_loss_of_power_tore_is_gone_and_a_whole_one_stays(tmp_path: Path, store: RecordStore) -> None:
    layers = Layers(tmp_path / "layers", store, boot="first")
    torn, place = added(layers, tar_of(member("file", content=b"whole")))
    whole, _ = added(layers, tar_of(member("other", content=b"whole too")))
    synced, _ = added(layers, tar_of(member("third", content=b"and this")))
    store.delete("layer-unsynced", synced.folder)
    above, _ = added(layers, tar_of(member("above", content=b"x")), torn.chain_id)
    (place / "file").write_bytes(b"")
    # The same boot: only the daemon ended, and the page cache has it all.
    assert len(Layers(tmp_path / "layers", store, boot="first").all()) == 4
    again = Layers(tmp_path / "layers", store, boot="second")
    assert {layer.chain_id for layer in again.all()} == {whole.chain_id, synced.chain_id, above.chain_id}
    assert store.list("layer-unsynced") == {}
    assert not place.exists()
    restored, _ = added(again, tar_of(member("file", content=b"whole")))
    assert restored.chain_id == torn.chain_id and again.folders(above.chain_id)[1] == again.root / restored.folder
    again.sync()
    assert store.list("layer-unsynced") == {}
