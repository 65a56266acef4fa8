"""A bill charge by charge, and summed up by resource. Source: Billing DescribeBillDetail, DescribeBillResourceSummary."""

from typing import Any, Final

from msgspec import field

from linocut.api.billing.shapes import (
    ACTION_TYPE,
    ACTION_TYPE_NAME,
    COMPONENTS,
    NOTHING,
    PAY_MODE,
    PAY_MODE_NAME,
    PRODUCT_NAMES,
    PROJECT_NAME,
    SUBPRODUCTS,
    duration_h,
    free_quantity,
    plain_time,
    product_of,
    quantity,
    region_name,
    region_number,
    same_month,
    text,
    zone_name,
)
from linocut.api.codes import codes
from linocut.api.envelope import Answer, Shape
from linocut.api.parameters import Int, is_empty, is_one_of
from linocut.api.table import Action
from linocut.billing import total, totals
from linocut.cloud import bills
from linocut.cloud.caller import Caller
from linocut.cloud.context import Cloud
from linocut.model import errors
from linocut.model.amounts import PLACES
from linocut.model.places import REGIONS
from linocut.model.usage import Billed, month_of

_DETAILS: Final = 300
_RESOURCES: Final = 1000


class DescribeBillDetail(Shape):
    """Which month, given as such or by two of its moments; of which resource or product; and a page."""

    offset: Int
    limit: Int
    month: str = ""
    begin_time: str = ""
    end_time: str = ""
    need_record_num: Int = 0
    resource_id: str = ""
    business_code: str = ""


class DescribeBillResourceSummary(Shape):
    """Which month, of which resource or product, and a page."""

    offset: Int
    limit: Int
    month: str
    need_record_num: Int = 0
    resource_id: str = ""
    business_code: str = ""


class BillTagInfo(Shape):
    """A tag to split bills by; there is none."""


class BillDetailComponentConfig(Shape):
    """A property of what was used."""

    name: str
    value: str


class BillDetailComponent(Shape):
    """What was used, at what price, for how long."""

    component_code_name: str
    item_code_name: str
    single_price: str
    price_unit: str
    used_amount: str
    used_amount_unit: str
    real_total_measure: str
    deducted_measure: str
    time_span: str
    cost: str
    real_cost: str
    cash_pay_amount: str
    item_code: str
    component_code: str
    contract_price: str
    component_config: list[BillDetailComponentConfig]
    time_unit_name: str = "小时"
    specified_price: str = ""
    discount: str = "1"
    reduce_type: str = ""
    voucher_pay_amount: str = NOTHING
    incentive_pay_amount: str = NOTHING
    transfer_pay_amount: str = NOTHING
    instance_type: str = ""
    ri_time_span: str = NOTHING
    original_cost_with_ri: str = field(default=NOTHING, name="OriginalCostWithRI")
    sp_deduction_rate: str = field(default=NOTHING, name="SPDeductionRate")
    sp_deduction: str = field(default=NOTHING, name="SPDeduction")
    original_cost_with_sp: str = field(default=NOTHING, name="OriginalCostWithSP")
    blended_discount: str = "1"


class BillDetailAssociatedOrder(Shape):
    """Orders; there are none."""

    prepay_purchase: str = ""
    prepay_renew: str = ""
    prepay_modify_up: str = ""
    reverse_order: str = ""
    new_order: str = ""
    original: str = ""


class BillDetail(Shape):
    """A charge: of hours that follow one another and are alike."""

    business_code_name: str
    product_code_name: str
    region_name: str
    zone_name: str
    resource_id: str
    bill_id: str
    pay_time: str
    fee_begin_time: str
    fee_end_time: str
    component_set: list[BillDetailComponent]
    payer_uin: str
    owner_uin: str
    operate_uin: str
    business_code: str
    product_code: str
    region_id: str
    bill_day: str
    bill_month: str
    id: str
    region_type: str
    region_type_name: str
    pay_mode_name: str = PAY_MODE_NAME
    project_name: str = PROJECT_NAME
    resource_name: str = ""
    action_type_name: str = ACTION_TYPE_NAME
    order_id: str = ""
    tags: tuple[BillTagInfo, ...] = ()
    action_type: str = ACTION_TYPE
    project_id: int = 0
    price_info: tuple[str, ...] = ()
    associated_order: BillDetailAssociatedOrder = field(default_factory=BillDetailAssociatedOrder)
    formula: str = ""
    formula_url: str = ""
    reserve_detail: str = ""
    discount_object: str = ""
    discount_type: str = ""
    discount_content: str = ""
    extend_field: str = ""


