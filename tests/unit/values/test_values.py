"""Our `dataclass` means what that of the standard library means; every test runs with both."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, field, fields, replace
from dataclasses import dataclass as standard
from typing import Any, Generic, TypeVar

import pytest

import values

Item = TypeVar("Item")
Decorator = Callable[..., Callable[[type[Any]], type[Any]]]

OPTIONS: list[dict[str, bool]] = [
    {"frozen": True, "slots": True},
    {"frozen": True, "slots": True, "kw_only": True},
    {"frozen": True, "slots": True, "eq": False},
    {"frozen": True, "slots": True, "repr": False},
    {"frozen": True},
    {"frozen": True, "kw_only": True},
    {"slots": True},
    {"slots": True, "eq": False},
]


def defined(dataclass: Decorator, options: dict[str, bool]) -> type[Any]:
    """A class with a field of each kind that there is."""

    class Point:
        """A point."""

        x: int
        y: str = "y"
        names: list[str] = field(default_factory=list)
        secret: str = field(default="secret", repr=False, compare=False)
        last: int | None = None  # the fifth: of so many, and of fewer, frozen ones are made differently

        def __post_init__(self) -> None:
            made.append(self)

    made: list[Any] = []
    Point.__qualname__ = "Point"
    point = dataclass(**options)(Point)
    point.made = made
    return point


@pytest.fixture(params=OPTIONS, ids=lambda options: "-".join(options))
def both(request: pytest.FixtureRequest) -> tuple[type[Any], type[Any]]:
    """The same class as we define it, and as the standard library does."""
    return defined(values.dataclass, request.param), defined(standard, request.param)


def outcome(action: Callable[[], object]) -> object:
    """What an action returns, or the kind of what it raises."""
    try:
        return action()
    except Exception as error:
        return type(error)


def test_values_default_as_they_are_told(both: tuple[type[Any], type[Any]]) -> None:
    ours, theirs = (cls(x=1) for cls in both)
    assert asdict(ours) == asdict(theirs) == {"x": 1, "y": "y", "names": [], "secret": "secret", "last": None}
    assert both[0](x=1).names is not ours.names
    assert asdict(both[0](x=1, names=["a"], secret="b")) == asdict(both[1](x=1, names=["a"], secret="b"))


@pytest.mark.parametrize(
    "arguments", [(), (1,), (1, "b"), (1, "b", ["c"], "d"), (1, "b", ["c"], "d", 5), (1, "b", ["c"], "d", 5, 6)]
)
def test_parameters_are_taken_in_order_or_by_name(
    both: tuple[type[Any], type[Any]], arguments: tuple[Any, ...]
) -> None:
    ours, theirs = (outcome(lambda cls=cls: asdict(cls(*arguments))) for cls in both)  # type: ignore[misc]
    assert ours == theirs
    kinds = [
        [(name, parameter.kind) for name, parameter in inspect.signature(cls).parameters.items()] for cls in both
    ]
    assert kinds[0] == kinds[1]


def test_equal_are_those_of_one_class_whose_compared_fields_are(both: tuple[type[Any], type[Any]]) -> None:
    def compared(cls: type[Any]) -> list[bool]:
        first, second = cls(x=1, secret="a"), cls(x=1, secret="b")
        other = type("Other", (cls,), {})(x=1)
        return [first == second, first == first, first == cls(x=2), first != second, first == other, first == 1]

    assert compared(both[0]) == compared(both[1])


def test_a_hash_is_that_of_what_is_compared(both: tuple[type[Any], type[Any]]) -> None:
    def hashed(cls: type[Any]) -> object:
        return outcome(lambda: hash(cls(x=1, names=(), secret="a")) == hash(cls(x=1, names=(), secret="b")))

    assert hashed(both[0]) == hashed(both[1])


def test_it_is_printed_without_what_is_not_to_be(both: tuple[type[Any], type[Any]]) -> None:
    ours, theirs = (repr(cls(x=1)) for cls in both)
    assert ours == theirs or (ours.startswith("<") and theirs.startswith("<"))
    assert "secret" not in ours


def test_what_is_frozen_takes_no_other_value(both: tuple[type[Any], type[Any]]) -> None:
    def changed(cls: type[Any]) -> list[object]:
        point = cls(x=1)
        found = [outcome(lambda: setattr(point, "x", 2)), outcome(lambda: delattr(point, "x"))]
        return [*found, outcome(lambda: point.x), outcome(lambda: setattr(point, "unknown", 2)) is not None]

    assert changed(both[0]) == changed(both[1])


def test_the_standard_library_knows_its_fields(both: tuple[type[Any], type[Any]]) -> None:
    def known(cls: type[Any]) -> object:
        return cls.__match_args__, [(each.name, each.type, each.kw_only) for each in fields(cls)], cls.__doc__

    assert known(both[0]) == known(both[1])
    assert asdict(replace(both[0](x=1), y="z")) == asdict(replace(both[1](x=1), y="z"))
    assert hasattr(both[0], "__slots__") == hasattr(both[1], "__slots__")


def test_a_class_is_ready_when_it_has_its_values(both: tuple[type[Any], type[Any]]) -> None:
    for cls in both:
        point = cls(x=1)
        assert cls.made == [point]


def test_a_copy_has_the_same_values(both: tuple[type[Any], type[Any]]) -> None:
    for cls in both:
        point = cls(x=1, names=["a"])
        copied = copy.copy(point)
        assert asdict(copied) == asdict(point)
        assert copied.names is point.names


@pytest.mark.parametrize("options", [each for each in OPTIONS if each.keys() >= {"frozen", "slots"}])
@pytest.mark.parametrize("arguments", [(), (1,), (1, "b"), (1, "b", ["c"], "d", 5), (1, "b", ["c"], "d", 5, 6)])
def test_what_makes_values_quickly_makes_the_same(options: dict[str, bool], arguments: tuple[Any, ...]) -> None:
    cls = defined(values.dataclass, options)
    make = values.maker(cls)
    given: dict[str, Any] = dict(zip([each.name for each in fields(cls)], arguments, strict=False))
    for expected, made in (
        (outcome(lambda: cls(*arguments)), outcome(lambda: make(*arguments))),
        (outcome(lambda: cls(**given)), outcome(lambda: make(**given))),
    ):
        if isinstance(expected, type):  # of what was raised
            assert made is expected
            continue
        point: Any = made
        assert type(point) is cls
        assert asdict(point) == asdict(expected)  # type: ignore[call-overload]
        assert any(each is point for each in cls.made)
        with pytest.raises(FrozenInstanceError):
            point.x = 2
    assert make(x=1).names is not make(x=1).names


@pytest.mark.parametrize("options", [{"frozen": True}, {"slots": True}])
def test_only_frozen_ones_with_slots_are_made_quickly(options: dict[str, bool]) -> None:
    for cls in (defined(values.dataclass, options), int, defined(standard, {"frozen": True, "slots": True})):
        with pytest.raises(TypeError):
            values.maker(cls)
        with pytest.raises(TypeError):
            values.reader(cls, {}, {})


def test_of_a_list_a_value_is_made_field_by_field() -> None:
    cls = defined(values.dataclass, {"frozen": True, "slots": True})
    names = [each.name for each in fields(cls)]
    read = values.reader(cls, {names[0]: f"double({names[0]})"}, {"double": lambda x: 2 * x}, behind=1)
    point: Any = read(["anything", 4, *names[1:]])
    assert type(point) is cls
    assert [getattr(point, name) for name in names] == [8, *names[1:]]
    assert any(each is point for each in cls.made)
    with pytest.raises(FrozenInstanceError):
        point.x = 2
    for other in ([], ["anything", 4, *names[1:], 5]):
        with pytest.raises(ValueError, match="values to unpack"):
            read(other)


# -- classes of a module ---------------------------------------------------------------------------


@values.dataclass(frozen=True, slots=True)
class Base:
    """With slots."""

    first: int


@values.dataclass(frozen=True, slots=True)
class Derived(Base):
    """With a field more, and another default."""

    second: int = 2
    third: int = 3

    def __repr__(self) -> str:
        return "derived"


@values.dataclass(frozen=True)
class Open:
    """Without slots."""

    first: int


@values.dataclass(frozen=True, slots=True)
class Empty:
    """Without fields."""


@pytest.mark.parametrize("value", [Base(1), Derived(1, 5), Open(1), Empty()])
def test_a_pickle_has_the_same_values(value: object) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(value, protocol)) == value


def test_a_derived_class_has_the_fields_of_both() -> None:
    assert values.maker(Derived)(1, third=4) == Derived(1, 2, 4)
    assert asdict(Derived(1)) == {"first": 1, "second": 2, "third": 3}
    assert Derived(1) == Derived(1, 2, 3) != Base(1)
    assert not hasattr(Derived(1), "__dict__")
    with pytest.raises(FrozenInstanceError):
        Derived(1).first = 2  # type: ignore[misc]


def test_a_class_without_slots_can_be_derived_from_one_with_slots() -> None:
    @values.dataclass(frozen=True, slots=True)
    class Slotted:
        number: int

    @values.dataclass(frozen=True)
    class Plain(Slotted):
        name: str = "-"

    assert (Plain(1, "a").number, Plain(1, "a").name) == (1, "a")
    assert Plain(1) == Plain(1) != Plain(2)
    assert copy.copy(Plain(1, "a")) == Plain(1, "a")


@pytest.mark.parametrize("fields", [values.MANY - 1, values.MANY, values.MANY + 1])
def test_nothing_can_be_assigned_to_any_frozen_one_even_of_a_derived_class(fields: int) -> None:
    names = [f"n{number}" for number in range(fields)]
    plain = type("Kind", (), {"__annotations__": dict.fromkeys(names, "int")})
    kind: type[Any] = values.dataclass(frozen=True, slots=True)(plain)
    for cls in (kind, type("Derived", (kind,), {})):
        value = cls(*range(fields))
        assert type(value) is cls
        assert [getattr(value, name) for name in names] == list(range(fields))
        for name in [*names, "__class__", "unknown"]:
            with pytest.raises(FrozenInstanceError):
                setattr(value, name, 1)


@pytest.mark.parametrize("fields", [values.MANY - 1, values.MANY])
def test_a_generic_one_may_have_many_fields_too(fields: int) -> None:
    names = [f"n{number}" for number in range(fields)]

    class Kind(Generic[Item]):
        __annotations__ = dict.fromkeys(names, "int")

    kind = values.dataclass(frozen=True, slots=True)(Kind)
    assert [getattr(kind(*range(fields)), name) for name in names] == list(range(fields))


def test_a_method_that_the_class_has_stays() -> None:
    assert repr(Derived(1)) == "derived"
    assert repr(Base(1)) == "Base(first=1)"


def test_a_class_without_fields_is_equal_to_itself() -> None:
    assert Empty() == Empty()
    assert hash(Empty()) == hash(Empty())
    assert repr(Empty()) == "Empty()"


def test_patterns_know_the_order_of_its_fields() -> None:
    match Derived(1, 5):
        case Derived(first, second):
            assert (first, second) == (1, 5)
        case _:
            pytest.fail("no match")


@values.dataclass(slots=True)
class Node:
    """May hold itself."""

    next: Node | None = None


def test_what_holds_itself_can_be_printed() -> None:
    node = Node()
    node.next = node
    assert repr(node) == "Node(next=...)"


def test_one_kind_cannot_be_derived_from_the_other() -> None:
    class Wrong(Base):
        pass

    with pytest.raises(TypeError):
        dataclasses.dataclass(frozen=True)(Wrong)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("dataclass", [values.dataclass, standard])
def test_a_field_that_is_not_given_has_its_default(dataclass: Decorator, options: dict[str, bool]) -> None:
    class Counted:
        name: str
        count: int = field(init=False, default=0)
        seen: list[str] = field(init=False, default_factory=list)

    counted = dataclass(**options)(Counted)
    one, other = counted(name="one"), counted(name="other")
    assert (one.name, one.count, one.seen) == ("one", 0, [])
    one.seen.append("once")
    assert other.seen == []
    assert replace(one, name="two").seen == []
    assert list(inspect.signature(counted).parameters) == ["name"]
    if dataclass is values.dataclass and {"frozen", "slots"} <= {*options}:
        assert (values.maker(counted)(name="one").count, values.maker(counted)(name="one").seen) == (0, [])


@pytest.mark.parametrize("dataclass", [values.dataclass, standard])
def test_a_field_that_is_not_given_is_stored_by_the_class_itself(dataclass: Decorator) -> None:
    class Name:
        first: str
        last: str = ""
        full: str = field(init=False, repr=False, compare=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "full", f"{self.first} {self.last}".strip())

    Name.__qualname__ = "Name"
    name = dataclass(frozen=True, slots=True)(Name)
    lee = name("Lee", last="Parker")
    assert (lee.full, repr(lee)) == ("Lee Parker", "Name(first='Lee', last='Parker')")
    assert replace(lee, last="").full == "Lee"
    assert hash(lee) == hash(name("Lee", "Parker"))
    assert list(inspect.signature(name).parameters) == ["first", "last"]
    with pytest.raises(TypeError):
        name("Lee", "Parker", full="Lee Parker")
