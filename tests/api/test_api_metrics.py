"""What Prometheus scrapes of the block servers."""

from asgi_http import Http

from linocut.cloud.context import Cloud
from linocut.model.ids import Region, RootDigest


def test_metrics_show_what_block_servers_in_use_count(cloud: Cloud, http: Http) -> None:
    region, elsewhere = Region("ap-chengdu"), Region("ap-seoul")
    assert f'region="{region}"' not in http.request("GET", "/metrics").body.decode()
    cloud.stores.server(region)
    cloud.stores.read_through(elsewhere, RootDigest("ab" * 32), region)

    page = http.request("GET", "/metrics").body.decode()

    for name in ("hits", "misses", "disk_hits", "through_reads", "corrupt_reads", "failed_reads"):
        assert f'linocut_blocks_{name}_total{{region="{region}"}} 0.0' in page
        assert f'linocut_blocks_{name}_total{{region="{elsewhere}"}} 0.0' in page