class BillDetails(Answer):
    """The answer of DescribeBillDetail."""

    detail_set: list[BillDetail]
    total: int
    context: str = ""


class BillResourceSummary(Shape):
    """What a resource cost in a month, as one product and kind of it."""

    business_code_name: str
    product_code_name: str
    region_name: str
    zone_name: str
    resource_id: str
    pay_time: str
    fee_begin_time: str
    fee_end_time: str
    config_desc: str
    total_cost: str
    real_total_cost: str
    cash_pay_amount: str
    payer_uin: str
    owner_uin: str
    operate_uin: str
    business_code: str
    product_code: str
    region_id: int
    bill_month: str
    pay_mode_name: str = PAY_MODE_NAME
    project_name: str = PROJECT_NAME
    resource_name: str = ""
    action_type_name: str = ACTION_TYPE_NAME
    order_id: str = ""
    extend_field1: str = ""
    extend_field2: str = ""
    extend_field3: str = ""
    extend_field4: str = ""
    extend_field5: str = ""
    discount: str = "1"
    reduce_type: str = ""
    voucher_pay_amount: str = NOTHING
    incentive_pay_amount: str = NOTHING
    transfer_pay_amount: str = NOTHING
    tags: tuple[BillTagInfo, ...] = ()
    instance_type: str = ""
    original_cost_with_ri: str = field(default=NOTHING, name="OriginalCostWithRI")
    sp_deduction: str = field(default=NOTHING, name="SPDeduction")
    original_cost_with_sp: str = field(default=NOTHING, name="OriginalCostWithSP")


class BillResources(Answer):
    """The answer of DescribeBillResourceSummary."""

    resource_summary_set: list[BillResourceSummary]
    total: int


def describe_bill_detail(cloud: Cloud, caller: Caller, request: DescribeBillDetail) -> BillDetails:
    """List what is on a bill, charge by charge."""
    _check_page(request.offset, request.limit, _DETAILS)
    if request.begin_time or request.end_time:
        month = same_month(request.begin_time, request.end_time)
    elif request.month:
        month = request.month
    else:
        raise errors.ParameterMissing("Month, or BeginTime and EndTime, is needed.")
    page = bills.page_of_bill(
        cloud, caller, month, request.offset, request.limit, resource_id=request.resource_id, product=request.business_code
    )
    return BillDetails(detail_set=[_detail(billed) for billed in page.items], total=page.total)


def describe_bill_resource_summary(cloud: Cloud, caller: Caller, request: DescribeBillResourceSummary) -> BillResources:
    """Sum a bill up by resources; one that was used in several ways, as an instance and its licence, has a line for each."""
    _check_page(request.offset, request.limit, _RESOURCES)
    bill = bills.bill_of(cloud, caller, request.month, resource_id=request.resource_id, product=request.business_code)
    lines: dict[tuple[str, str], list[Billed]] = {}
    for one in bill:
        lines.setdefault((one.run.charge.usage.resource_id, one.run.charge.usage.item), []).append(one)
    order = totals(bill, lambda one: (one.run.charge.usage.resource_id, one.run.charge.usage.item))
    summaries = [_resource(lines[key]) for key in order]
    return BillResources(resource_summary_set=summaries[request.offset : request.offset + request.limit], total=len(summaries))


def _check_page(offset: int, limit: int, most: int) -> None:
    if offset < 0 or not 1 <= limit <= most:
        raise errors.PageOutOfRange(f"Limit takes 1 to {most}, and Offset zero or more.")


