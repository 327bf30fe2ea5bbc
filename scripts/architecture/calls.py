"""Which modules one question, record or training passes through: calls followed in the syntax tree, without running.

A name that leads to a function of ours counts as a call wherever it is used, so that functions handed to a thread are
followed too. Types come from annotations and constructors. What is only found while running is not followed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
SOURCES: Final = ("data", "features", "models", "pipelines", "serving")
Function = ast.FunctionDef | ast.AsyncFunctionDef
WRAPPERS: Final = {"Annotated", "Optional", "Final", "ClassVar"}


class Place(NamedTuple):
    """A definition: its module and its name, of a method ``Class.method``."""

    module: str
    name: str


class Module:
    """Syntax of one module: what it defines and what it imports."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.functions: dict[str, Function] = {}
        self.classes: dict[str, ast.ClassDef] = {}
        self.values: dict[str, ast.expr] = {}
        self.imports: dict[str, Place] = {}
        for node in self.tree.body:
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self.functions[node.name] = node
                case ast.ClassDef():
                    self.classes[node.name] = node
                    methods = [each for each in node.body if isinstance(each, Function)]
                    self.functions |= {f"{node.name}.{each.name}": each for each in methods}
                case ast.Assign(targets=[ast.Name(id=target)], value=value):
                    self.values[target] = value
                case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value):
                    self.values[target] = value
        for each in ast.walk(self.tree):  # commands import inside their functions
            if isinstance(each, ast.ImportFrom) and each.module and each.module.startswith("aftercast"):
                self.imports |= {alias.asname or alias.name: Place(each.module, alias.name) for alias in each.names}

    def arguments_of(self, called: str, code: Code) -> Iterator[Place]:
        """Our definitions that are the first argument wherever a name is called, in order."""
        for node in ast.walk(self.tree):
            match node:
                case ast.Call(func=ast.Name(id=name), args=[ast.Name(id=argument), *_]) if name == called:
                    if (place := code.resolve(self.name, argument)) is not None:
                        yield place


class Code:
    """Every module of the packages.

    Parameters
    ----------
    stand_in
        Module and name of a constant: wherever the code knows only a base class of it, its own class is followed.
    """

    def __init__(self, stand_in: Place | None = None) -> None:
        self._stand_in: Place | None = None
        self._ancestors: set[Place] = set()
        if stand_in is not None:
            value = self.modules[stand_in.module].values[stand_in.name]
            if isinstance(value, ast.Call):
                made = self._named_class(stand_in.module, value.func)
                self._ancestors = set() if made is None else set(self._bases(made))
                self._stand_in = made

    def concrete(self, of: Place) -> Place:
        """Class that is followed where this one is known."""
        return self._stand_in if self._stand_in is not None and of in self._ancestors else of

    def _bases(self, of: Place) -> Iterator[Place]:
        for base in self.modules[of.module].classes[of.name].bases:
            if (found := self._named_class(of.module, base)) is not None:
                yield found
                yield from self._bases(found)

    @cached_property
    def modules(self) -> dict[str, Module]:
        """Module by dotted name."""
        found = {}
        for source in SOURCES:
            for path in sorted((ROOT / source / "aftercast").rglob("*.py")):
                parts = path.relative_to(ROOT / source).with_suffix("").parts
                name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                found[name] = Module(name, path)
        return found

    def resolve(self, module: str, name: str) -> Place | None:
        """Where a name of a module is defined; None where it is not ours. A module itself has the name ""."""
        for _ in range(5):
            found = self.modules.get(module)
            if found is None:
                return None
            if name in found.functions or name in found.classes or name in found.values:
                return Place(module, name)
            if f"{module}.{name}" in self.modules:
                return Place(f"{module}.{name}", "")
            if name not in found.imports:
                return None
            module, name = found.imports[name]
        return None

    def class_of(self, module: str, annotation: ast.expr | None) -> Place | None:
        """Class of ours that an annotation names; of ``X | None`` and ``Annotated[X, ...]`` that is X."""
        found = self._named_class(module, annotation)
        return None if found is None else self.concrete(found)

    def _named_class(self, module: str, annotation: ast.expr | None) -> Place | None:
        found: Place | None = None
        match annotation:
            case ast.Constant(value=str(text)):
                found = self._named_class(module, ast.parse(text, mode="eval").body)
            case ast.BinOp(left=left, right=right):
                found = self._named_class(module, left) or self._named_class(module, right)
            case ast.Subscript(value=ast.Name(id=name), slice=inner) if name in WRAPPERS:
                found = self._named_class(module, inner.elts[0] if isinstance(inner, ast.Tuple) else inner)
            case ast.Name(id=name) if (place := self.resolve(module, name)) is not None:
                of = self.modules[place.module]
                value = of.values.get(place.name)
                found = place if place.name in of.classes else self._named_class(place.module, value)
        return found

    def method(self, of: Place, name: str) -> Place | None:
        """Method or property of a class, its bases' included."""
        if f"{of.name}.{name}" in self.modules[of.module].functions:
            return Place(of.module, f"{of.name}.{name}")
        return next((found for base in self._bases(of) if (found := self.method(base, name))), None)

    def field(self, of: Place, name: str) -> Place | None:
        """Class of a field: as annotated in the class, or as ``__init__`` sets it."""
        node = self.modules[of.module].classes[of.name]
        for line in node.body:
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.target.id == name:
                return self.class_of(of.module, line.annotation)
        start = self.modules[of.module].functions.get(f"{of.name}.__init__")
        if start is None:
            return None
        known = Body(self, Place(of.module, f"{of.name}.__init__"))
        for each in ast.walk(start):
            match each:
                case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=attr)], value=value):
                    if attr == name:
                        return known.type_of(value)
        return None


