from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import fsspec
import pytest

from volano.core.errors import (
    ConfigError,
    MissingExtraError,
    StoreError,
    UnknownNameError,
    UserError,
)
from volano.core.nouns import Dataset, Model, Report
from volano.store.artifacts import ArtifactStore

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Start = Callable[..., subprocess.Popen[str]]


def keep(
    store: ArtifactStore,
    content: bytes = b"1",
    *,
    card: dict[str, object] | None = None,
    seconds: str = "1",
) -> Model:
    with store.draft() as draft:
        (draft / "weights").mkdir()
        (draft / "weights" / "权重.bin").write_bytes(content)
        (draft / "timings.json").write_text(seconds, "utf-8")
        return store.keep(Model, draft, card or {}, outside=frozenset({"timings.json", "log.txt"}))


def test_what_was_kept_is_opened_by_hash_and_by_prefix(store: ArtifactStore) -> None:
    kept = keep(store, card={"learner": "linear", "说明": "第一个"})
    for name in (kept.hash, kept.short, kept.hash[:5]):
        opened = store.open(Model, name)
        assert opened == kept
        assert opened.card == {"learner": "linear", "说明": "第一个"}
        assert (opened.folder / "weights" / "权重.bin").read_bytes() == b"1"
    assert store.verify() == ()


def test_the_same_content_has_the_same_name_whatever_card_and_timings_say(
    store: ArtifactStore,
) -> None:
    first = keep(store, card={"at": 1}, seconds="1")
    second = keep(store, card={"at": 2}, seconds="2")
    assert second == first
    assert second.card == {"at": 1}
    assert keep(store, b"2").hash != first.hash
    assert len(store.list(Model)) == 2


def test_the_noun_is_part_of_the_name(store: ArtifactStore) -> None:
    hashes = set()
    for noun in (Dataset, Model, Report):
        with store.draft() as draft:
            (draft / "rows").write_bytes(b"same")
            hashes.add(store.keep(noun, draft, {}).hash)
    assert len(hashes) == 3


def test_the_list_is_newest_first_and_per_noun(store: ArtifactStore) -> None:
    kept = []
    for content in (b"1", b"2", b"3"):
        kept.append(keep(store, content, card={"n": content.decode()}))
        time.sleep(0.002)
    assert store.list(Model) == tuple(reversed(kept))
    assert [model.card["n"] for model in store.list(Model)] == ["3", "2", "1"]
    assert store.list(Dataset) == ()


def test_a_draft_that_is_not_kept_is_gone(store: ArtifactStore) -> None:
    with pytest.raises(RuntimeError, match="stop"), store.draft() as draft:
        (draft / "weights.bin").write_bytes(b"1")
        raise RuntimeError("stop")
    assert not draft.exists()
    assert not list(draft.parent.iterdir())
    assert store.list(Model) == ()


def test_an_unknown_name_suggests_the_nearest(store: ArtifactStore) -> None:
    kept = keep(store)
    wrong = kept.short[:-1] + ("0" if kept.short[-1] != "0" else "1")
    with pytest.raises(UnknownNameError) as caught:
        store.open(Model, wrong)
    assert kept.short in caught.value.fix
    with pytest.raises(StoreError, match="not in the store"):
        store.open(Model, "0" * 64)
    with pytest.raises(UnknownNameError):
        store.open(Model, "")


def test_a_prefix_of_two_is_refused(local: ArtifactStore) -> None:
    kept = [keep(local, str(n).encode()) for n in range(17)]  # some two share a first digit
    shared = next(a.hash[0] for a in kept if sum(b.hash.startswith(a.hash[0]) for b in kept) > 1)
    with pytest.raises(UserError, match="start with"):
        local.open(Model, shared)


def test_a_damaged_file_is_named(local: ArtifactStore) -> None:
    kept = keep(local)
    damaged = kept.folder / "weights" / "权重.bin"
    damaged.write_bytes(b"x")
    with pytest.raises(StoreError, match="'weights/权重.bin' .* is damaged") as caught:
        local.open(Model, kept.short)
    assert caught.value.where == str(damaged)
    assert caught.value.fix
    faults = local.verify()
    assert [(fault.kind, fault.path) for fault in faults] == [("damaged", str(damaged))]
    damaged.unlink()
    with pytest.raises(StoreError, match="is missing"):
        local.open(Model, kept.short)


def test_a_damaged_artifact_hides_no_other_from_the_list(local: ArtifactStore) -> None:
    whole, no_manifest, no_card = (keep(local, content) for content in (b"1", b"2", b"3"))
    (no_manifest.folder / "manifest.json").write_text("x", "utf-8")
    (no_card.folder / "card.json").write_text("x", "utf-8")
    assert local.list(Model) == (whole,)
    assert [fault.kind for fault in local.verify()] == ["damaged", "damaged"]


@pytest.mark.parametrize("name", ["timings.json", "card.json"])
def test_files_outside_the_name_are_verified_too(local: ArtifactStore, name: str) -> None:
    kept = keep(local)
    (kept.folder / name).write_text("{}", "utf-8")
    with pytest.raises(StoreError, match=name):
        local.open(Model, kept.short)


