from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from catalog_records import ANNA, BERT, CLEO, HERE, NOW, THERE, a_snapshot, an_image, join, join_in
from undone import undone

from linocut.catalog import Catalog, ImageQuery, ImageType
from linocut.model.errors import ImageNameTaken, LostRace
from linocut.model.ids import ImageId
from linocut.model.records import DiskUsage, Share, Tag
from linocut.model.states import IMAGE_MOVES, ImageState


def test_an_image_is_found_in_its_own_region_only(catalog: Catalog) -> None:
    image = an_image()
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.images.add(image, [])

    with catalog.read() as tx:
        assert tx.images.get(HERE, image.image_id) == image
        assert tx.images.get(THERE, image.image_id) is None
        assert tx.images.find(image.image_id) == image
        assert tx.images.find(ImageId("img-zzzzzzzz")) is None


def test_an_image_is_owned_by_one_account(catalog: Catalog) -> None:
    image = an_image(ANNA, is_public=True)
    join(catalog, ANNA, BERT)
    with catalog.begin() as tx:
        tx.images.add(image, [])

    with catalog.read() as tx:
        assert tx.images.owned(ANNA, HERE, image.image_id) == image
        assert tx.images.owned(BERT, HERE, image.image_id) is None
        assert tx.images.owned(ANNA, THERE, image.image_id) is None


def test_an_image_has_its_snapshots_in_their_order(catalog: Catalog) -> None:
    system, first, second = a_snapshot(), a_snapshot(usage=DiskUsage.DATA_DISK), a_snapshot(usage=DiskUsage.DATA_DISK)
    image = an_image()
    join(catalog, ANNA)
    with catalog.begin() as tx:
        for snapshot in (first, second, system):
            tx.snapshots.add(snapshot)
        tx.images.add(image, [system.snapshot_id, second.snapshot_id, first.snapshot_id])

    with catalog.read() as tx:
        assert tx.images.snapshots_of(image.image_id) == (system, second, first)
        seen = tx.images.visible(ImageQuery(caller=ANNA, region=HERE)).items[0]
        assert [disk.snapshot_id for disk in seen.snapshots] == [one.snapshot_id for one in (system, second, first)]
        assert [disk.usage for disk in seen.snapshots] == [one.usage for one in (system, second, first)]
        assert [disk.size_bytes for disk in seen.snapshots] == [one.size_bytes for one in (system, second, first)]
        assert tx.snapshots.images_of(first.snapshot_id) == (image.image_id,)


def test_an_image_name_is_taken_once_by_each_account_in_each_region(catalog: Catalog) -> None:
    image = an_image(name="web")
    join(catalog, ANNA, BERT)

    with catalog.begin() as tx:
        tx.images.add(image, [])
        with pytest.raises(ImageNameTaken):
            tx.images.add(an_image(name="web"), [])
        tx.images.add(an_image(name="Web"), [])
        tx.images.add(an_image(name="web", region=THERE), [])
        tx.images.add(an_image(BERT, name="web"), [])

    with catalog.read() as tx:
        assert tx.images.count_owned(ANNA, HERE) == 2
        assert tx.images.find(image.image_id) == image


def test_an_image_cannot_be_renamed_to_a_name_that_is_taken(catalog: Catalog) -> None:
    image, other = an_image(name="web"), an_image(name="db")
    join(catalog, ANNA)

    with catalog.begin() as tx:
        tx.images.add(image, [])
        tx.images.add(other, [])
        with pytest.raises(ImageNameTaken):
            tx.images.update(other, name="web")
        assert tx.images.update(other, name="db") == other
        renamed = tx.images.update(other, name="DB 2", family="new")

    with catalog.read() as tx:
        assert renamed == replace(other, name="DB 2", family="new") == tx.images.find(other.image_id)
        assert tx.images.visible(ImageQuery(caller=ANNA, region=HERE, names=("db 2",))).total == 1


