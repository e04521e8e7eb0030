"""Pragma lines of a source file: found, split into words, and held against the grammar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hbnn_hw.backends.hls.dialect import HlsTool
from hbnn_hw.verify.hls_lint.finding import Finding, Rule
from hbnn_hw.verify.hls_lint.grammar import DIRECTIVES, STORAGE, Directive, Option, Value
from hbnn_hw.verify.hls_lint.sources import without_block_comments

_LINE = re.compile(r"^[ \t]*#[ \t]*pragma\b(?P<body>(?:\\\r?\n|[^\n])*)", re.MULTILINE)
_OPERATOR = re.compile(r"\b_Pragma\s*\(")
_WORD = re.compile(r"[^\s=]+(?:\s*=\s*[^\s=]+)?|=")
_INTEGER = re.compile(r"\d+|0[xX][0-9a-fA-F]+")
_CONSTANT = re.compile(r"[A-Za-z_]\w*(?:::\w+)*")
_PATH = re.compile(r"[A-Za-z_]\w*(?:(?:\.|->)[A-Za-z_]\w*)*")


@dataclass(frozen=True, slots=True)
class Setting:
    """One option that a pragma sets.

    Attributes
    ----------
    option
        Its entry in the grammar.
    text
        The value as written; the flag itself for a flag.
    """

    option: Option
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pragma:
    """One pragma that the grammar knows.

    Attributes
    ----------
    file, line
        Where it stands.
    directive
        Its entry in the grammar.
    settings
        Its options, as far as the grammar knows them.
    """

    file: str
    line: int
    directive: Directive
    settings: tuple[Setting, ...]

    def get(self, name: str) -> str | None:
        """Return the text of an option, None if it is not set."""
        return next((s.text for s in self.settings if s.option.name == name), None)

    def integer(self, name: str) -> int | None:
        """Return the number of an option, None if it is not set or not a literal."""
        text = self.get(name)
        return int(text, 0) if text is not None and _INTEGER.fullmatch(text) else None

    def finding(self, rule: Rule, what: str, remedy: str) -> Finding:
        """Return a finding at this pragma."""
        return Finding(self.file, self.line, rule, what, remedy)


def _tools_text(tool: HlsTool) -> str:
    return {HlsTool.VIVADO_HLS: "Vivado HLS", HlsTool.VITIS_HLS: "Vitis HLS"}[tool]


def _other(tool: HlsTool) -> HlsTool:
    return next(other for other in HlsTool if other is not tool)


def _fits(option: Option, text: str) -> bool:
    if option.value is Value.CHOICE:
        return text.lower() in option.choices
    if option.value is Value.INTEGER:
        if _INTEGER.fullmatch(text):
            return int(text, 0) >= option.minimum
        return _CONSTANT.fullmatch(text) is not None
    if option.value in (Value.VARIABLE, Value.PORT):
        return _PATH.fullmatch(text) is not None
    return True


def _legal(options: list[Option]) -> str:
    words = sorted({choice for option in options for choice in option.choices})
    if words:
        return f"one of {', '.join(words)}"
    if options[0].value is Value.INTEGER:
        return f"an integer of at least {options[0].minimum}"
    return "a name"


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one pragma line of a project of one tool."""

    file: str
    line: int
    tool: HlsTool

    def finding(self, rule: Rule, what: str, remedy: str) -> Finding:
        return Finding(self.file, self.line, rule, what, remedy)

    def dialect(self, what: str) -> Finding:
        return self.finding(
            Rule.PRAGMA_DIALECT,
            f"{what} must be spelled for {_tools_text(self.tool)}, not for {_tools_text(_other(self.tool))}",
            "translate it in the back end's dialect module",
        )

    def setting(self, directive: Directive, word: str) -> Setting | Finding:
        """Look one word of a pragma up."""
        name, equals, text = (part.strip() for part in word.partition("="))
        if equals:
            options = [o for o in directive.options if o.named and o.name.lower() == name.lower()]
            matching = [o for o in options if _fits(o, text)]
            legal = [o for o in matching if self.tool in o.named]
        else:
            text = name
            options = [o for o in directive.options if o.bare]
            matching = [o for o in options if name.lower() in (o.choices or {o.name.lower()})]
            legal = [o for o in matching if self.tool in o.bare]
        if legal:
            return Setting(legal[0], text)
        if matching:
            return self.dialect(f"'{word}' of {directive.name}")
        if equals and options:
            what = f"'{name}' of {directive.name} must be {_legal(options)}, not '{text}'"
            return self.finding(Rule.PRAGMA_OPTION, what, "write a value that the tool knows")
        known = ", ".join(sorted({o.name for o in directive.options if self.tool in o.named | o.bare}))
        what = f"the options of {directive.name} must be among {known or 'none'}, not '{word}'"
        return self.finding(Rule.PRAGMA_OPTION, what, "correct or remove the option")

    def missing(self, pragma: Pragma) -> Iterator[Finding]:
        """Find options that are missing or set twice."""
        names = [setting.option.name for setting in pragma.settings]
        for name in {name for name in names if names.count(name) > 1}:
            yield self.finding(
                Rule.PRAGMA_OPTION,
                f"'{name}' of {pragma.directive.name} must be set once, not {names.count(name)} times",
                "remove the others",
            )
        for option in pragma.directive.options:
            if option.required and option.name not in names:
                yield self.finding(
                    Rule.PRAGMA_OPTION, f"{pragma.directive.name} must have '{option.name}'", "add it"
                )
        yield from _combinations(pragma)

    def read(self, body: str) -> tuple[Pragma | None, list[Finding]]:
        """Read the words behind ``#pragma``."""
        words = [match[0] for match in _WORD.finditer(body)]
        if words == ["once"]:
            return None, []
        if not words or words[0].upper() != "HLS" or len(words) < 2:
            what = f"a pragma of synthesized code must be '#pragma HLS DIRECTIVE', not '#pragma {body}'"
            return None, [self.finding(Rule.PRAGMA_UNKNOWN, what, "correct the spelling or remove it")]
        directive = DIRECTIVES.get(words[1].upper())
        if directive is None:
            what = f"the HLS tools must know the directive, not '{words[1]}'"
            return None, [self.finding(Rule.PRAGMA_UNKNOWN, what, "correct the spelling")]
        found = [self.setting(directive, word) for word in words[2:]]
        settings = tuple(item for item in found if isinstance(item, Setting))
        pragma = Pragma(file=self.file, line=self.line, directive=directive, settings=settings)
        findings = [item for item in found if isinstance(item, Finding)]
        if self.tool not in directive.tools:
            return pragma, [self.dialect(directive.name)]
        # A word that was not understood may be the one that would be missed.
        return pragma, findings or list(self.missing(pragma))


