"""The pages that people read name files, headings and functions that exist."""

import fnmatch
import re
from pathlib import Path

from tests.documents import ROOT, anchors, code_spans, documents, links, rows
from tests.source import FOLDERS, files, functions

FILE = re.compile(r"[\w.*/-]+\.(?:py|md|sql|ya?ml|toml|txt|in|html|json|example)|(?:[\w.*-]+/)+(?:Dockerfile)?")
EXAMPLES = {
    "tests/test_send_invoice.py": "docs/your-first-project.md: a reader's own file, which `gristmill new` writes",
    **{
        f"tests/test_{name}.py": "docs/test-your-tasks.md: a reader's own file"
        for name in ("invoices", "draining", "time", "cancelling", "application")
    },
    ".gristmill/": "made by `make up`",
    ".cache/": "made by the measurements",
}
TOP = {path.name for path in ROOT.iterdir()}
NAMES = {file.name for file in files(*FOLDERS, "tests")}


def is_there(page: Path, name: str) -> bool:
    """True when `name` is a path from the root or from the page's folder, or the bare name of one of our modules."""
    return any(list(base.glob(name)) for base in (ROOT, page.parent)) or bool(fnmatch.filter(NAMES, name))


def named_files(page: Path) -> list[tuple[str, str]]:
    """Return the files that a page names between backticks, each with the function after its colon."""
    spans = (span.partition(":") for span in code_spans(page.read_text()))
    return [
        (name, function)
        for name, _, function in spans
        if FILE.fullmatch(name) and (name.split("/")[0] in TOP or "/" not in name) and not is_example(name)
    ]


def is_example(name: str) -> bool:
    return any(name.startswith(example) for example in EXAMPLES)


def test_every_file_that_a_page_names_exists() -> None:
    missing = [
        f"{page.relative_to(ROOT)}: {name}"
        for page in documents()
        for name, _ in named_files(page)
        if not is_there(page, name)
    ]
    assert not missing, "\n".join(missing)


def test_every_function_that_a_page_names_behind_a_file_is_defined_there() -> None:
    missing = [
        f"{page.relative_to(ROOT)}: {name}:{function}"
        for page in documents()
        for name, function in named_files(page)
        if function and (not (ROOT / name).is_file() or function not in functions(ROOT / name))
    ]
    assert not missing, "\n".join(missing)


def test_every_link_of_a_page_leads_to_a_file_and_to_a_heading_in_it() -> None:
    broken = []
    for page in documents():
        for target in links(page.read_text()):
            name, _, anchor = target.partition("#")
            file = page.parent / name if name else page
            if not file.exists() or (anchor and anchor not in anchors(file.read_text())):
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert not broken, "\n".join(broken)


def test_the_map_answers_twenty_questions_with_one_file_each() -> None:
    answers = {question: code_spans(answer) for question, answer in rows((ROOT / "docs" / "map.md").read_text())}
    assert len(answers) == 20
    assert [question for question, spans in answers.items() if len(spans) != 1 or ":" not in spans[0]] == []


def test_every_decision_has_a_status_and_a_date_and_is_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text()
    header = re.compile(r"# \d+\. .+\n\nStatus: (accepted|superseded by \d{4})\nDate: \d{4}-\d\d-\d\d\n\n")
    pages = sorted(folder.glob("0*.md"))
    assert len(pages) > 30
    assert [page.name for page in pages if not header.match(page.read_text()) or page.name not in index] == []