@pytest.mark.parametrize(("before", "after"), list(product(ImageState, ImageState)))
def test_an_image_makes_the_legal_moves_and_no_other(lasting_catalog: Catalog, before: ImageState, after: ImageState) -> None:
    image = an_image(state=before)
    with undone(lasting_catalog) as tx:
        join_in(tx, ANNA)
        tx.images.add(image, [])
        if after in IMAGE_MOVES[before]:
            moved = tx.images.move(image, after, failure="why", source_url="")
            assert moved == replace(image, state=after, failure="why", source_url="") == tx.images.find(image.image_id)
        else:
            with pytest.raises(ValueError, match="does not move"):
                tx.images.move(image, after)
            assert tx.images.find(image.image_id) == image


def test_an_image_that_has_moved_on_is_a_lost_race(catalog: Catalog) -> None:
    image = an_image(state=ImageState.IMPORTING)
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.images.add(image, [])
        failed = tx.images.move(image, ImageState.IMPORTFAILED)

    with catalog.begin() as tx:
        for attempt in (
            lambda: tx.images.move(image, ImageState.NORMAL),
            lambda: tx.images.update(image, description="late"),
            lambda: tx.images.hold(image),
            lambda: tx.images.remove(image),
        ):
            with pytest.raises(LostRace):
                attempt()
        assert tx.images.find(image.image_id) == failed


def test_two_who_change_the_same_field_cannot_both_win(catalog: Catalog) -> None:
    image = an_image()
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.images.add(image, [])
        tx.images.update(image, description="first")
        with pytest.raises(LostRace):
            tx.images.update(image, description="second")


def test_two_who_change_different_fields_both_win(catalog: Catalog) -> None:
    image = an_image()
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.images.add(image, [])
        tx.images.update(image, description="new")
        tx.images.update(image, family="new")

    with catalog.read() as tx:
        assert tx.images.find(image.image_id) == replace(image, description="new", family="new")


def test_the_tags_of_an_image_are_replaced_unless_somebody_else_has_replaced_them(catalog: Catalog) -> None:
    image = an_image()
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.images.add(image, [])
        tagged = tx.images.update(image, tags=(Tag("new", "tag"),))
        assert tx.images.find(image.image_id) == tagged
        with pytest.raises(LostRace):
            tx.images.update(image, tags=())


def test_progress_goes_forwards_only_and_does_not_stand_in_the_way_of_a_move(catalog: Catalog) -> None:
    image = an_image(state=ImageState.CREATING, percent=0)
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.images.add(image, [])
        tx.images.set_percent(image.image_id, 60)
        tx.images.set_percent(image.image_id, 50)
        tx.images.set_percent(ImageId("img-zzzzzzzz"), 50)
        assert tx.images.find(image.image_id) == replace(image, percent=60)

        done = tx.images.move(image, ImageState.NORMAL, percent=100)

        assert tx.images.find(image.image_id) == done


def test_a_removed_image_leaves_its_snapshots_and_nothing_else(catalog: Catalog) -> None:
    image, snapshot = an_image(name="web"), a_snapshot()
    join(catalog, ANNA, BERT)
    with catalog.begin() as tx:
        tx.snapshots.add(snapshot)
        tx.images.add(image, [snapshot.snapshot_id])
        tx.shares.add(image.image_id, [BERT], NOW)
    with catalog.begin() as tx:
        tx.images.remove(image)

    with catalog.begin() as tx:
        assert tx.images.find(image.image_id) is None
        assert tx.shares.of(image.image_id) == ()
        assert tx.snapshots.images_of(snapshot.snapshot_id) == ()
        assert tx.snapshots.get(snapshot.snapshot_id) == snapshot
        tx.images.add(replace(image, tags=()), [])
        assert tx.images.find(image.image_id) == replace(image, tags=())


def test_images_in_a_state_are_found_in_every_region_and_account(catalog: Catalog) -> None:
    ours = an_image(state=ImageState.IMPORTING)
    theirs = an_image(BERT, state=ImageState.CREATING, region=THERE, created_at=NOW - timedelta(hours=1))
    join(catalog, ANNA, BERT)
    with catalog.begin() as tx:
        for image in (ours, theirs, an_image()):
            tx.images.add(image, [])

    with catalog.read() as tx:
        assert tx.images.in_states([ImageState.IMPORTING, ImageState.CREATING]) == (theirs, ours)
        assert tx.images.in_states([]) == ()


