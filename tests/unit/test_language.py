"""The language of the project: findable names, plain docstrings, short sentences, one glossary."""

import re

from tests.documents import ROOT, code_spans, documents, rows, sentences
from tests.source import FOLDERS, PACKAGES, docstrings, files, names

QUESTIONS = {"what", "how", "whose", "whether", "who", "where", "when", "which", "why"}
# Words that nobody would search for: each named a file or a function once, and did not say what it was about.
WORDS = """
    waiting watching watch looking showing choosing acting alike stepwise front flush earlier ends evidence portions
    packing pulse tether lifeline surroundings place
"""
NOT_FINDABLE = set(WORDS.split())
EXCEPTIONS = {
    ("gristmill/client", "flush"): "part of the client's public API; the usual word for emptying a local buffer",
    ("docs/python-client.md", "flush"): "the same",
    ("shared/states.py", "WAITING"): "the set of states in which a job waits",
    ("docs/command-line.md", "watch"): "what readers type: the option's and the command's name, as in other tools",
}
LONGEST_SENTENCE = 35  # words


def is_excepted(location: str, name: str) -> bool:
    return any(location.startswith(path) and name == word for path, word in EXCEPTIONS)


def listed(findings: list[str]) -> str:
    return f"{len(findings)} findings:\n" + "\n".join(findings)


def test_no_docstring_begins_with_a_question_word() -> None:
    findings = [
        f"{location}: {line}"
        for file in files(*FOLDERS)
        for location, line in docstrings(file)
        if re.split(r"\W", line, maxsplit=1)[0].lower() in QUESTIONS
    ]
    assert not findings, listed(findings)


def test_no_name_is_a_word_that_nobody_would_search_for() -> None:
    findings = [
        f"{location}: {name}"
        for file in files(*FOLDERS)
        for location, name in names(file)
        if name.strip("_").lower() in NOT_FINDABLE and not is_excepted(location, name)
    ]
    assert not findings, listed(findings)


def test_no_code_in_the_docs_has_a_name_that_nobody_would_search_for() -> None:
    findings = [
        f"{page.relative_to(ROOT)}: `{span}`"
        for page in documents()
        for span in code_spans(page.read_text())
        for word in set(re.findall(r"\w+", span.lower())) & NOT_FINDABLE
        if not is_excepted(str(page.relative_to(ROOT)), word)
    ]
    assert not findings, listed(findings)


def test_no_sentence_of_the_docs_is_too_long() -> None:
    findings = [
        f"{page.relative_to(ROOT)}: {len(sentence.split())} words: {sentence}"
        for page in documents()
        for sentence in sentences(page.read_text())
        if len(sentence.split()) > LONGEST_SENTENCE
    ]
    assert not findings, listed(findings)


def test_each_module_name_is_in_the_glossary() -> None:
    words = {
        word.strip(" `").lower().replace(" ", "_")
        for row in rows((ROOT / "docs" / "glossary.md").read_text())
        for word in row[0].split(",")
    }
    modules = {file.parent.name if file.name == "__init__.py" else file.stem for file in files(*PACKAGES)}
    lacking = sorted(f"{name}" for name in modules if name.removeprefix("queries_") not in words)
    assert not lacking, listed(lacking)
