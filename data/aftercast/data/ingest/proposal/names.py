"""What tables and columns are called in English and Chinese, and how like a name is to them."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import Final

EXACT: Final = 1.0
WITHIN: Final = 0.8
NEAR: Final = 0.6
NEARNESS: Final = 0.85
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BRACKET: Final = re.compile(r"[\[(（【].*?[\])）】]")
_CHINESE: Final = re.compile(r"[\u4e00-\u9fff]")

TABLE_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "devices": ("devices", "machines", "equipment", "assets", "fleet", "units", "设备", "机器", "资产", "台账"),
    "telemetry": ("telemetry", "sensors", "readings", "measurements", "scada", "signals", "historian",
                  "遥测", "传感器", "监测", "采集", "运行数据", "测点"),
    "faults": ("faults", "errors", "alarms", "fault codes", "dtc", "告警", "报警", "故障码", "错误"),
    "failures": ("failures", "breakdowns", "outages", "失效", "故障", "停机"),
    "repairs": ("repairs", "work orders", "workorders", "maintenance", "maint", "services", "mwo",
                "维修", "工单", "检修", "保养"),
    "parts_used": ("parts used", "spare parts", "consumption", "备件", "用料", "配件"),
    "customers": ("customers", "clients", "accounts", "客户", "会员"),
    "purchases": ("purchases", "orders", "sales", "transactions", "invoices", "购买", "订单", "销售"),
    "contacts": ("contacts", "tickets", "calls", "complaints", "cases", "投诉", "来电", "咨询", "回访"),
    "stock": ("stock", "inventory", "warehouse", "库存"),
    "capacity": ("capacity", "roster", "schedule", "排班", "产能"),
    "actions": ("actions", "treatments", "campaigns", "措施"),
}  # fmt: skip

CLOCK: Final = ("time", "timestamp", "date", "datetime", "ts", "day",
                "event date", "occurred", "时间", "日期", "发生时间",
                "采集时间", "记录时间", "时间戳")  # fmt: skip
COLUMN_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "device_id": ("device", "machine", "machine id", "asset", "asset id", "equipment", "equipment id", "serial",
                  "serial number", "serial no", "sn", "unit id", "vehicle id", "turbine id", "设备编号", "设备号",
                  "设备", "机器编号", "机号", "序列号", "资产编号", "设备id", "车号"),
    "device_model": ("model", "device type", "machine type", "equipment type", "product", "型号", "机型", "设备型号"),
    "installed_at": ("installed", "install date", "installation date", "commissioned", "commissioning date",
                     "in service since", "安装日期", "安装时间", "投运日期", "投用日期", "启用日期"),
    "retired_at": ("retired", "decommissioned", "scrapped", "end of service", "报废日期", "退役日期", "停用日期"),
    "customer_id": ("customer", "customer number", "client", "client id", "cust id", "user id", "account",
                    "客户编号", "客户", "客户号", "客户id", "会员号"),
    "outlet_id": ("outlet", "branch", "depot", "service center", "网点", "服务网点", "站点"),
    "region": ("region", "area", "province", "city", "地区", "区域", "省份", "城市"),
    "warranty_until": ("warranty", "warranty end", "warranty expiry", "保修截止", "质保到期", "保修期至"),
    "firmware": ("firmware", "firmware version", "sw version", "固件", "固件版本"),
    "lot": ("lot", "batch", "production lot", "批次"),
    "event_time": CLOCK,
    "available_at": ("available", "known at", "received at", "recorded at", "入库时间", "接收时间"),
    "sensor": ("sensor", "tag", "signal", "parameter", "channel", "variable", "metric",
               "测点", "参数", "信号", "传感器"),
    "value": ("value", "val", "reading", "measurement", "值", "数值", "读数", "测量值"),
    "code": ("code", "fault code", "error code", "error id", "alarm code", "alarm", "dtc",
             "故障代码", "故障码", "报警代码"),
    "severity": ("severity", "level", "priority", "等级", "级别"),
    "component": ("component", "comp", "failure", "part",
                  "system", "major system", "subsystem", "assembly", "module", "failed part",
                  "部件", "故障部件", "部位", "零件", "组件", "系统"),
    "work_order_id": ("work order", "work order number", "order number", "order no", "order id", "wo", "wo number",
                      "ticket number", "工单号", "工单编号", "维修单号", "单号"),
    "opened_at": ("opened", "open date", "start date", "start", "created", "created at", "reported", "order date",
                  "basic start date", *CLOCK, "报修时间", "报修日期", "开单时间", "创建时间", "开始时间", "维修日期"),
    "closed_at": ("closed", "close date", "end date", "finish date", "finished", "completed", "completion date",
                  "完成时间", "完工时间", "结束时间", "关单时间", "完成日期"),
    "kind": ("kind", "type", "order type", "work type", "maintenance type", "pm type", "category", "类型", "维修类型",
             "工单类型", "类别"),
    "outcome": ("outcome", "result", "finding", "处理结果", "结果"),
    "cost": ("cost", "total cost", "costs", "price", "费用", "维修费用", "成本", "金额"),
    "labour_hours": ("labour hours", "labor hours", "man hours", "hours worked", "工时"),
    "technician_id": ("technician", "engineer", "mechanic", "技师", "工程师", "维修人员"),
    "sku": ("sku", "part number", "part no", "material", "material number", "物料号", "物料编码", "备件号"),
    "quantity": ("quantity", "qty", "count", "units", "数量"),
    "segment": ("segment", "customer group", "客户类型", "分组"),
    "since": ("since", "customer since", "joined", "join date", "registered", "signup date", "注册日期", "注册时间",
              "入会日期"),
    "left_at": ("left", "churned", "churn date", "cancelled", "流失日期", "注销日期"),
    "channel": ("channel", "渠道"),
    "language": ("language", "lang", "语言"),
    "amount": ("amount", "total", "price", "revenue", "value", "sales", "金额", "消费金额", "订单金额", "总价"),
    "contact_id": ("contact number", "ticket", "ticket id", "case id", "case number", "来电编号", "投诉编号"),
    "csat": ("csat", "satisfaction", "rating", "满意度"),
    "nps": ("nps", "recommendation"),
    "text": ("text", "comment", "message", "description", "内容", "描述", "备注"),
    "on_hand": ("on hand", "in stock", "quantity", "qty", "库存", "库存数量"),
    "unit_cost": ("unit cost", "price", "cost", "单价"),
    "lead_time_days": ("lead time", "lead days", "交期", "供货周期"),
    "date": ("date", "day", "日期"),
    "technician_hours": ("hours", "capacity hours", "可用工时"),
    "decided_at": ("decided", "date", "决定时间"),
}  # fmt: skip


@cache
def words(name: str) -> tuple[str, ...]:
    """Lower-case words of a name, without what stands in brackets.

    >>> words("BscStartDate"), words("oil_temp [°C]")
    (('bsc', 'start', 'date'), ('oil', 'temp'))
    """
    plain = _BRACKET.sub(" ", unicodedata.normalize("NFKC", name)) or name
    return tuple(re.findall(r"[a-z]+|\d+|[^\W\da-z_]+", _CAMEL.sub(" ", plain).lower()))


def likeness(name: str, known: str, others: tuple[str, ...] = ()) -> float:
    """How like a name is to what a thing is called: 1 the same, 0 not at all.

    >>> likeness("Machine ID", "device_id", ("machine id",)), likeness("colour", "device_id")
    (1.0, 0.0)
    """
    return max(_likeness(words(name), words(each)) for each in (known, *others))


def _likeness(here: tuple[str, ...], there: tuple[str, ...]) -> float:
    if not here or not there:
        return 0.0
    joined, wanted = "".join(here), "".join(there)
    if joined == wanted or joined == wanted.removesuffix("s"):
        return EXACT
    if set(there) <= set(here) or (_CHINESE.search(wanted) and wanted in joined):
        return WITHIN - 0.01 * max(0, len(joined) - len(wanted)) / len(joined)
    if len(wanted) > 3 and difflib.SequenceMatcher(None, joined, wanted).ratio() >= NEARNESS:
        return NEAR
    return 0.0