def _combinations(pragma: Pragma) -> Iterator[Finding]:
    """Find options that exclude or need each other."""
    kind = (pragma.get("type") or "").lower()
    splits = pragma.directive.name in ("ARRAY_PARTITION", "ARRAY_RESHAPE")
    if splits and (pragma.get("factor") is not None) != (kind in ("block", "cyclic")):
        what = f"a factor must be given for block and cyclic, and only there, not for '{kind}'"
        yield pragma.finding(Rule.PRAGMA_OPTION, what, "add or remove 'factor'")
    impl = pragma.get("impl")
    if impl is not None and kind in STORAGE and impl.lower() not in STORAGE[kind].split():
        what = f"a memory of type '{kind}' must be one of {', '.join(STORAGE[kind].split())}, not '{impl}'"
        yield pragma.finding(Rule.PRAGMA_OPTION, what, "choose another type or implementation")
    if pragma.get("register side") is not None and pragma.get("register") is None:
        what = f"'{pragma.get('register side')}' must follow 'register'"
        yield pragma.finding(Rule.PRAGMA_OPTION, what, "add 'register'")


def _without_comment(body: str) -> str:
    body = body.replace("\\\r\n", " ").replace("\\\n", " ")
    return re.sub(r"//.*", " ", body).strip()


def read_pragmas(file: str, text: str, tool: HlsTool) -> tuple[list[Pragma], list[Finding]]:
    """Read every pragma of a file.

    Parameters
    ----------
    file
        Name for findings.
    text
        Its C++.
    tool
        Whose grammar to hold them against.

    Returns
    -------
    tuple
        The pragmas that the grammar knows, in order, and what is wrong with any of them.
    """
    pragmas: list[Pragma] = []
    findings: list[Finding] = []
    text = without_block_comments(text)
    for match in _LINE.finditer(text):
        reader = _Reader(file, text.count("\n", 0, match.start()) + 1, tool)
        pragma, wrong = reader.read(_without_comment(match["body"]))
        findings += wrong
        if pragma is not None:
            pragmas.append(pragma)
    for match in _OPERATOR.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        what = "a pragma must be a '#pragma' line, not '_Pragma', which the tools do not reliably see"
        findings.append(Finding(file, line, Rule.PRAGMA_POSITION, what, "write a '#pragma HLS' line"))
    return pragmas, findings
