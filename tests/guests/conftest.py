import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from served_guests import Cloud, serving

sys.path.append(str(Path(__file__).parents[1] / "cloud"))


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Yield a service with an image of the tiny guest."""
    with serving(tmp_path_factory.mktemp("served")) as found:
        yield found
