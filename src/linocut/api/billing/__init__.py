"""The service `billing`: balances and bills, as far as they apply. Source: Billing API, version 2018-07-09."""

from typing import Final

from linocut.api.billing import details, summaries
from linocut.api.table import Service

BILLING: Final = Service(name="billing", version="2018-07-09", actions=(*summaries.ACTIONS, *details.ACTIONS))
