"""What a launch and a reinstallation would cost, to the last digit of the price book."""

from decimal import Decimal

import pytest
from cloud_bench import REGION, Bench, run_order

from linocut.billing import PriceBook
from linocut.cloud.caller import Caller
from linocut.cloud.launches import DataDiskOrder, NetworkOrder
from linocut.cloud.prices import LaunchPrice, price_of_launch, price_of_reset, prices_of_types
from linocut.cloud.publishing import publish_image
from linocut.cloud.reinstalling import ResetOrder
from linocut.model import errors
from linocut.model.ids import ImageId, InstanceId, Region
from linocut.model.states import ImageState

SINGAPORE = Region("ap-singapore")
BOOK = {
    "vcpu": ("S5", "0.1"),
    "memory": ("S5", "0.03"),
    "disk": ("CLOUD_PREMIUM", "0.0009"),
    "windows": ("", "0"),
    "bandwidth": ("", "0.063"),
    "traffic": ("", "0.8"),
}
MORE = [
    ("disk", "CLOUD_SSD", "0.0025", None),
    ("instance", "S5.LARGE8", "0.5", None),
    ("windows", "", "0.25", "ap-singapore"),
]


def book(*leave_out: str, **prices: str) -> PriceBook:
    entries = [(item, kind, prices.get(item, price), None) for item, (kind, price) in BOOK.items()] + MORE
    text = 'format = 1\ncurrency = "CNY"\n'
    for item, kind, price, region in entries:
        if item in leave_out:
            continue
        text += f'[[prices]]\nitem = "{item}"\nfrom = 2020-01-01\nprice = "{price}"\nsource = "operator"\n'
        text += f'kind = "{kind}"\n' if kind else ""
        text += f'regions = ["{region}"]\n' if region else ""
    return PriceBook.read(text, "book")


@pytest.fixture(autouse=True)
def _prices(bench: Bench) -> None:
    bench.change(host_vcpus=100, host_memory_mb=100_000)
    bench.price(book())


def test_a_launch_costs_its_machine_and_all_its_disks_for_each_instance(bench: Bench) -> None:
    owner = bench.caller("anna")
    order = run_order(
        bench.image(owner),
        instance_type="S5.MEDIUM4",
        count=3,
        system_disk_gb=100,
        data_disks=(DataDiskOrder(200, "CLOUD_SSD"), DataDiskOrder(10)),
    )

    price = price_of_launch(bench.cloud, owner, order)

    machine = 2 * Decimal("0.1") + 4 * Decimal("0.03")
    disks = 100 * Decimal("0.0009") + 200 * Decimal("0.0025") + 10 * Decimal("0.0009")
    assert price == LaunchPrice(3 * (machine + disks), Decimal(0), internet_by_hour=False)
    assert bench.rows()[1] == ()


def test_a_type_with_a_price_of_its_own_costs_that(bench: Bench) -> None:
    owner = bench.caller("anna")
    kinds = ["S5.LARGE8", "S5.SMALL1"]
    assert prices_of_types(bench.cloud, owner, kinds) == {"S5.LARGE8": Decimal("0.5"), "S5.SMALL1": Decimal("0.13")}
    bench.price(book("vcpu"))
    assert prices_of_types(bench.cloud, owner, kinds) == {"S5.LARGE8": Decimal("0.5")}


@pytest.mark.parametrize(
    ("network", "costs", "by_hour"),
    [
        (NetworkOrder(bandwidth_mbps=5, charge_type="BANDWIDTH_POSTPAID_BY_HOUR"), "0.63", True),
        (NetworkOrder(bandwidth_mbps=5, charge_type="TRAFFIC_POSTPAID_BY_HOUR"), "0.8", False),
        (NetworkOrder(bandwidth_mbps=5), "0.8", False),
        (NetworkOrder(charge_type="BANDWIDTH_POSTPAID_BY_HOUR"), "0", True),
    ],
)
def test_the_way_out_costs_by_its_width_or_by_what_is_sent(
    bench: Bench, network: NetworkOrder, costs: str, *, by_hour: bool
) -> None:
    owner = bench.caller("anna")

    price = price_of_launch(bench.cloud, owner, run_order(bench.image(owner), count=2, network=network))

    assert (price.internet, price.internet_by_hour) == (Decimal(costs), by_hour)


def windows_image(bench: Bench, owner: Caller, licence: str, *, public: bool = True) -> ImageId:
    """Return an image of Windows: the operator's public one, or one that the owner has imported."""
    whose = bench.caller("operator", owner.region) if public else owner
    image_id = bench.image(whose, f"windows-{licence}", os_type="Windows Server 2022", os_version="-", license_type=licence)
    assert bench.image_row(image_id).platform == "Windows"
    if public:
        publish_image(bench.cloud, whose, image_id, public=True)
    return image_id


