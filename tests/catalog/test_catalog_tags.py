"""Tags of resources of any kind, on both databases."""

import pytest
from catalog_records import ANNA, BERT, HERE, THERE, a_key, an_image, join

from linocut.catalog import Catalog, schema
from linocut.catalog.tags import TAGGED
from linocut.model.errors import LostRace
from linocut.model.records import Tag

OLD, NEW = (Tag("os", "linux"),), (Tag("os", "bsd"), Tag("use", ""))


def test_only_the_owners_resources_of_the_kind_and_region_are_found(catalog: Catalog) -> None:
    join(catalog, ANNA)
    join(catalog, BERT)
    mine, elsewhere, berts, key = an_image(), an_image(region=THERE), an_image(BERT), a_key()
    with catalog.begin() as tx:
        for image in (mine, elsewhere, berts):
            tx.images.add(image, [])
        tx.keys.add(key)
    ids = [mine.image_id, elsewhere.image_id, berts.image_id, key.key_id, "img-no"]

    with catalog.read() as tx:
        assert tx.tags.owned("cvm", "image", ANNA, HERE, ids) == {mine.image_id}
        assert tx.tags.owned("cvm", "image", ANNA, THERE, ids) == {elsewhere.image_id}
        assert tx.tags.owned("cvm", "keypair", ANNA, THERE, ids) == {key.key_id}
        assert tx.tags.owned("cvm", "instance", ANNA, HERE, ids) == set()


def test_tags_are_replaced_as_a_whole_or_not_at_all(catalog: Catalog) -> None:
    join(catalog, ANNA)
    image = an_image(tags=OLD)
    with catalog.begin() as tx:
        tx.images.add(image, [])
        tx.tags.replace("cvm", "image", image.image_id, OLD, NEW)
    with catalog.read() as tx:
        assert tx.tags.of([image.image_id]) == {image.image_id: NEW}

    for resource_id, read in ((image.image_id, OLD), ("img-gone", ())):
        with pytest.raises(LostRace), catalog.begin() as tx:
            tx.tags.replace("cvm", "image", resource_id, read, ())
    with catalog.read() as tx:
        assert tx.tags.of([image.image_id, "img-gone"]) == {image.image_id: NEW}


def test_every_kind_that_takes_tags_has_an_owner() -> None:
    for column in TAGGED.values():
        assert column.table in schema.METADATA.sorted_tables
        assert "owner" in column.table.c
