"""`dataclass` of the standard library, with the same meaning, defined in a fifth of the time.

    from values import dataclass, maker

    @dataclass(frozen=True, slots=True)
    class Address: ...

    make_address = maker(Address)

A start is mostly the definition of classes. The standard library writes, compiles and runs a function for each method
of each class, which is 0.7 ms for a frozen one with slots; three hundred of them were a third of all that a start
does. Here one function is written for each class, `__init__`, which stores values without asking the guard that makes
the class frozen, and so takes half as long, too. What else a class needs is the same code for all.

`fields`, `replace`, `asdict` and patterns know these classes as they know those of the standard library. But a frozen
class of these cannot be derived from a frozen one of the standard library, nor the other way round.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, FrozenInstanceError
from operator import attrgetter
from reprlib import recursive_repr
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

__all__ = ["dataclass", "maker", "reader"]

MANY = 5
"""Fields of a frozen class with slots that are stored another way than fewer are."""

_Class = type[Any]
_Arguments = ParamSpec("_Arguments")
_Value = TypeVar("_Value")

if TYPE_CHECKING:
    from dataclasses import dataclass  # type checkers know all about it
else:

    def dataclass(*, frozen=False, slots=False, kw_only=False, eq=True, repr=True):
        """As `dataclasses.dataclass`, with those of its options that are used here."""

        def define(cls: _Class) -> _Class:
            given = dict(vars(cls))
            cls = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(cls)
            methods: dict[str, Any] = {"__init__": _init(cls, frozen=frozen)}
            if repr:
                methods["__repr__"] = _repr(cls)
            if eq:
                methods |= _comparison(cls, frozen=frozen)
            if frozen:
                methods |= {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
            if frozen and slots:
                methods |= {"__getstate__": _state, "__setstate__": _set_state}
            for name, method in methods.items():
                if given.get(name) is None:
                    setattr(cls, name, method)
            return cls

        return define


def maker(cls: Callable[_Arguments, _Value]) -> Callable[_Arguments, _Value]:
    """A function that makes values of a frozen class with slots, from the same arguments, in half of the time.

    To call a class costs more than the function behind it: its arguments become a tuple and a dict, and are taken apart
    again. So this is for what is made some times in each call. Who calls the class gets the same, unless the class has
    an `__init__` of its own. Raises TypeError for any other class.
    """
    known: dict[str, Any] = {}
    parameters, values = _fields(_frozen(cls), known)
    return _compiled("make", parameters, _makes(cls, values, known), known)


def reader(
    cls: Callable[..., _Value], ways: Mapping[str, str], known: Mapping[str, object], *, behind: int = 0
) -> Callable[[Sequence[Any]], _Value]:
    """A function like that of `maker`, which makes a value of one list: it has something for each field, in their
    order, behind so many things that do not matter.

    `ways` are expressions for fields that are not just that, but are made of it, as the name of the field stands for
    it; what they name besides is `known`. Raises TypeError, as `maker` does; the function raises ValueError for another
    number of things.
    """
    names = [field.name for field in dataclasses.fields(_frozen(cls))]
    values, own = {name: ways.get(name, name) for name in names}, dict(known)
    unpacked = "".join(f"{name}, " for name in ["_"] * behind + names)
    return _compiled("read", ["things"], [f"{unpacked}= things", *_makes(cls, values, own)], own)


def _frozen(cls: object) -> _Class:
    """The class, if it is a frozen one with slots. Raises TypeError."""
    if not isinstance(cls, type) or cls.__dictoffset__ or _refuse_to_set is not _guard(cls):
        raise TypeError(f"{cls!r} is no frozen class of `values.dataclass` with slots")
    return cls


def _makes(cls: Any, values: dict[str, str], known: dict[str, Any]) -> list[str]:
    """The lines that make an object of such a class and return it."""
    known |= {"guarded": cls, "unguarded": _without_guard(cls)}
    stores = [f"self.{name} = {value}" for name, value in values.items()]
    last = ["self.__post_init__()"] if hasattr(cls, "__post_init__") else []
    return ["self = unguarded()", *stores, "self.__class__ = guarded", *last, "return self"]


def _guard(cls: _Class) -> object:
    return cls.__setattr__


def _init(cls: _Class, *, frozen: bool) -> Callable[..., None]:
    """The one method that is compiled for a class, for it has the names of its fields as parameters."""
    known: dict[str, Any] = {}
    parameters, values = _fields(cls, known)
    body = _stores_past_guard(cls, values, known) if frozen else [f"self.{name} = {values[name]}" for name in values]
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    init = _compiled("__init__", ["self", *parameters], body, known)
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init


def _fields(cls: _Class, known: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    """The parameters for the fields, and what is stored in each field; what these name goes to `known`."""
    known["MISSING"] = MISSING
    positional: list[str] = []
    by_name: list[str] = []
    values = {}
    for field in dataclasses.fields(cls):
        name = value = parameter = field.name
        if field.default_factory is not MISSING:
            known[f"make_{name}"] = field.default_factory
            parameter, value = f"{name}=MISSING", f"make_{name}()"
            if field.init:
                value += f" if {name} is MISSING else {name}"
        elif field.default is not MISSING:
            known[f"default_{name}"] = field.default
            parameter, value = f"{name}=default_{name}", name if field.init else f"default_{name}"
        elif not field.init:  # `__post_init__` stores it
            continue
        if field.init:
            (by_name if field.kw_only else positional).append(parameter)
        values[name] = value
    return positional + (["*", *by_name] if by_name else []), values


def _compiled(name: str, parameters: list[str], body: list[str], known: dict[str, Any]) -> Callable[..., Any]:
    exec("\n ".join([f"def {name}({', '.join(parameters)}):", *(body or ["pass"])]), known)
    function: Callable[..., Any] = known[name]
    return function


def _stores_past_guard(cls: _Class, values: dict[str, str], known: dict[str, Any]) -> list[str]:
    """The lines that store the values of a frozen class, which does not let itself be assigned to."""
    lines = []
    for name, value in values.items():
        slot = getattr(cls, name, None)  # maybe of a base
        if isinstance(slot, MemberDescriptorType):
            known[f"set_{name}"] = slot.__set__
            lines.append(f"set_{name}(self, {value})")
        else:
            lines.append(f"own[{name!r}] = {value}")
    if any(line.startswith("own[") for line in lines):
        return ["own = self.__dict__", *lines]
    if len(lines) < MANY:
        return lines
    known |= {"guarded": cls, "unguarded": _without_guard(cls), "become": _become}
    quick = [f"self.{name} = {value}" for name, value in values.items()]
    quick = ["become(self, unguarded)", *quick, "self.__class__ = guarded"]
    derived = ["else:", *(f" {line}" for line in lines)]  # may have more than these slots
    return ["if self.__class__ is guarded:", *(f" {line}" for line in quick), *derived]


def _without_guard(cls: _Class) -> _Class:
    """A class of the same slots that can be assigned to. An object may be of it and come back, and that costs less than
    to have the slots themselves set more than a few values."""
    plain = ("__init__", "__setattr__", "__delattr__")
    namespace: dict[str, Any] = {"__slots__": cls.__slots__} | {name: getattr(object, name) for name in plain}
    if "__orig_bases__" in vars(cls):
        namespace["__orig_bases__"] = vars(cls)["__orig_bases__"]  # else `Generic` refuses to be derived from
    return type(cls.__name__, cls.__bases__, namespace)


_become = vars(object)["__class__"].__set__


def _repr(cls: _Class) -> Callable[[Any], str]:
    names = [field.name for field in dataclasses.fields(cls) if field.repr]

    @recursive_repr()
    def __repr__(self: Any) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    return __repr__


def _comparison(cls: _Class, *, frozen: bool) -> dict[str, Any]:
    values = _values([field.name for field in dataclasses.fields(cls) if field.compare])

    def __eq__(self: Any, other: Any) -> bool:
        return values(self) == values(other) if type(other) is type(self) else NotImplemented

    def __hash__(self: Any) -> int:
        return hash(values(self))

    return {"__eq__": __eq__, "__hash__": __hash__ if frozen else None}


def _values(names: list[str]) -> Callable[[Any], Any]:
    """What gives the values of these fields, as something to compare and to hash: the tuple of them, if not the one."""
    return attrgetter(*names) if names else lambda _: ()


def _refuse_to_set(self: Any, name: str, value: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: Any, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    """For pickles: the values of a frozen class with slots."""
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)
