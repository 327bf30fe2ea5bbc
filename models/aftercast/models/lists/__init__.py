"""Risk lists and the files people open."""

from aftercast.models.lists.list_files import to_csv, to_xlsx
from aftercast.models.lists.risk_list import RiskList, find_list, give_out, make_list

__all__ = ["RiskList", "find_list", "give_out", "make_list", "to_csv", "to_xlsx"]
