"""What is left, and what a month cost by product and by region.

Source: Billing DescribeAccountBalance, DescribeBillSummaryByProduct, DescribeBillSummaryByRegion.
"""

from math import floor
from typing import Any, Final

from linocut.api.billing.shapes import (
    NOTHING,
    PRODUCT_NAMES,
    product_of,
    ratio,
    region_name,
    region_number,
    same_month,
    text,
)
from linocut.api.codes import codes
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import is_empty, is_one_of
from linocut.api.table import Action
from linocut.billing import total, totals
from linocut.cloud import bills
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors
from linocut.model.amounts import decimal_of

_FEN: Final = 100


class DescribeAccountBalance(Shape):
    """Nothing to say."""


class MonthRequest(Shape):
    """A month, said twice."""

    begin_time: str
    end_time: str


class TempAmount(Shape):
    """A temporary credit; there is none."""


class AccountBalance(Answer):
    """What an account has left, in fen: all of it is cash, and none is lent."""

    balance: int
    uin: int
    real_balance: float
    cash_account_balance: float
    owe_amount: float
    credit_balance: float
    real_credit_balance: float
    is_allow_arrears: bool = True
    is_credit_limited: bool = False
    credit_amount: float = 0.0
    income_into_account_balance: float = 0.0
    present_account_balance: float = 0.0
    freeze_amount: float = 0.0
    temp_credit: float = 0.0
    temp_amount_info_list: tuple[TempAmount, ...] = ()


class BusinessSummaryOverviewItem(Shape):
    """What a product cost."""

    business_code: str
    business_code_name: str
    real_total_cost_ratio: str
    real_total_cost: str
    cash_pay_amount: str
    bill_month: str
    total_cost: str
    incentive_pay_amount: str = NOTHING
    voucher_pay_amount: str = NOTHING
    transfer_pay_amount: str = NOTHING


class BusinessSummaryTotal(Shape):
    """What all of it cost."""

    real_total_cost: str
    cash_pay_amount: str
    total_cost: str
    voucher_pay_amount: str = NOTHING
    incentive_pay_amount: str = NOTHING
    transfer_pay_amount: str = NOTHING


class SummaryByProduct(Answer):
    """The answer of DescribeBillSummaryByProduct."""

    summary_total: BusinessSummaryTotal
    summary_overview: list[BusinessSummaryOverviewItem]
    ready: int = 1


class RegionSummaryOverviewItem(Shape):
    """What a region cost."""

    region_id: str
    region_name: str
    real_total_cost_ratio: str
    real_total_cost: str
    cash_pay_amount: str
    bill_month: str
    total_cost: str
    incentive_pay_amount: str = NOTHING
    voucher_pay_amount: str = NOTHING
    transfer_pay_amount: str = NOTHING


class SummaryByRegion(Answer):
    """The answer of DescribeBillSummaryByRegion."""

    summary_overview: list[RegionSummaryOverviewItem]
    ready: int = 1


def describe_account_balance(cloud: Cloud, caller: Caller, _request: DescribeAccountBalance) -> AccountBalance:
    """Tell what the account has left. At this edge, amounts become the fen of the wire, those of the balance rounded down."""
    _, balance = bills.balance_of(cloud, caller)
    exact = decimal_of(balance.amount) * _FEN
    fen = float(exact)
    return AccountBalance(
        balance=floor(exact),
        uin=int(caller.account.uin),
        real_balance=fen,
        cash_account_balance=max(0.0, fen),
        owe_amount=max(0.0, -fen),
        credit_balance=fen,
        real_credit_balance=fen,
        is_allow_arrears=not cloud.settings.arrears,
    )


def describe_bill_summary_by_product(cloud: Cloud, caller: Caller, request: MonthRequest) -> SummaryByProduct:
    """Sum a month up by products."""
    month = same_month(request.begin_time, request.end_time)
    bill = bills.bill_of(cloud, caller, month)
    whole = total(bill)
    return SummaryByProduct(
        summary_total=BusinessSummaryTotal(real_total_cost=text(whole), cash_pay_amount=text(whole), total_cost=text(whole)),
        summary_overview=[
            BusinessSummaryOverviewItem(
                business_code=product,
                business_code_name=PRODUCT_NAMES[product],
                real_total_cost_ratio=ratio(amount, whole),
                real_total_cost=text(amount),
                cash_pay_amount=text(amount),
                total_cost=text(amount),
                bill_month=month,
            )
            for product, amount in totals(bill, product_of).items()
        ],
    )


def describe_bill_summary_by_region(cloud: Cloud, caller: Caller, request: MonthRequest) -> SummaryByRegion:
    """Sum a month up by regions."""
    month = same_month(request.begin_time, request.end_time)
    bill = bills.bill_of(cloud, caller, month)
    whole = total(bill)
    return SummaryByRegion(
        summary_overview=[
            RegionSummaryOverviewItem(
                region_id=str(region_number(region)),
                region_name=region_name(region),
                real_total_cost_ratio=ratio(amount, whole),
                real_total_cost=text(amount),
                cash_pay_amount=text(amount),
                total_cost=text(amount),
                bill_month=month,
            )
            for region, amount in totals(bill, lambda one: one.region).items()
        ],
    )


_CODES: Final = codes(errors.InvalidValue)

ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="DescribeAccountBalance",
        request=DescribeAccountBalance,
        handle=describe_account_balance,
        unsupported={"TempCredit": is_empty},
        needs_region=False,
    ),
    Action(
        name="DescribeBillSummaryByProduct",
        request=MonthRequest,
        handle=describe_bill_summary_by_product,
        unsupported={"PayerUin": is_empty, "PayType": is_one_of("consume")},
        needs_region=False,
        codes=_CODES,
    ),
    Action(
        name="DescribeBillSummaryByRegion",
        request=MonthRequest,
        handle=describe_bill_summary_by_region,
        unsupported={"PayerUin": is_empty},
        needs_region=False,
        codes=_CODES,
    ),
)
