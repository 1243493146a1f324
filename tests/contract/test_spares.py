"""Files of the spool that are done with: kept while they are needed, and not for longer."""

from pathlib import Path

import httpx
import pytest

from tests.contract.test_drain import running
from tests.fakes.model import MODEL
from tests.fakes.upstream import UpstreamThread
from tests.server_process import Product
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("contract")


def test_heartbeats_delete_what_no_later_segment_needs(data_dir: Path, upstream: UpstreamThread) -> None:
    settings = {
        "DWCTL_RECORDING__SPOOL__SEGMENT_BYTES": "1000",
        "DWCTL_RECORDING__HEARTBEAT_SECS": "0.3",
    }
    with running(Product(data_dir, upstream=upstream.url, environment=settings)) as product:
        for turn in range(12):
            answer = httpx.post(
                f"{product.base_url}/chat/completions",
                json={"model": MODEL, "messages": [{"role": "user", "content": f"turn {turn}"}]},
                headers={"authorization": f"Bearer {product.key}"},
            )
            assert answer.status_code == 200
        (folder,) = (data_dir / "spool").iterdir()
        newest = max(path.stem for path in folder.glob("*.seg"))
        assert int(newest) > 8
        until(
            lambda: [path.suffix for path in folder.iterdir() if path.name != "lock"] == [".seg"],
            "no spare is left, and one segment",
        )
