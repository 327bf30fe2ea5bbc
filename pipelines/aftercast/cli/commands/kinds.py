"""``aftercast kinds``: the kinds of models there are."""

from __future__ import annotations

from aftercast.cli.common import JsonFlag, print_json, print_table

PANEL = "Models"


def kinds(as_json: JsonFlag = False) -> None:
    """List the kinds of models: what each forecasts, and of what.

    Example: aftercast kinds
    """
    from aftercast.models.kinds import every_kind

    found = [(kind.name, kind.entity.noun, kind.shape, kind.about) for kind in every_kind()]
    names = ["kind", "of a", "shape", "forecasts"]
    if as_json:
        print_json([dict(zip(("kind", "entity", "shape", "about"), row, strict=True)) for row in found])
    else:
        print_table("", names, [list(row) for row in found])
