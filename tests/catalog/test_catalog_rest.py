"""Snapshots, key pairs, client tokens, uploads, sessions and the audit log."""

from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from catalog_records import (
    ANNA,
    BERT,
    HERE,
    NOW,
    THERE,
    a_disk,
    a_key,
    a_root,
    a_session,
    a_snapshot,
    a_token,
    an_audit_entry,
    an_image,
    an_instance,
    an_upload,
    join,
    join_in,
)
from undone import undone

from linocut.catalog import AuditQuery, Catalog
from linocut.model.errors import KeyNameTaken, LostRace, PublicKeyTaken
from linocut.model.ids import KeyId, SnapshotId
from linocut.model.records import AuditEntry, SnapshotCopy, Tag
from linocut.model.states import SNAPSHOT_MOVES, SnapshotState


@pytest.mark.parametrize(("before", "after"), list(product(SnapshotState, [SnapshotState.NORMAL])))
def test_a_snapshot_is_finished_once(lasting_catalog: Catalog, before: SnapshotState, after: SnapshotState) -> None:
    snapshot = a_snapshot(state=before, root=None, percent=0)
    with undone(lasting_catalog) as tx:
        join_in(tx, ANNA)
        tx.snapshots.add(snapshot)
        if after in SNAPSHOT_MOVES[before]:
            tx.snapshots.finish(snapshot.snapshot_id, a_root("d"), 5)
            done = replace(snapshot, state=after, root=a_root("d"), size_bytes=5, percent=100)
            assert tx.snapshots.get(snapshot.snapshot_id) == done
        else:
            with pytest.raises(LostRace):
                tx.snapshots.finish(snapshot.snapshot_id, a_root("d"), 5)
            assert tx.snapshots.get(snapshot.snapshot_id) == snapshot


def test_a_snapshot_is_not_removed_while_an_image_is_made_of_it(catalog: Catalog) -> None:
    used, free = a_snapshot(), a_snapshot()
    image = an_image()
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.snapshots.add(used)
        tx.snapshots.add(free)
        tx.images.add(image, [used.snapshot_id])

    with pytest.raises(LostRace), catalog.begin() as tx:
        tx.snapshots.remove([free.snapshot_id, used.snapshot_id])
    with catalog.begin() as tx:
        assert tx.snapshots.get(free.snapshot_id) == free
        tx.images.remove(image)
        tx.snapshots.remove([free.snapshot_id, used.snapshot_id, SnapshotId("snap-zzzzzzzz")])
        assert tx.snapshots.get(used.snapshot_id) is None


def test_every_tree_that_a_snapshot_or_a_disk_of_the_region_needs_is_live(catalog: Catalog) -> None:
    here, there = an_instance(), an_instance(region=THERE)
    join(catalog, ANNA, BERT)
    with catalog.begin() as tx:
        tx.snapshots.add(a_snapshot(root=a_root("1")))
        tx.snapshots.add(a_snapshot(BERT, root=a_root("2")))
        tx.snapshots.add(a_snapshot(root=None, state=SnapshotState.CREATING))
        tx.snapshots.add(a_snapshot(root=a_root("3"), region=THERE))
        tx.instances.add_all([here, there])
        tx.disks.add_all([a_disk(here, base_root=a_root("4"), synced_root=a_root("5")), a_disk(here, base_root=None)])
        tx.disks.add_all([a_disk(there, base_root=a_root("6"), synced_root=a_root("1"))])
        coming = a_snapshot(root=None, state=SnapshotState.CREATING, region=THERE)
        tx.snapshots.add(coming)
        gone = SnapshotId("snap-00000000")
        tx.snapshot_copies.add(SnapshotCopy(coming.snapshot_id, THERE, gone, HERE, a_root("7"), "request", NOW))

    with catalog.read() as tx:
        assert tx.snapshots.live_roots(HERE) == {a_root(digit) for digit in "12457"}
        assert tx.snapshots.live_roots(THERE) == {a_root(digit) for digit in "3617"}
        for region in (HERE, THERE):
            held = [holder.roots for holder in tx.tree_holders.of(region)]
            assert frozenset().union(*held) == tx.snapshots.live_roots(region)


def test_the_snapshots_of_an_account_are_listed_oldest_first(catalog: Catalog) -> None:
    young, old = a_snapshot(), a_snapshot(created_at=NOW - timedelta(hours=1))
    join(catalog, ANNA, BERT)
    with catalog.begin() as tx:
        for snapshot in (young, old, a_snapshot(BERT), a_snapshot(region=THERE)):
            tx.snapshots.add(snapshot)

    with catalog.read() as tx:
        assert tx.snapshots.owned(ANNA, HERE) == (old, young)


