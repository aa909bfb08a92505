"""The scripts as they are sent: complete, well-formed, without stray globals."""

from __future__ import annotations

import hashlib
import re
from importlib import resources
from itertools import combinations
from pathlib import Path

import pytest

from flowforge.model.slot import CHILD_SLOT_INDEX
from flowforge.store import lua_files
from flowforge.store.lua_files import includes_of, resolve, within
from flowforge.store.rendering import LOADER, parts_of
from flowforge.store.scripts import SCRIPTS, all_scripts, script_names
from tests.support.fleet import ROOT
from tests.unit.store.lua_globals import globals_of
from tests.unit.store.lua_names import used_includes

#: What the server gives to scripts and ours use.
KNOWN = {
    "ARGV", "KEYS", "redis", "string", "table", "math", "tonumber", "tostring", "ipairs", "pairs",
    "error", "unpack", "type", "next", "cjson", "cmsgpack", "select", "pcall", "assert",
}  # fmt: skip

LUA = resources.files("flowforge.store") / "lua"


def test_every_file_is_a_script() -> None:
    """What lies in the directory can be run by its name."""
    files = {entry.name.removesuffix(".lua") for entry in LUA.iterdir() if entry.is_file()}
    assert set(script_names()) == files
    assert {"submit", "claim", "commit", "fail", "pause", "resume", "cancel"} <= files


@pytest.mark.parametrize("name", script_names())
def test_a_script_uses_no_unknown_global(name: str) -> None:
    """A forgotten include or a typing error shows here and not on a rare path."""
    used = globals_of(SCRIPTS[name].source)
    assert {global_name for global_name, _ in used} <= KNOWN
    assert not [global_name for global_name, written in used if written]


def test_the_look_for_globals_finds_them() -> None:
    """Reads and writes, at the top and in functions."""
    source = "local a = 1\nlocal function f() return a + b end\nc = f()"
    assert globals_of(source) == {("b", False), ("c", True)}


@pytest.mark.parametrize("name", script_names())
def test_a_script_is_complete(name: str) -> None:
    """Everything that is included is there, the file itself last; the digest is the source's."""
    script = SCRIPTS[name]
    files = [part.file for part in script.parts]
    assert [file for file in files if file != LOADER][-1] == f"{name}.lua"
    for file in set(files) - {LOADER}:
        text = (LUA_ROOT / file).read_text()
        included = [*includes_of(text), *within(text)]
        assert {f"include/{include}.lua" for include in included} <= set(files)
    assert script.sha == hashlib.sha1(script.source.encode()).hexdigest()
    assert script.name == name


@pytest.mark.parametrize("name", script_names())
def test_a_script_says_what_it_does(name: str) -> None:
    """Its file begins with what it is for, what goes in and what comes out."""
    text = (LUA / f"{name}.lua").read_text()
    header = "".join(line for line in text.splitlines(True) if line.startswith("--"))
    assert re.match(r"-- [A-Z]", text)
    assert "-- In:" in header
    assert "-- Out:" in header