@pytest.mark.parametrize(
    ("region", "licence", "public", "extra"),
    [
        (REGION, "TencentCloud", True, "0"),
        (SINGAPORE, "TencentCloud", True, "0.5"),
        (SINGAPORE, "TencentCloud", False, "0"),
        (SINGAPORE, "BYOL", True, "0"),
    ],
)
def test_public_windows_costs_its_licence_by_the_vcpu_outside_the_mainland_unless_it_is_brought(
    *, bench: Bench, region: Region, licence: str, public: bool, extra: str
) -> None:
    owner = bench.caller("anna", region)
    zone = f"{region}-3"
    linux = price_of_launch(bench.cloud, owner, run_order(bench.image(owner), zone=zone, instance_type="S5.MEDIUM4"))

    windows = price_of_launch(
        bench.cloud, owner, run_order(windows_image(bench, owner, licence, public=public), zone=zone, instance_type="S5.MEDIUM4")
    )

    assert windows.instances - linux.instances == Decimal(extra)


def test_what_cannot_be_launched_has_no_price(bench: Bench) -> None:
    owner = bench.caller("anna")
    image_id = bench.image(owner)

    def refusal(**changes: object) -> type[Exception]:
        with pytest.raises(errors.Refusal) as caught:
            price_of_launch(bench.cloud, owner, run_order(image_id, **changes))
        return type(caught.value)

    assert refusal(instance_type="S9.HUGE") is errors.InstanceTypeNotFound
    assert refusal(zone="ap-moon-1") is errors.ZoneNotFound
    assert refusal(system_disk_gb=0) is errors.DiskTooSmall
    assert refusal(count=0) is errors.ValueOutOfRange
    assert refusal(password="x") is errors.PasswordInvalid
    bench.price(book("disk"))
    assert refusal() is errors.PriceUnknown
    failed = bench.image_in(owner, ImageState.IMPORTFAILED, "broken")
    with pytest.raises(errors.ImageStateForbids):
        price_of_launch(bench.cloud, owner, run_order(failed))


def test_a_launch_that_was_asked_for_before_has_its_price_again(bench: Bench) -> None:
    owner = bench.caller("anna")
    order = run_order(bench.image(owner), client_token="once")
    before = price_of_launch(bench.cloud, owner, order)
    bench.instance(owner, ImageId(order.image_id), client_token="once")

    assert price_of_launch(bench.cloud, owner, order) == before


def reset_price(bench: Bench, owner: Caller, instance_id: InstanceId, **changes: object) -> Decimal:
    return price_of_reset(bench.cloud, owner, ResetOrder(instance_id, **changes))  # type: ignore[arg-type]


def test_a_reinstalled_instance_costs_what_it_will_be(bench: Bench) -> None:
    bench.price(book(windows="0.25"))
    owner = bench.caller("anna")
    instance_id = bench.instance(owner, bench.image(owner), data_disks=(DataDiskOrder(10),))
    machine, disk = Decimal("0.13"), Decimal("0.0009")

    assert reset_price(bench, owner, instance_id) == machine + 60 * disk
    assert reset_price(bench, owner, instance_id, system_disk_gb=80) == machine + 90 * disk
    windows = windows_image(bench, owner, "TencentCloud")
    assert reset_price(bench, owner, instance_id, image_id=windows) == machine + 60 * disk, "no licence in the mainland"


def test_a_reinstallation_that_cannot_be_has_no_price(bench: Bench) -> None:
    owner = bench.caller("anna")
    instance_id = bench.instance(owner, bench.image(owner))

    def refusal(**changes: object) -> type[Exception]:
        with pytest.raises(errors.Refusal) as caught:
            reset_price(bench, owner, instance_id, **changes)
        return type(caught.value)

    assert refusal(system_disk_gb=49) is errors.DiskTooSmall
    assert refusal(system_disk_gb=100_000) is errors.ValueOutOfRange
    assert refusal(image_id="img-00000000") is errors.ImageNotFound
    assert refusal(image_id=windows_image(bench, owner, "BYOL")) is errors.LicenseTypeStays
    assert refusal(user_data="!") is errors.UserDataInvalid
    bench.price(book("disk"))
    assert refusal() is errors.PriceUnknown
    with pytest.raises(errors.InstanceIdMalformed):
        reset_price(bench, owner, InstanceId("ins-1"))
    with pytest.raises(errors.InstanceNotFound):
        reset_price(bench, bench.caller("berta"), instance_id)