def test_a_key_name_and_a_public_key_are_taken_once_by_each_account(catalog: Catalog) -> None:
    key = a_key(name="Work", public_key="ssh-rsa " + "A" * 9000)
    join(catalog, ANNA, BERT)
    with catalog.begin() as tx:
        tx.keys.add(key)
        with pytest.raises(KeyNameTaken):
            tx.keys.add(a_key(name="Work"))
        with pytest.raises(PublicKeyTaken):
            tx.keys.add(a_key(public_key=key.public_key))
        with pytest.raises(LostRace):
            tx.keys.add(a_key(key_id=key.key_id))
        tx.keys.add(a_key(name="work"))
        tx.keys.add(a_key(BERT, name="Work", public_key=key.public_key))

    with catalog.read() as tx:
        assert tx.keys.count(ANNA) == 2
        assert tx.keys.count(BERT) == 1


def test_key_pairs_are_filtered_and_paged_newest_first(catalog: Catalog) -> None:
    keys = [a_key(name=name, created_at=NOW + timedelta(hours=hour)) for hour, name in enumerate(["alpha", "beta", "Alphabet"])]
    keys.append(a_key(name="other", project_id=7, created_at=NOW - timedelta(hours=1), tags=(Tag("team", "b"),)))
    join(catalog, ANNA, BERT)
    with catalog.begin() as tx:
        for key in (*keys, a_key(BERT, name="alpha")):
            tx.keys.add(key)

    alpha, beta, alphabet, other = keys
    with catalog.read() as tx:
        assert tx.keys.list(ANNA).items == (alphabet, beta, alpha, other)
        assert tx.keys.list(ANNA, names=("ALPHA",)).items == (alphabet, alpha)
        assert tx.keys.list(ANNA, names=("%",)).items == ()
        assert tx.keys.list(ANNA, project_ids=(7,)).items == (other,)
        assert tx.keys.list(ANNA, tags={"team": ("b", "c")}).items == (other,)
        assert tx.keys.list(ANNA, tag_keys=("team",), tag_values=("a",)).total == 3
        assert tx.keys.list(ANNA, ids=(beta.key_id,)).items == (beta,)
        assert tx.keys.list(ANNA, ids=()).items == ()
        page = tx.keys.list(ANNA, offset=1, limit=2)
        assert (page.items, page.total) == ((beta, alpha), 4)


def test_a_foreign_account_sees_nothing_of_a_key_pair(catalog: Catalog) -> None:
    key, second = a_key(ANNA), a_key(ANNA)
    join(catalog, ANNA, BERT)
    with catalog.begin() as tx:
        tx.keys.add(key)
        tx.keys.add(second)

    with catalog.read() as tx:
        assert tx.keys.get(ANNA, key.key_id) == key
        assert tx.keys.owned(ANNA, [second.key_id, KeyId("skey-zzzzzzzz"), key.key_id]) == (second, key)
        assert tx.keys.get(BERT, key.key_id) is None
        assert tx.keys.owned(BERT, [key.key_id]) == ()
        assert tx.keys.list(BERT, ids=(key.key_id,)).total == 0
        assert tx.keys.count(BERT) == 0


def test_a_removed_key_pair_leaves_nothing(catalog: Catalog) -> None:
    key = a_key()
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.keys.add(key)
        tx.keys.remove([key.key_id, KeyId("skey-zzzzzzzz")])
        assert tx.keys.get(ANNA, key.key_id) is None
        tx.keys.add(replace(key, tags=()))
        assert tx.keys.get(ANNA, key.key_id) == replace(key, tags=())


def test_the_instances_that_were_given_a_key_pair_are_known(catalog: Catalog) -> None:
    one, other = KeyId("skey-00000001"), KeyId("skey-00000002")
    first, second = an_instance(key_ids=(one, other)), an_instance(key_ids=(one,), created_at=NOW + timedelta(hours=1))
    join(catalog, ANNA, BERT)
    with catalog.begin() as tx:
        tx.instances.add_all([second, first, an_instance(BERT, key_ids=(one,)), an_instance(key_ids=())])

    with catalog.read() as tx:
        assert tx.keys.instances_of(ANNA) == {one: (first.instance_id, second.instance_id), other: (first.instance_id,)}


def test_a_client_token_belongs_to_one_account_in_one_region(catalog: Catalog) -> None:
    join(catalog, ANNA, BERT)
    with catalog.begin() as tx:
        tx.tokens.add(a_token())
        with pytest.raises(LostRace):
            tx.tokens.add(a_token(resource_ids=()))
        tx.tokens.add(a_token(BERT))
        tx.tokens.add(a_token(region=THERE))

    with catalog.read() as tx:
        assert tx.tokens.get(ANNA, HERE, "token") == a_token()
        assert tx.tokens.get(ANNA, HERE, "other") is None


