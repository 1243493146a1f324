"""Compiled code that remembers where attributes lie finds what the interpreter finds, whatever becomes of types."""

import gc
import importlib.util
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from dwctl.core.settings import environment
from tests.processes import ROOT

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("compiled")]

READER = """
from typing import Any

def read(found: Any) -> Any:
    return found.value

def call(found: Any, given: int) -> Any:
    return found.told(given)

def write(found: Any, given: Any) -> None:
    found.value = given
"""
BUILD = """
import setuptools
from mypyc.build import mypycify
from tools.compiled import remember_places

[extension] = mypycify(["reader.py"])
remember_places(extension)
setuptools.setup(name="reader", ext_modules=[extension], script_args=["--quiet", "build_ext", "--inplace"])
"""
Said = tuple[str, object]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two functions, compiled: one reads an attribute, one calls a method."""
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        pytest.skip("this Python has no headers to compile against")
    place = tmp_path_factory.mktemp("reader")
    (place / "reader.py").write_text(READER)
    built = subprocess.run(
        [sys.executable, "-c", BUILD],
        cwd=place,
        env={**environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    [made] = place.glob("reader.*.so")
    return made


@pytest.fixture
def reader(library: Path, tmp_path: Path) -> ModuleType:
    """They have met no type yet: a copy is another library."""
    library = Path(shutil.copy(library, tmp_path))
    spec = importlib.util.spec_from_file_location("reader", library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Slotted:
    """A slot, and a method."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def told(self, given: int) -> object:
        return ("slotted", given)


class Below(Slotted):
    """The slot of its base; a method of its own, and an instance dictionary."""

    def told(self, given: int) -> object:
        return ("below", given)


class Plain:
    """An instance dictionary alone."""

    def __init__(self, value: object) -> None:
        self.value = value

    def told(self, given: int) -> object:
        return ("plain", given)


class Computed:
    """A property, and an attribute of the class that is no function."""

    told = staticmethod(lambda given: ("static", given))

    @property
    def value(self) -> object:
        return "computed"


class Hooked:
    """Finds attributes by itself."""

    def __getattr__(self, name: str) -> Any:
        return (lambda given: ("hooked", given)) if name == "told" else name


class Struct(msgspec.Struct):
    """What most of the gateway's values are."""

    value: object

    def told(self, given: int) -> object:
        return ("struct", given)


class Untracked(msgspec.Struct, gc=False):
    """What a record is."""

    value: object

    def told(self, given: int) -> object:
        return ("untracked", given)


class Frozen(msgspec.Struct, frozen=True, gc=False):
    """Cannot be set."""

    value: object

    def told(self, given: int) -> object:
        return ("frozen", given)


class Watched(Untracked, gc=False):
    """Sees each of its attributes set."""

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, (name, value))


def said(step: Callable[[], object]) -> Said:
    """What it gives or raises."""
    try:
        return "gave", step()
    except (AttributeError, TypeError) as error:
        return type(error).__name__, str(error)


def interpreted(found: Any, given: object) -> None:
    """What the compiled function does, by the interpreter."""
    found.value = given


def agree(reader: ModuleType, found: Any) -> None:
    """The compiled functions do what the interpreter does."""
    assert said(lambda: reader.read(found)) == said(lambda: found.value)
    assert said(lambda: reader.call(found, 3)) == said(lambda: found.told(3))


def agree_to_write(reader: ModuleType, found: Any) -> None:
    """Setting too does what the interpreter does, and is seen by either."""
    for given in (object(), object()):
        by_interpreter = said(partial(interpreted, found, given))
        seen = said(lambda: found.value)
        assert said(partial(reader.write, found, given)) == by_interpreter
        assert said(lambda: found.value) == seen == said(lambda: reader.read(found))


def everything() -> list[Any]:
    """An object of each kind."""
    return [
        *(Slotted(1), Below(2), Plain(3), Computed(), Hooked(), Struct(4), Struct(5), 7, None, Slotted),
        *(Untracked(6), Frozen(7), Watched(8)),
    ]