def _detail(billed: Billed) -> BillDetail:
    run, usage = billed.run, billed.run.charge.usage
    product = product_of(billed)
    code, name = SUBPRODUCTS[usage.item]
    domestic = REGIONS[billed.region].is_mainland
    return BillDetail(
        business_code=product,
        business_code_name=PRODUCT_NAMES[product],
        product_code=code,
        product_code_name=name,
        region_id=str(region_number(billed.region)),
        region_name=region_name(billed.region),
        zone_name=zone_name(usage.zone),
        resource_id=usage.resource_id,
        id=str(billed.charge_id),
        bill_id=str(billed.charge_id),
        pay_time=plain_time(run.until),
        fee_begin_time=plain_time(run.first),
        fee_end_time=plain_time(run.until),
        bill_day=plain_time(run.first)[:10],
        bill_month=month_of(run.first),
        component_set=[_component(billed)],
        payer_uin=billed.account,
        owner_uin=billed.account,
        operate_uin=billed.account,
        region_type="domestic" if domestic else "international",
        region_type_name="国内" if domestic else "国际",
    )


def _component(billed: Billed) -> BillDetailComponent:
    charge, usage = billed.run.charge, billed.run.charge.usage
    code, name, unit = COMPONENTS[usage.item]
    price = f"{charge.price or 0:f}"
    amount = text(billed.run.amount)
    return BillDetailComponent(
        component_code=code,
        component_code_name=name,
        item_code=f"{code}_{usage.kind.lower()}" if usage.kind else code,
        item_code_name=usage.kind or name,
        single_price=price,
        contract_price=price,
        price_unit=f"元/{unit}/小时",
        used_amount=f"{quantity(billed) - free_quantity(billed):f}",
        used_amount_unit=unit,
        real_total_measure=f"{quantity(billed):f}",
        deducted_measure=f"{free_quantity(billed):f}",
        time_span=f"{round(duration_h(billed), PLACES).normalize():f}",
        cost=amount,
        real_cost=amount,
        cash_pay_amount=amount,
        component_config=[BillDetailComponentConfig(name="规格", value=usage.kind)] if usage.kind else [],
    )


def _resource(lines: list[Billed]) -> BillResourceSummary:
    one = lines[-1]
    usage = one.run.charge.usage
    product = product_of(one)
    code, name = SUBPRODUCTS[usage.item]
    amount = text(total(lines))
    first, until = min(line.run.first for line in lines), max(line.run.until for line in lines)
    return BillResourceSummary(
        business_code=product,
        business_code_name=PRODUCT_NAMES[product],
        product_code=code,
        product_code_name=name,
        region_id=region_number(one.region),
        region_name=region_name(one.region),
        zone_name=zone_name(usage.zone),
        resource_id=usage.resource_id,
        pay_time=plain_time(until),
        fee_begin_time=plain_time(first),
        fee_end_time=plain_time(until),
        bill_month=month_of(first),
        config_desc=f"{COMPONENTS[usage.item][1]}:{quantity(one):f}{COMPONENTS[usage.item][2]}",
        total_cost=amount,
        real_total_cost=amount,
        cash_pay_amount=amount,
        payer_uin=one.account,
        owner_uin=one.account,
        operate_uin=one.account,
    )


_PERIODS: Final = is_one_of("byUsedTime", "byPayTime")
_CODES: Final = codes(
    errors.InvalidValue,
    errors.ParameterMissing,
    special={errors.PageOutOfRange: "InvalidParameterValue"},
)

ACTIONS: Final[tuple[Action[Any], ...]] = (
    Action(
        name="DescribeBillDetail",
        request=DescribeBillDetail,
        handle=describe_bill_detail,
        unsupported={
            "PeriodType": _PERIODS,
            "ProductCode": is_empty,
            "PayMode": is_one_of(PAY_MODE),
            "ActionType": is_one_of(ACTION_TYPE_NAME),
            "ProjectId": is_empty,
            "Context": is_empty,
            "PayerUin": is_empty,
        },
        needs_region=False,
        codes=_CODES,
    ),
    Action(
        name="DescribeBillResourceSummary",
        request=DescribeBillResourceSummary,
        handle=describe_bill_resource_summary,
        unsupported={
            "PeriodType": _PERIODS,
            "ActionType": is_one_of(ACTION_TYPE_NAME),
            "PayMode": is_one_of(PAY_MODE),
            "PayerUin": is_empty,
            "TagKey": is_empty,
            "TagValue": is_empty,
        },
        needs_region=False,
        codes=_CODES,
    ),
)