def test_a_client_token_that_is_removed_may_be_used_again(catalog: Catalog) -> None:
    join(catalog, ANNA, BERT)
    with catalog.begin() as tx:
        tx.tokens.add(a_token())
        tx.tokens.add(a_token(BERT))
        tx.tokens.remove(a_token())
        tx.tokens.remove(a_token())
        assert tx.tokens.get(ANNA, HERE, "token") is None
        assert tx.tokens.get(BERT, HERE, "token") == a_token(BERT)
        tx.tokens.add(a_token(resource_ids=()))


def test_old_client_tokens_are_forgotten(catalog: Catalog) -> None:
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.tokens.add(a_token())
        tx.tokens.add(a_token(token="young", created_at=NOW + timedelta(seconds=1)))
        assert tx.tokens.expire(NOW + timedelta(seconds=1)) == 1
        assert tx.tokens.get(ANNA, HERE, "token") is None
        assert tx.tokens.get(ANNA, HERE, "young") is not None


def test_uploads_are_removed_and_old_ones_are_found(catalog: Catalog) -> None:
    old, young = an_upload(), an_upload(created_at=NOW + timedelta(hours=1))
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.uploads.add(young)
        tx.uploads.add(old)
        assert tx.uploads.older_than(NOW + timedelta(hours=1)) == (old,)
        tx.uploads.remove(old.upload_id)
        assert tx.uploads.get(old.upload_id) is None
        assert tx.uploads.get(young.upload_id) == young


def test_the_audit_log_shows_the_latest_call_first(catalog: Catalog) -> None:
    calls = [an_audit_entry(action=action) for action in ("RunInstances", "StopInstances", "TerminateInstances")]
    with catalog.begin() as tx:
        for call in calls:
            tx.audit.add(call)

    with catalog.read() as tx:
        assert tx.audit.recent(2) == (calls[2], calls[1])


def test_the_audit_log_is_read_by_account_action_resource_and_time(catalog: Catalog) -> None:
    image = an_audit_entry(action="CreateImage", resources=("img-00000001", "ins-00000001"))
    berts = an_audit_entry(BERT, action="CreateImage", resources=("img-00000002",))
    later = an_audit_entry(action="StopInstances", resources=("ins-00000010",), at=NOW + timedelta(minutes=1))
    with catalog.begin() as tx:
        for entry in (image, berts, later):
            tx.audit.add(entry)

    def found(**asked: Any) -> tuple[AuditEntry, ...]:
        with catalog.read() as tx:
            return tx.audit.page(AuditQuery(**asked)).items

    assert found(uin=BERT) == (berts,)
    assert found(actions=("CreateImage",)) == (berts, image)
    assert found(resources=("ins-00000001",)) == (image,)
    assert found(resources=("ins-0000000_",)) == ()
    assert found(since=NOW + timedelta(seconds=1)) == (later,)
    assert found(limit=1, offset=1) == (berts,)
    with catalog.read() as tx:
        assert tx.audit.page(AuditQuery(uin=ANNA, limit=1)).total == 2


def test_sessions_that_have_ended_are_forgotten(catalog: Catalog) -> None:
    join(catalog, ANNA)
    old, young = a_session(expires_at=NOW), a_session()
    with catalog.begin() as tx:
        tx.sessions.add(old)
        tx.sessions.add(young)
        assert tx.sessions.expire(NOW + timedelta(seconds=1)) == 1

        assert tx.sessions.get(old.secret_id) is None
        assert tx.sessions.get(young.secret_id) == young


def test_a_secret_id_is_given_once(catalog: Catalog) -> None:
    join(catalog, ANNA)
    session = a_session()
    with catalog.begin() as tx:
        tx.sessions.add(session)

    with pytest.raises(LostRace), catalog.begin() as tx:
        tx.sessions.add(session)


def test_a_key_pair_takes_another_name_that_is_free(catalog: Catalog) -> None:
    join(catalog, ANNA)
    first, second = a_key(name="First"), a_key(name="second")
    with catalog.begin() as tx:
        tx.keys.add(first)
        tx.keys.add(second)
    with catalog.begin() as tx:
        tx.keys.update(first, name="Third", description="mine")
    with catalog.begin() as tx:
        renamed = replace(first, name="Third", description="mine")
        assert tx.keys.get(ANNA, first.key_id) == renamed
        assert tx.keys.list(ANNA, names=("THIRD",)).items == (renamed,)
        with pytest.raises(KeyNameTaken):
            tx.keys.update(renamed, name="second", description="")
        tx.keys.update(renamed, name="Third", description="still mine")
    with pytest.raises(LostRace), catalog.begin() as tx:
        tx.keys.update(first, name="fourth", description="")