class Body:
    """One function: the calls in it, in the order in which they are written."""

    def __init__(self, code: Code, place: Place) -> None:
        self._code, self._place = code, place
        self._node = code.modules[place.module].functions[place.name]
        self._types: dict[str, Place] = {}
        arguments = self._node.args
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            self._learn(argument.arg, code.class_of(place.module, argument.annotation))
        if "." in place.name:
            self._learn("self", code.concrete(Place(place.module, place.name.split(".")[0])))

    def _learn(self, name: str, of: Place | None) -> None:
        if of is not None:
            self._types[name] = of

    def type_of(self, node: ast.expr) -> Place | None:
        """Class of ours that an expression is of, as far as it can be read."""
        match node:
            case ast.Name(id=name):
                return self._types.get(name)
            case ast.Await(value=value):
                return self.type_of(value)
            case ast.Call(func=function):
                return self._returned(function)
            case ast.Attribute(value=value, attr=attr) if (of := self.type_of(value)) is not None:
                method = self._code.method(of, attr)
                return self._code.field(of, attr) if method is None else self._annotated(method)
        return None

    def _returned(self, function: ast.expr) -> Place | None:
        place = self.definition(function)
        if place is None:
            return None
        return place if place.name in self._code.modules[place.module].classes else self._annotated(place)

    def _annotated(self, place: Place) -> Place | None:
        found = self._code.modules[place.module].functions.get(place.name)
        if found is None:
            return None
        if isinstance(found.returns, ast.Name) and found.returns.id == "Self":
            return Place(place.module, place.name.split(".")[0])
        return self._code.class_of(place.module, found.returns)

    def definition(self, node: ast.expr) -> Place | None:
        """Function, method or class of ours that an expression names."""
        match node:
            case ast.Name(id=name):
                return None if name in self._types else self._code.resolve(self._place.module, name)
            case ast.Attribute(value=value, attr=attr):
                if (of := self.type_of(value)) is not None:
                    return self._code.method(of, attr)
                named = self.definition(value)
                if named is None:
                    return None
                if not named.name:
                    return self._code.resolve(named.module, attr)
                return (
                    self._code.method(named, attr) if named.name in self._code.modules[named.module].classes else None
                )
        return None

    def calls(self) -> Iterator[Place]:
        """Definitions that the body names, in order."""
        for statement in self._node.body:
            yield from self._walk(statement)

    def _walk(self, node: ast.AST) -> Iterator[Place]:
        if isinstance(node, ast.Name | ast.Attribute) and (place := self.definition(node)) is not None:
            yield place
        for child in _evaluated(node):
            yield from self._walk(child)
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                self._learn(name, self._code.class_of(self._place.module, annotation))
            case ast.Assign(targets=[target], value=value) | ast.NamedExpr(target=target, value=value):
                self._assign(target, value)
            case ast.withitem(context_expr=value, optional_vars=ast.expr() as target):
                self._assign(target, value)

    def _assign(self, target: ast.AST, value: ast.expr) -> None:
        match target, value:
            case ast.Name(id=name), _:
                self._learn(name, self.type_of(value))
            case ast.Tuple(elts=targets), ast.Tuple(elts=values):
                for each, its in zip(targets, values, strict=False):
                    self._assign(each, its)


def _evaluated(node: ast.AST) -> list[ast.AST]:
    """Parts of a node in the order of evaluation, without annotations and the classes of ``except``."""
    match node:
        case ast.AnnAssign(value=value):
            return [] if value is None else [value]
        case ast.Assign(value=value) | ast.NamedExpr(value=value) | ast.withitem(context_expr=value):
            return [value]
        case ast.ExceptHandler(body=body) | ast.FunctionDef(body=body) | ast.AsyncFunctionDef(body=body):
            return list(body)
        case ast.Call(func=function, args=args, keywords=keywords):
            return [*args, *(each.value for each in keywords), function]  # arguments are made before the call
    return list(ast.iter_child_nodes(node))


def follow(code: Code, starts: list[Place]) -> Iterator[Place]:
    """Functions in the order of their first call, each once, depth first from the starts."""
    seen: set[Place] = set()
    waiting = list(reversed(starts))
    while waiting:
        place = waiting.pop()
        module = code.modules[place.module]
        if place.name in module.classes:
            entered = [Place(place.module, f"{place.name}.{name}") for name in ("__init__", "__call__")]
            waiting.extend(each for each in reversed(entered) if each.name in module.functions)
            continue
        if place in seen or place.name not in module.functions:
            continue
        seen.add(place)
        yield place
        waiting.extend(reversed(list(Body(code, place).calls())))