def test_kinds_in_any_order(reader: ModuleType) -> None:
    kinds = everything()
    for one in kinds:
        for other in kinds:
            for each in (one, other):
                agree(reader, each)
                if each is not Slotted:
                    agree_to_write(reader, each)


@pytest.mark.parametrize("number", range(len(everything())))
def test_a_place_that_meets_one_kind(reader: ModuleType, number: int) -> None:
    for _ in range(3):
        found = everything()[number]
        agree(reader, found)
        if found is not Slotted:
            agree_to_write(reader, found)


@pytest.mark.parametrize("number", range(5))
def test_what_is_not_set_is_told(reader: ModuleType, number: int) -> None:
    del number
    unset = Slotted(1)
    agree(reader, unset)
    del unset.value
    agree(reader, unset)
    unset.value = 2
    agree(reader, unset)


def test_a_slot_that_is_not_set_can_be(reader: ModuleType) -> None:
    unset = Slotted(1)
    reader.write(unset, 2)
    del unset.value
    agree_to_write(reader, unset)


def test_the_garbage_collector_sees_what_a_struct_is_set_to(reader: ModuleType) -> None:
    """A struct tells it of itself once it holds something that the collector looks after."""
    for _ in range(3):
        found = Struct(1)
        assert not gc.is_tracked(found)
        reader.write(found, [])
        assert gc.is_tracked(found)


def test_a_type_that_changes_is_looked_at_anew(reader: ModuleType) -> None:
    class Changing:
        __slots__ = ("__dict__", "value")
        told: Any
        value: Any

    slot = Changing.__dict__["value"]
    Changing.told = lambda _, given: ("first", given)
    found = Changing()
    found.value = 1
    changes: tuple[Callable[[], None], ...] = (
        lambda: setattr(Changing, "told", lambda _, given: ("second", given)),
        lambda: setattr(Changing, "value", property(lambda _: "property")),
        lambda: setattr(Changing, "value", "of the class"),
        lambda: setattr(Changing, "value", slot),
        lambda: found.__dict__.update(told=lambda given: ("instance", given)),
        lambda: delattr(Changing, "told"),
        lambda: setattr(Changing, "__getattr__", lambda _, name: name),
    )
    for change in changes:
        for _ in range(2):
            agree(reader, found)
            agree_to_write(reader, found)
        change()
        agree(reader, found)
        agree_to_write(reader, found)


def test_a_base_that_changes_is_looked_at_anew(reader: ModuleType) -> None:
    class Base:
        __slots__ = ()
        value: Any

        def told(self, given: int) -> object:
            return ("base", given)

    class Child(Base):
        __slots__ = ("value",)

    def changed(self: Base, given: int) -> object:
        return (type(self), given)

    found = Child()
    found.value = 1
    agree(reader, found)
    Base.told = changed  # type: ignore[method-assign]
    agree(reader, found)


@pytest.mark.parametrize(
    "lent", [Slotted.__dict__["value"], Struct.__dict__["value"], bytearray.__dict__["append"]]
)
def test_what_belongs_to_another_type_is_not_read(reader: ModuleType, lent: Any) -> None:
    """A descriptor knows places in objects of its own type alone."""

    class Borrowing:
        __slots__ = ("other",)
        value = lent
        told = lent

    found: Any = Borrowing()
    found.other = "what lies at that place here"
    for _ in range(3):
        agree(reader, found)
        agree_to_write(reader, found)


def test_types_that_come_and_go(reader: ModuleType) -> None:
    """More than one place remembers, at the addresses of those that are gone."""
    for number in range(200):
        made = type(
            "Made", (), {"__slots__": ("other", "value")[number % 2 :], "told": lambda _, given: given}
        )
        found: Any = made()
        found.value = number
        agree(reader, found)
        agree_to_write(reader, found)
        del found, made


def test_nothing_is_kept_or_lost(reader: ModuleType) -> None:
    value = object()
    found = Slotted(value)
    reader.read(found)
    before = sys.getrefcount(value), sys.getrefcount(Slotted.told)
    for _ in range(1000):
        reader.write(found, object())
        reader.write(found, value)
        reader.read(found)
        reader.call(found, 1)
    assert (sys.getrefcount(value), sys.getrefcount(Slotted.told)) == before
