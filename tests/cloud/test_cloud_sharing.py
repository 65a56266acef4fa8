import pytest
from cloud_bench import ELSEWHERE, Bench, run_order

from linocut.cloud import images, launches, publishing, sharing
from linocut.model import errors
from linocut.model.states import ImageState


def test_a_shared_image_is_seen_and_started_from_by_those_it_is_shared_with_alone(bench: Bench) -> None:
    owner, friend, stranger = (bench.caller(name) for name in ("owner", "friend", "stranger"))
    image_id = bench.image(owner)

    sharing.share_image(bench.cloud, owner, image_id, [friend.account.uin])

    assert bench.image_names(friend) == {"web"}
    assert bench.image_names(stranger) == set()
    assert launches.run_instances(bench.cloud, friend, run_order(image_id))
    with pytest.raises(errors.ImageNotFound):
        launches.run_instances(bench.cloud, stranger, run_order(image_id))


def test_an_image_that_is_taken_back_is_gone_and_its_instances_go_on(bench: Bench) -> None:
    owner, friend = bench.caller("owner"), bench.caller("friend")
    image_id = bench.image(owner)
    sharing.share_image(bench.cloud, owner, image_id, [friend.account.uin])
    instance_id = bench.instance(friend, image_id)

    for _ in range(2):
        sharing.unshare_image(bench.cloud, owner, image_id, [friend.account.uin])

    assert bench.image_names(friend) == set()
    assert bench.instance_row(instance_id).state == "RUNNING"
    with pytest.raises(errors.ImageNotFound):
        launches.run_instances(bench.cloud, friend, run_order(image_id))


def test_sharing_twice_is_harmless_and_listed_once(bench: Bench) -> None:
    owner, friend = bench.caller("owner"), bench.caller("friend")
    image_id = bench.image(owner)

    for _ in range(2):
        sharing.share_image(bench.cloud, owner, image_id, [friend.account.uin, friend.account.uin])

    assert [share.account for share in sharing.list_shares(bench.cloud, owner, image_id)] == [friend.account.uin]


def test_a_share_is_of_one_region(bench: Bench) -> None:
    owner, friend = bench.caller("owner"), bench.caller("friend")
    image_id = bench.image(owner)
    sharing.share_image(bench.cloud, owner, image_id, [friend.account.uin])

    assert bench.image_names(bench.caller("friend", ELSEWHERE)) == set()
    with pytest.raises(errors.ImageNotFound):
        sharing.list_shares(bench.cloud, bench.caller("owner", ELSEWHERE), image_id)


def test_who_an_image_is_shared_with_neither_changes_nor_shares_it(bench: Bench) -> None:
    owner, friend, third = (bench.caller(name) for name in ("owner", "friend", "third"))
    image_id = bench.image(owner)
    sharing.share_image(bench.cloud, owner, image_id, [friend.account.uin])

    with pytest.raises(errors.NotImageOwner):
        sharing.share_image(bench.cloud, friend, image_id, [third.account.uin])
    with pytest.raises(errors.NotImageOwner):
        sharing.list_shares(bench.cloud, friend, image_id)
    with pytest.raises(errors.ImageIsShared):
        images.modify_image(bench.cloud, friend, image_id, name="mine", description=None, family=None, deprecated=None)
    with pytest.raises(errors.ImageIsShared):
        images.delete_images(bench.cloud, friend, [image_id], delete_snapshots=False, dry_run=False)
    assert bench.image_names(owner) == {"web"}


def test_an_image_is_shared_with_others_that_exist(bench: Bench) -> None:
    owner, friend = bench.caller("owner"), bench.caller("friend")
    image_id = bench.image(owner)

    with pytest.raises(errors.ShareWithSelf):
        sharing.share_image(bench.cloud, owner, image_id, [friend.account.uin, owner.account.uin])
    with pytest.raises(errors.AccountNotFound):
        sharing.share_image(bench.cloud, owner, image_id, [friend.account.uin, "100000000000"])
    with pytest.raises(errors.ParameterMissing):
        sharing.share_image(bench.cloud, owner, image_id, [])
    assert sharing.list_shares(bench.cloud, owner, image_id) == ()


def test_the_last_place_of_the_share_quota_is_the_last(bench: Bench) -> None:
    owner, first, second = (bench.caller(name) for name in ("owner", "first", "second"))
    image_id = bench.image(owner)
    bench.change(share_quota=1)
    sharing.share_image(bench.cloud, owner, image_id, [first.account.uin])

    with pytest.raises(errors.ShareQuotaExceeded):
        sharing.share_image(bench.cloud, owner, image_id, [second.account.uin])
    with pytest.raises(errors.TooManyValues):
        sharing.share_image(bench.cloud, owner, image_id, [first.account.uin, second.account.uin])
    sharing.share_image(bench.cloud, owner, image_id, [first.account.uin])

    assert [share.account for share in sharing.list_shares(bench.cloud, owner, image_id)] == [first.account.uin]


def test_a_shared_image_is_not_deleted_before_it_is_taken_back(bench: Bench) -> None:
    owner, friend = bench.caller("owner"), bench.caller("friend")
    image_id = bench.image(owner)
    sharing.share_image(bench.cloud, owner, image_id, [friend.account.uin])

    with pytest.raises(errors.ImageInShared):
        images.delete_images(bench.cloud, owner, [image_id], delete_snapshots=True, dry_run=False)
    sharing.unshare_image(bench.cloud, owner, image_id, [friend.account.uin])
    images.delete_images(bench.cloud, owner, [image_id], delete_snapshots=True, dry_run=False)

    assert bench.image_names(owner) == set()


def test_an_image_with_its_own_licence_is_not_shared(bench: Bench) -> None:
    owner, friend = bench.caller("owner"), bench.caller("friend")
    image_id = bench.image(owner, license_type="BYOL")
    with pytest.raises(errors.ByolImageShare):
        sharing.share_image(bench.cloud, owner, image_id, [friend.account.uin])


@pytest.mark.parametrize("state", [state for state in ImageState if state is not ImageState.NORMAL])
def test_only_an_image_that_is_there_is_shared(bench: Bench, state: ImageState) -> None:
    owner, friend = bench.caller("owner"), bench.caller("friend")
    image_id = bench.image_in(owner, state)
    with pytest.raises(errors.ImageStateForbids):
        sharing.share_image(bench.cloud, owner, image_id, [friend.account.uin])


def test_a_public_image_is_everybody_s_to_start_and_nobody_s_to_change(bench: Bench) -> None:
    image_id = bench.image(bench.operator, "debian")
    stranger = bench.caller("stranger")
    with pytest.raises(errors.OperatorOnly):
        publishing.publish_image(bench.cloud, stranger, image_id, public=True)

    publishing.publish_image(bench.cloud, bench.operator, image_id, public=True)

    assert bench.image_names(stranger) == {"debian"}
    assert launches.run_instances(bench.cloud, stranger, run_order(image_id))
    for caller in (stranger, bench.operator):
        with pytest.raises(errors.ImageIsPublic):
            images.delete_images(bench.cloud, caller, [image_id], delete_snapshots=False, dry_run=False)
    with pytest.raises(errors.ImageIsPublic):
        sharing.share_image(bench.cloud, bench.operator, image_id, [stranger.account.uin])
    with pytest.raises(errors.ParameterConflict):
        launches.run_instances(bench.cloud, stranger, run_order(image_id, keep_image_login=True))
    publishing.publish_image(bench.cloud, bench.operator, image_id, public=False)
    assert bench.image_names(stranger) == set()