def test_public_images_do_not_count_against_the_quota(catalog: Catalog) -> None:
    join(catalog, ANNA, BERT)
    with catalog.begin() as tx:
        for image in (an_image(), an_image(state=ImageState.IMPORTFAILED), an_image(is_public=True), an_image(BERT)):
            tx.images.add(image, [])
        tx.images.add(an_image(region=THERE), [])

    with catalog.read() as tx:
        assert tx.images.count_owned(ANNA, HERE) == 2


def test_sharing_twice_is_harmless_and_says_who_is_new(catalog: Catalog) -> None:
    image = an_image()
    join(catalog, ANNA, BERT, CLEO)
    with catalog.begin() as tx:
        tx.images.add(image, [])
        assert tx.shares.add(image.image_id, [BERT, BERT], NOW) == (BERT,)
        assert tx.shares.add(image.image_id, [CLEO, BERT], NOW + timedelta(days=1)) == (CLEO,)
        assert tx.shares.add(image.image_id, [], NOW) == ()

    with catalog.read() as tx:
        assert tx.shares.of(image.image_id) == (
            Share(image.image_id, BERT, NOW),
            Share(image.image_id, CLEO, NOW + timedelta(days=1)),
        )
        assert tx.shares.count(image.image_id) == 2
        assert tx.shares.is_shared(image.image_id, BERT)
        assert not tx.shares.is_shared(image.image_id, ANNA)


def test_an_image_that_is_no_longer_shared_is_no_longer_seen(catalog: Catalog) -> None:
    image = an_image()
    join(catalog, ANNA, BERT)
    with catalog.begin() as tx:
        tx.images.add(image, [])
        tx.shares.add(image.image_id, [BERT], NOW)
        assert tx.images.visible(ImageQuery(caller=BERT, region=HERE)).total == 1
        tx.shares.remove(image.image_id, [BERT, CLEO])
        assert tx.images.visible(ImageQuery(caller=BERT, region=HERE)).total == 0
        assert tx.shares.count(image.image_id) == 0


def test_a_foreign_account_sees_nothing_of_an_image_that_is_neither_public_nor_shared_to_it(catalog: Catalog) -> None:
    hidden = an_image(ANNA, name="secret")
    elsewhere = an_image(ANNA, region=THERE)
    unfinished = an_image(ANNA, is_public=True, state=ImageState.IMPORTING)
    join(catalog, ANNA, BERT, CLEO)
    with catalog.begin() as tx:
        for image in (hidden, elsewhere, unfinished):
            tx.images.add(image, [])
        tx.shares.add(hidden.image_id, [BERT], NOW)
        tx.shares.add(elsewhere.image_id, [CLEO], NOW)

    everything = ImageQuery(caller=CLEO, region=HERE)
    with catalog.read() as tx:
        for query in (
            everything,
            replace(everything, ids=(hidden.image_id, elsewhere.image_id, unfinished.image_id)),
            replace(everything, image_ids=(hidden.image_id,)),
            replace(everything, names=("secret",)),
            replace(everything, types=tuple(ImageType)),
            replace(everything, tag_keys=("role",)),
            replace(everything, states=tuple(ImageState)),
        ):
            assert tx.images.visible(query).items == ()
            assert tx.images.visible(query).total == 0
        assert tx.images.count_owned(CLEO, HERE) == 0
        assert tx.images.owned(CLEO, HERE, hidden.image_id) is None


def test_where_an_import_read_from_is_forgotten_whatever_became_of_the_image(catalog: Catalog) -> None:
    image = an_image(source_url="https://host/disk?signature=secret")
    join(catalog, ANNA)
    with catalog.begin() as tx:
        tx.images.add(image, [])
        tx.images.update(image, name="renamed meanwhile")
        tx.images.forget_source(image.image_id)
        tx.images.forget_source(ImageId("img-00000000"))
    with catalog.read() as tx:
        found = tx.images.find(image.image_id)
    assert found is not None
    assert (found.source_url, found.name) == ("", "renamed meanwhile")