def test_a_changed_manifest_is_found(local: ArtifactStore) -> None:
    kept = keep(local)
    manifest = kept.folder / "manifest.json"
    body = json.loads(manifest.read_bytes())
    del body["files"]["weights/权重.bin"]
    manifest.write_text(json.dumps(body), "utf-8")
    with pytest.raises(StoreError, match="describes another artifact"):
        local.open(Model, kept.short)
    manifest.write_bytes(b"{")
    with pytest.raises(StoreError, match="damaged"):
        local.open(Model, kept.short)
    assert [fault.kind for fault in local.verify()] == ["damaged"]


@pytest.mark.parametrize("name", ["../escaped", "/etc/hosts", "a/../../b", "C:/x", "a\\b"])
def test_a_manifest_cannot_name_a_file_outside_its_folder(local: ArtifactStore, name: str) -> None:
    kept = keep(local)
    manifest = kept.folder / "manifest.json"
    body = json.loads(manifest.read_bytes())
    body["files"][name] = "0" * 64
    manifest.write_text(json.dumps(body), "utf-8")
    with pytest.raises(StoreError, match="outside the artifact"):
        local.open(Model, kept.short)


def test_a_newer_format_is_refused_with_the_reason_and_left_alone(local: ArtifactStore) -> None:
    kept = keep(local)
    manifest = kept.folder / "manifest.json"
    body = json.loads(manifest.read_bytes())
    manifest.write_text(json.dumps({**body, "format": 2}), "utf-8")
    with pytest.raises(StoreError, match="format 2; this volano reads up to 1") as caught:
        local.open(Model, kept.short)
    assert "upgrade" in caught.value.fix
    assert [fault.kind for fault in local.verify()] == ["newer"]
    keep(local)
    assert json.loads(manifest.read_bytes())["format"] == 2


def test_keeping_again_mends_a_damaged_artifact(store: ArtifactStore, tmp_path: Path) -> None:
    kept = keep(store)
    (kept.folder / "weights" / "权重.bin").write_bytes(b"x")
    assert keep(store) == kept
    assert store.open(Model, kept.short) == kept
    assert store.verify() == ()


def test_only_a_whole_draft_of_this_store_can_be_kept(local: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="only a draft"):
        local.keep(Model, tmp_path, {})
    with local.draft() as draft, pytest.raises(StoreError, match="no file that tells"):
        local.keep(Model, draft, {})
    with local.draft() as draft:
        (draft / "card.json").write_text("{}", "utf-8")
        with pytest.raises(StoreError, match="already holds 'card.json'"):
            local.keep(Model, draft, {})
    with local.draft() as draft:
        (draft / "away").symlink_to(tmp_path)
        with pytest.raises(StoreError, match="is a link"):
            local.keep(Model, draft, {})
    with local.draft() as draft:
        (draft / "rows").write_bytes(b"1")
        with pytest.raises(ValueError, match="JSON compliant"):
            local.keep(Model, draft, {"loss": float("nan")})
    assert local.verify() == ()


def test_the_doctor_names_strangers(local: ArtifactStore, tmp_path: Path) -> None:
    kept = keep(local)
    for name in ("notes.txt", "model/old", "model/aa/bb"):
        path = tmp_path / "artifacts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("?", "utf-8")
    (kept.folder / "extra.txt").write_text("?", "utf-8")
    faults = local.verify()
    assert {fault.kind for fault in faults} == {"unknown"}
    assert len(faults) == 4
    assert local.open(Model, kept.short) == kept


def test_a_remote_artifact_is_fetched_once_and_the_copy_is_verified(tmp_path: Path) -> None:
    url = f"memory://{tmp_path.name}-fetched"
    kept = keep(ArtifactStore(url, tmp_path / "one"), card={"learner": "linear"})
    elsewhere = ArtifactStore(url, tmp_path / "two")
    assert [model.card for model in elsewhere.list(Model)] == [{"learner": "linear"}]
    opened = elsewhere.open(Model, kept.short)
    copy = opened.folder / "weights" / "权重.bin"
    assert copy.read_bytes() == b"1"
    assert copy.is_relative_to(tmp_path / "two")
    copy.write_bytes(b"damaged here")
    assert (elsewhere.open(Model, kept.short).folder / "weights" / "权重.bin").read_bytes() == b"1"


def test_damage_at_the_remote_place_is_named_and_mended(tmp_path: Path) -> None:
    url = f"memory://{tmp_path.name}-damaged"
    store = ArtifactStore(url, tmp_path / "one")
    kept = keep(store)
    memory = fsspec.filesystem("memory")
    path = f"/{tmp_path.name}-damaged/model/{kept.hash[:2]}/{kept.hash}/weights/权重.bin"
    memory.pipe_file(path, b"x")
    elsewhere = ArtifactStore(url, tmp_path / "two")
    with pytest.raises(StoreError, match="'weights/权重.bin' .* is damaged") as caught:
        elsewhere.open(Model, kept.short)
    assert caught.value.where == path
    assert [fault.kind for fault in elsewhere.verify()] == ["damaged"]
    memory.rm_file(path)
    with pytest.raises(StoreError, match="is missing"):
        elsewhere.open(Model, kept.short)
    keep(store)
    assert elsewhere.open(Model, kept.short) == kept.__class__(
        kept.hash, elsewhere.open(Model, kept.short).folder
    )