LUA_ROOT = ROOT / "flowforge/store/lua"
FILES = sorted(LUA_ROOT.rglob("*.lua"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(LUA_ROOT).as_posix())
def test_a_file_includes_what_it_uses_itself(path: Path) -> None:
    """Neither more, which misleads readers, nor less, which works by the order of others."""
    text = path.read_text()
    head, inside = includes_of(text), within(text)
    assert len(head) == len(set(head))
    assert not set(head) & set(inside)
    assert {*head, *inside} == used_includes(path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(LUA_ROOT).as_posix())
def test_arguments_are_read_on_the_first_lines(path: Path) -> None:
    """A transition gives each its name there; includes take what they need from their callers."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("--")]
    if path.parent == LUA_ROOT:
        first = next((n for n, line in enumerate(lines) if "ARGV" not in line), len(lines))
        assert not [line for line in lines[first:] if "ARGV" in line]
        assert all(line.startswith("local ") for line in lines[:first])
    else:
        # The root of all keys.
        own = ["local P = ARGV[1]"] if path.stem == "base" else []
        assert [line for line in lines if "ARGV" in line] == own


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(LUA_ROOT).as_posix())
def test_a_file_makes_no_key_by_itself(path: Path) -> None:
    """Keys come from the table in store/keys.py; commands go by the short name of base.lua."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("--")]
    if path.stem != "base":
        assert not [line for line in lines if re.search(r"(?<!#)\bP\b|redis\.call", line)]


def test_every_include_is_used() -> None:
    """No rule lies around that no script follows."""
    used = {part.file for script in all_scripts() for part in script.parts}
    there = {path.relative_to(LUA_ROOT).as_posix() for path in FILES}
    assert {file for file in there if "/" in file} == used - {LOADER} - {
        f"{n}.lua" for n in script_names()
    }


def test_names_on_include_lines_have_one_order() -> None:
    """The order says which function is made where, and with it what a script costs."""
    before = {pair for path in FILES for pair in combinations(includes_of(path.read_text()), 2)}
    assert not {(a, b) for a, b in before if (b, a) in before}


def test_includes_come_after_what_they_include() -> None:
    """An include that several need stands once, before the first of them."""
    texts = {"a": "--@include b, c", "b": "--@include c", "c": ""}
    assert resolve("script", "--@include a, c", texts.__getitem__) == ["c", "b", "a"]


def test_includes_that_include_each_other_are_refused() -> None:
    """The error names the circle."""
    texts = {"a": "--@include b", "b": "--@include c", "c": "--@include b"}
    with pytest.raises(ValueError, match="b -> c -> b"):
        resolve("script", "--@include a", texts.__getitem__)


def _rendered(monkeypatch: pytest.MonkeyPatch, text: str, **includes: str) -> list[str]:
    """The lines of a script with these includes, without those that name them."""
    texts = {f"include/{name}.lua": include for name, include in includes.items()}
    monkeypatch.setattr(lua_files, "TEXTS", texts)
    source = "".join(part.text for part in parts_of("script", text))
    return [line for line in source.splitlines() if "@include" not in line]


def test_what_is_included_within_a_function_is_made_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With what it needs in turn, unless that stands in front."""
    assert _rendered(
        monkeypatch,
        "--@include up\nlocal function f()\n  --@include inner\n  inner()\nend\n",
        up="local up\n",
        inner="--@include up, down\nlocal inner = up + down\n",
        down="local down, other\n",
    ) == [
        "local rarely, made", "local up",
        "function rarely(number)",
        "local rules = made and made[number]", "if rules then return rules end",
        "if number < 2 then",
        "local rare = rarely(2)", "local down = rare.down",
        "local inner = up + down", "rules = { inner = inner }",
        "else",
        "local down, other", "rules = { down = down, other = other }",
        "end",
        "made = made or {}", "made[number] = rules", "return rules",
        "end",
        "local function f()",
        "local rare = rarely(1)", "local inner = rare.inner", "  inner()",
        "end",
    ]  # fmt: skip


def test_what_several_functions_need_stands_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run makes it once, too."""
    inner = "local function {0}()\n  --@include down\n  down()\nend\n"
    lines = _rendered(
        monkeypatch, "--@include f, g\n", f=inner.format("f"), g=inner.format("g"),
        down="local function down()\nend\n",
    )  # fmt: skip
    assert lines.count("local function down()") == 1
    assert lines.count("local rare = rarely(1)") == 2


def test_what_stands_in_front_is_not_made_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in front of it asks for it all the same; one behind it, and what is rare, sees it."""
    lines = _rendered(
        monkeypatch,
        "--@include f, down\nif x then\n  --@include rule\n  rule(down)\nend\n",
        f="local function f()\n  --@include down\n  down()\nend\n",
        down="local function down()\nend\n",
        rule="--@include down\nlocal rule = down\n",
    )
    assert lines.count("local function down()") == 1
    assert lines.count("local down = rare.down") == 1
    assert lines[lines.index("if number < 2 then") :][:5] == [
        "if number < 2 then", "rules = { down = down }", "else", "local rule = down",
        "rules = { rule = rule }",
    ]  # fmt: skip


def test_rules_that_need_each_other_within_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is made by the other's run."""
    lines = _rendered(
        monkeypatch, "if x then\n  --@include a\n  a()\nend\n",
        a="local function a()\n  --@include b\n  b()\nend\n",
        b="--@include a\nlocal function b()\n  a()\nend\n",
    )  # fmt: skip
    assert lines.count("local a = rare.a") == 2
    assert lines.count("local b = rare.b") == 1


def test_what_rules_share_stands_in_front(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several change it: a copy of a name would not do."""
    lines = _rendered(
        monkeypatch, "if x then\n  --@include rule\n  rule()\nend\n", base="local P\n",
        rule="--@include state\nlocal function rule()\n  spent = 1\nend\n", state="local spent\n",
    )  # fmt: skip
    assert lines.index("local spent") < lines.index("function rarely(number)")
    assert "rules = { spent = spent }" not in lines


@pytest.mark.parametrize("name", script_names())
def test_what_files_share_is_there_once(name: str) -> None:
    """Two rules must not each have a table of jobs of their own."""
    files = [part.file for part in SCRIPTS[name].parts]
    assert files.count("include/state.lua") <= 1
    assert files.count("include/base.lua") <= 1


@pytest.mark.parametrize("name", script_names())
def test_every_line_is_known_by_its_file(name: str) -> None:
    """What the server says of line n of the whole can be found in the file that it comes from."""
    script = SCRIPTS[name]
    lines = list(script.lines())
    assert [text for _, _, text in lines] == script.source.splitlines()
    for file, number, text in lines:
        if file != LOADER and "k_" not in (
            original := (LUA / file).read_text().splitlines()[number - 1]
        ):
            assert text == original


def test_no_comment_holds_a_call_that_makes_a_key() -> None:
    """The loader would put the text that makes the key into the comment."""
    texts = [path.read_text() for path in Path(str(LUA)).rglob("*.lua")]
    assert texts
    assert [line for text in texts for line in re.findall(r"--.*\bk_\w+\(.*", text)] == []


def test_the_slot_of_child_jobs_is_the_models() -> None:
    """The invocation that waits for a child job is known by it, in Lua and in Python."""
    text = (LUA_ROOT / "include/child_jobs.lua").read_text()
    assert f"local CHILD_SLOT = '{CHILD_SLOT_INDEX}'" in text


def test_scripts_name_their_locals_within_luas_limit() -> None:
    """Lua takes at most 200 locals in one function. What stands within a function counts there."""
    for name in script_names():
        own = (LUA / f"{name}.lua").read_text()
        before = resolve(name, own, lambda include: (LUA / f"include/{include}.lua").read_text())
        texts = [(LUA / f"include/{include}.lua").read_text() for include in before]
        found = [
            re.findall(r"^local (?:function )?([\w, ]+)", text, re.MULTILINE)
            for text in [*texts, own]
        ]
        assert sum(len(names.split(",")) for top in found for names in top) < 180, name


#: What applications run; workers run these and the others.
PRODUCERS = {
    "annotate", "bulk_abort", "bulk_collect", "bulk_start", "bulk_step", "cancel", "delete_job",
    "edit", "label", "name", "note", "pause", "pause_queue", "requeue", "reschedule", "resume",
    "resume_queue", "run_now", "skip", "submit",
}  # fmt: skip


@pytest.mark.parametrize(
    ("user", "names"), [("worker", set(script_names())), ("producer", PRODUCERS)]
)
def test_the_documented_rights_are_enough_for_the_scripts(user: str, names: set[str]) -> None:
    """Also for those that run seldom: the page on access lists names every command."""
    page = (ROOT / "docs/how-to/access-lists.md").read_text()
    line = re.search(rf"^ACL SETUSER ff-{user} ([^(\n]+)", page, re.MULTILINE)
    assert line is not None
    used = {
        command.lower()
        for name in names
        for command in re.findall(r"(?:call|shared)\('([A-Z]+)'", SCRIPTS[name].source)
    }
    assert used - {word.removeprefix("+") for word in line[1].split()} == set()
