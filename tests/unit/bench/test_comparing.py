"""What becomes of the figures of a comparison: medians, spreads, ratios, the page and the chart."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.peers import aims, chart, environments
from bench.peers.figures import LINES, Figures
from bench.peers.markdown import Page, cell
from bench.peers.marks import MARK, Marks, latencies, steady_rate
from bench.peers.peer import EXECUTE, WORKS, Spec
from bench.peers.roster import BY_NAME, OURS, PEERS
from gristmill.process import ServiceFailedError

TITLES = {OURS: "Gristmill", "rq": "RQ", "huey": "huey & <co>"}


def three_rounds() -> Figures:
    figures = Figures(OURS)
    for number, (ours, theirs) in enumerate([(100.0, 50.0), (200.0, 300.0), (400.0, 100.0)], start=1):
        figures.add(number, OURS, {"noop": ours, "idle_p50": 10.0})
        figures.add(number, "rq", {"noop": theirs, "idle_p50": 5.0})
    return figures


def page(figures: Figures, image: str | None = None) -> str:
    specs = (BY_NAME[OURS], BY_NAME["rq"])
    versions = {OURS: {"gristmill": "1.2.3"}, "rq": {"rq": "4.5.6"}}
    made = Page(specs=specs, versions=versions, servers="Postgres 18", syncs=[0.2], loads=[1.0])
    return made.render(figures, image)


def test_a_rate_is_that_of_the_middle_jobs() -> None:
    slow_start_and_end = [0.0, *[10 + at / 100 for at in range(98)], 99.0]
    assert steady_rate(slow_start_and_end) == pytest.approx(100)


def test_one_job_has_no_rate() -> None:
    with pytest.raises(ValueError, match="too few"):
        steady_rate([1.0])


def test_the_first_jobs_of_a_series_do_not_count_as_latencies() -> None:
    marks = [(100.0 if at == 0 else at + 0.002, float(at)) for at in range(10)]
    assert latencies(marks) == pytest.approx([2.0] * 9)


def test_marks_that_were_forgotten_are_not_read(tmp_path: Path) -> None:
    marks = Marks(tmp_path / "marks")
    assert marks.count() == 0
    marks.path.write_bytes(MARK.pack(1.0, 0.5))
    marks.forget()
    with marks.path.open("ab") as file:
        file.write(MARK.pack(3.0, 2.5) + MARK.pack(2.0, 1.5) + b"half a mark")
    assert marks.count() == 2
    assert marks.read() == [(2.0, 1.5), (3.0, 2.5)]


def test_a_ratio_compares_figures_of_the_same_round() -> None:
    found = three_rounds().summary("rq", "noop")
    assert found is not None
    assert (found.median, found.least, found.most, found.ratio) == (100.0, 50.0, 300.0, 0.5)


def test_ours_has_no_ratio_and_what_was_not_measured_no_summary() -> None:
    figures = three_rounds()
    ours = figures.summary(OURS, "noop")
    assert ours is not None
    assert ours.ratio is None
    assert figures.summary("rq", "batch") is None


def test_a_round_that_failed_is_left_out_of_the_medians() -> None:
    figures = three_rounds()
    figures.add(4, OURS, {"noop": 100.0})
    figures.fail("RQ", "it stood still")
    found = figures.summary("rq", "noop")
    assert found is not None
    assert found.ratio == 0.5
    assert "it stood still" in page(figures)


def test_a_shorter_latency_is_ahead_and_a_lower_rate_is_not() -> None:
    assert three_rounds().behind({"rq": "RQ"}) == [("to start, idle, p50", ["RQ ×0.5"])]


def test_figures_come_back_from_their_file() -> None:
    figures = three_rounds()
    assert Figures.from_json(figures.as_json()).summary("rq", "noop") == figures.summary("rq", "noop")


def test_a_cell_tells_median_spread_and_ratio() -> None:
    assert cell(three_rounds().summary("rq", "noop")) == "100 (50.0–300) ×0.5"
    assert cell(None) == "–"


def test_the_page_tells_figures_versions_setups_and_who_is_ahead() -> None:
    text = page(three_rounds(), "peers.svg")
    assert "| RQ | 100 (50.0–300) ×0.5 | – | – |" in text
    assert "![" in text
    assert "- **RQ** (rq 4.5.6): Valkey" in text
    assert "- to start, idle, p50: RQ ×0.5" in text
    assert "What is missing" not in text


def test_the_page_tells_of_each_aim_whether_it_was_met() -> None:
    figures = three_rounds()
    figures.add(4, OURS, {"noop": 100.0, "batch": 14_999.0})
    figures.add(4, "celery", {"noop": 10.0})
    told = aims.rows(figures, TITLES | {"celery": "Celery"})
    assert told == [
        "| accepted, 1,000 a call, a second | ≥ 15,000 | 14,999 | **missed** |",
        "| executed, nothing to do, with all state, ours to theirs | ≥ 5.0 × | Celery 10 | met |",
        "| executed, nothing to do, with all state, ours to theirs | ≥ 1.0 × | RQ 2.0 | met |",
        "| to start, idle, p50, ms | ≤ 10.0 | 10.0 | met |",
    ]
    assert "\n".join(told) not in page(figures)  # Celery took no part there
    assert "| executed, nothing to do, with all state, ours to theirs | ≥ 1.0 × | RQ 2.0 | met |" in page(figures)


def test_the_chart_has_a_bar_for_each_figure_and_escapes_names() -> None:
    figures = three_rounds()
    figures.add(1, "huey", {"noop": 25.0})
    drawing = chart.draw(figures, TITLES)
    assert set(TITLES.values()).issubset(text.text for text in drawing.texts)
    widths = {box.width for box in drawing.boxes if box.height > 10}
    assert max(widths) < drawing.width
    root = ET.fromstring(drawing.svg())  # noqa: S314  our own text
    assert "huey & <co>" in [element.text for element in root]
    assert all(box.x >= 0 and box.x + box.width <= drawing.width for box in drawing.boxes)
    assert all(0 <= text.y <= drawing.height for text in drawing.texts)


@pytest.mark.parametrize("spec", PEERS, ids=lambda spec: spec.name)
def test_each_peer_says_how_it_is_set_up_and_has_work_for_what_is_measured(spec: Spec) -> None:
    assert set(spec.works) <= set(WORKS)
    assert spec.setup
    assert spec.backlog.keys() == set(EXECUTE) & set(spec.works)
    assert "half" not in spec.works or "wait" in spec.works, "half of what would the load be?"


def test_every_line_has_a_name_of_its_own() -> None:
    assert len({line.name for line in LINES}) == len(LINES)


def test_a_node_peer_is_left_out_where_npm_is_not_to_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environments, "CACHE", tmp_path / "peers")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(environments.NotHereError, match="npm"):
        environments.node("bullmq")


def test_an_environment_that_cannot_be_installed_tells_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(environments, "CACHE", tmp_path / "peers")
    (tmp_path / "nothing.txt").write_text("no requirement at all\n")
    with pytest.raises(ServiceFailedError, match="run the same command again"):
        environments.python("nothing", tmp_path)