def test_an_upload_without_its_manifest_is_not_there(tmp_path: Path) -> None:
    url = f"memory://{tmp_path.name}-half"
    kept = keep(ArtifactStore(url, tmp_path / "one"))
    root = f"/{tmp_path.name}-half/model/{kept.hash[:2]}/{kept.hash}"
    fsspec.filesystem("memory").rm_file(f"{root}/manifest.json")
    elsewhere = ArtifactStore(url, tmp_path / "two")
    assert elsewhere.list(Model) == ()
    with pytest.raises(UnknownNameError):
        elsewhere.open(Model, kept.short)
    assert [(fault.kind, fault.path) for fault in elsewhere.verify()] == [("leftover", root)]


def test_a_place_that_fsspec_cannot_reach_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        ArtifactStore("nowhere://bucket", tmp_path)
    with pytest.raises(MissingExtraError) as caught:
        ArtifactStore("s3://bucket/tickets", tmp_path)
    assert "s3fs" in caught.value.fix


def test_a_file_url_is_a_local_folder(tmp_path: Path) -> None:
    kept = keep(ArtifactStore(f"file://{tmp_path}/artifacts", tmp_path / "cache"))
    assert kept.folder.is_relative_to(tmp_path / "artifacts")
    assert not (tmp_path / "cache").exists()


KEEP_UNTIL_KILLED = """
    import sys
    from pathlib import Path
    from volano.core.nouns import Model
    from volano.store.artifacts import ArtifactStore

    store = ArtifactStore(sys.argv[1], Path(sys.argv[2]))
    print("ready", flush=True)
    n = 0
    while True:
        with store.draft() as draft:
            for part in range(20):
                (draft / f"{part}.bin").write_bytes(f"{sys.argv[3]}-{n}-{part}".encode() * 5000)
            store.keep(Model, draft, {"n": n})
        n += 1
"""


@pytest.mark.parametrize("delay", [0.0, 0.013, 0.037, 0.071, 0.11])
def test_a_kill_in_the_middle_of_keeping_leaves_no_half_artifact(
    tmp_path: Path, start: Start, delay: float
) -> None:
    root, cache = tmp_path / "artifacts", tmp_path / "cache"
    with start(KEEP_UNTIL_KILLED, root, cache, delay) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.02 + delay)
        process.kill()
    store = ArtifactStore(str(root), cache)
    assert {fault.kind for fault in store.verify()} <= {"leftover"}
    for model in store.list(Model):
        assert store.open(Model, model.hash).card["n"] >= 0
    store.sweep()
    assert store.verify() == ()
    assert not list((root / ".drafts").glob("*/"))


def test_the_next_draft_removes_what_a_killed_process_left_but_not_a_living_one(
    tmp_path: Path, start: Start
) -> None:
    root, cache = tmp_path / "artifacts", tmp_path / "cache"
    code = """
        import sys
        from pathlib import Path
        from volano.store.artifacts import ArtifactStore

        with ArtifactStore(sys.argv[1], Path(sys.argv[2])).draft() as draft:
            (draft / "half").write_bytes(b"1")
            print(draft, flush=True)
            sys.stdin.read()
    """
    store = ArtifactStore(str(root), cache)
    with start(code, root, cache) as dying, start(code, root, cache) as living:
        assert dying.stdout is not None
        assert living.stdout is not None
        half = root / ".drafts" / dying.stdout.readline().strip().rpartition("/")[2]
        other = root / ".drafts" / living.stdout.readline().strip().rpartition("/")[2]
        dying.kill()
        dying.wait()
        assert [(fault.kind, fault.path) for fault in store.verify()] == [("leftover", str(half))]
        with store.draft() as draft:
            assert draft.is_dir()
            assert not half.exists()
            assert other.is_dir()
        assert living.stdin is not None
        living.stdin.close()
        assert living.wait() == 0
    assert store.verify() == ()


def test_two_processes_keeping_the_same_thing_both_get_it(tmp_path: Path, start: Start) -> None:
    code = """
        import sys
        from pathlib import Path
        from volano.core.nouns import Model
        from volano.store.artifacts import ArtifactStore

        store = ArtifactStore(sys.argv[1], Path(sys.argv[2]))
        sys.stdin.readline()
        for n in range(30):
            with store.draft() as draft:
                (draft / "same").write_bytes(str(n).encode())
                print(store.keep(Model, draft, {}).hash)
    """
    root, cache = tmp_path / "artifacts", tmp_path / "cache"
    with start(code, root, cache) as one, start(code, root, cache) as two:
        for process in (one, two):
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        first, second = one.communicate(), two.communicate()
    assert first == second
    assert first[1] == ""
    store = ArtifactStore(str(root), cache)
    assert len(store.list(Model)) == 30
    assert store.verify() == ()
