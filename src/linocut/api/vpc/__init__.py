"""The service `vpc`: VPCs, subnets, security groups and their policies.

One module a noun, each with its wire structures, its handlers, and the list of its actions. Source: VPC API, version 2017-03-12.
"""

from typing import Final

from linocut.api.table import Service
from linocut.api.vpc import policies, security_groups, subnets, vpcs

VPC: Final = Service(
    name="vpc",
    version="2017-03-12",
    actions=(*vpcs.ACTIONS, *subnets.ACTIONS, *security_groups.ACTIONS, *policies.ACTIONS),
)
