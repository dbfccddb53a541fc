"""Pages that are made from data: the claims, the results, the speed, the reference of the module."""

import dataclasses
import importlib
import inspect
import json
import statistics
import tomllib
from importlib.util import find_spec

from course import chapter_of, claim_names, find_anchors, load_notebooks
from series import FOLDERS, HANDOUT, NOTEBOOKS, names

import rlpjepa
from rlpjepa.pretrain import PretrainConfig

RESULTS = NOTEBOOKS / "results"
GROUPS = {
    "S": "Self-supervised learning and collapse",
    "T": "Targets",
    "P": "Projected marginals",
    "R": "RDMReg",
    "F": "Rectified LpJEPA",
}


def write(folder):
    """Write claims.md, results.md, speed.md and api.md into a folder."""
    for name, page in (
        ("claims", claims_page()),
        ("results", results_page()),
        ("speed", speed_page()),
        ("api", api_page()),
    ):
        (folder / f"{name}.md").write_text(page, encoding="utf-8")


def navigation(handout):
    """The site's tables of contents of the notebooks, one for each kind."""
    blocks = []
    for kind in HANDOUT if handout else FOLDERS:
        pages = "\n".join(f"notebooks/{name}" for name in names(kind))
        blocks.append(f"```{{toctree}}\n:hidden:\n:caption: {kind}\n\n{pages}\n```")
    return "\n\n".join(blocks)


# Claims


def claims_page():
    """Every claim of claims.toml, with a link to the cell that shows it."""
    listed = tomllib.loads((NOTEBOOKS / "claims.toml").read_text(encoding="utf-8"))
    notebooks = load_notebooks()
    shown, sections = find_anchors(notebooks), sections_of_claims(notebooks)
    lines = [
        "# Claims",
        f"The series tests {len(listed['claim'])} statements. Each is tested by a cell that stops the notebook when "
        "the test fails: a theorem on examples, R7 and F1 to F6 on recorded runs. The links lead to these cells. Where "
        "a source is looser than the statement, a note says so.",
        listed["notation"],
        "**Sources.** " + " · ".join(one_line(text) for text in listed["sources"].values()),
    ]
    for letter, title in GROUPS.items():
        lines.append(f"## {title}")
        lines += [claim_card(c, shown, sections) for c in listed["claim"] if c["id"].startswith(letter)]
    return "\n\n".join(lines) + "\n"


def claim_card(claim, shown, sections):
    name = claim["id"]
    if name in shown:
        cell = f"[{sections[name]}](#claim-{name.lower()})"
    else:
        chapter = claim["chapter"]
        cell = f"not by a cell yet; it belongs in [chapter {chapter[:2]}](notebooks/{chapter}.ipynb)"
    note = f"\n\n*Note.* {claim['note'].strip()}" if "note" in claim else ""
    return (
        f"(statement-{name.lower()})=\n::::{{card}} {name}\n:class-card: claim\n\n"
        f"{claim['statement'].strip()}{note}\n\n"
        f":::{{card-footer}}\nShown: {cell}. Source: {one_line(claim['source'])}.\n:::\n::::"
    )


def sections_of_claims(notebooks):
    """{claim: "chapter 02, section 4 · How many entries are non-zero"}."""
    found = {}
    for page, notebook in notebooks.items():
        section = ""
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                headings = [line[3:].strip() for line in "".join(cell["source"]).splitlines() if line.startswith("## ")]
                section = headings[-1] if headings else section
            for name in claim_names(cell):
                found[name] = f"chapter {chapter_of(page)}, section {section}"
    return found


def one_line(text):
    return " ".join(text.split())


# Results

COLUMNS = {
    "encoder_knn": "encoder kNN",
    "encoder_probe": "encoder probe",
    "projector_knn": "projector kNN",
    "projector_probe": "projector probe",
    "nonzero_fraction": "non-zero",
    "expected_nonzero_fraction": "Eq. 11",
    "dead_fraction": "dead",
}
DATASETS = {
    "cifar100": "The real images: 50,000 for training, 10,000 for testing, 100 classes.",
    "shapes": "Images that the package draws itself: 6,000 for training, 2,000 for testing, 20 classes. They need no "
    "network; their accuracies say nothing about CIFAR-100.",
}


def read_results(dataset):
    """{name: content} of one dataset's result files."""
    results = {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((RESULTS / dataset).glob("*.json"))
    }
    for name, result in results.items():
        if result["config"]["dataset"] != dataset:
            raise ValueError(f"{dataset}/{name}.json is a result on {result['config']['dataset']}")
    return results


def results_page():
    """One table for each dataset, and where each number comes from."""
    lines = [
        "---\nhtml_theme.sidebar_secondary.remove: true\n---",
        "# Results",
        "One run, one line, one file of `notebooks/results/`. Accuracies on test images, in percent: nearest "
        "neighbours (kNN: cosine, k = 20) and a linear probe (logistic regression to convergence), on the features of "
        "the encoder and of the projector. *Non-zero* is the share of non-zero entries of the projector's output, "
        "*Eq. 11* what the closed form says for the target, *dead* the share of features that are non-zero on fewer "
        "than 1 in 1000 test images; all in percent. Minutes are those on the clock, with the threads named below; a "
        "few runs sat through long pauses. Published tables use other probes and other budgets: compare with care "
        "(evidence of chapter 05).",
        '<a href="lab.html#networks&measure=encoder_probe">In the lab</a> each run is drawn, beside your own.',
    ]
    for dataset, text in DATASETS.items():
        results = read_results(dataset)
        usual = list_settings({key: value for key, value in usual_settings(results).items() if value is not None})
        text = f"{text} Where a run does not say otherwise: {usual}."
        lines += [f"## {dataset}", text, results_table(dataset, results)]
        lines += [f"### Where the numbers on {dataset} come from", provenance_table(dataset, results)]
    return "\n\n".join(lines) + "\n"


def settings(result):
    """What was asked for; the device and how often to save say nothing about a result."""
    left_out = ("dataset", "data_dir", "device", "cuda_graph", "checkpoint_seconds")
    options = dataclasses.asdict(PretrainConfig()) | result["config"]  # an older file lacks newer options
    plain = {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
    return {key: value for key, value in plain.items() if key not in left_out}


def usual_settings(results):
    """For each option the value that most runs have, of those that train. An older file may lack a newer option."""
    runs = [settings(result) for result in results.values()]
    trained = [settings(result) for result in results.values() if result["epochs"]]
    keys = sorted({key for run in runs for key in run})
    return {key: statistics.mode(run[key] for run in with_key(key, trained) or with_key(key, runs)) for key in keys}


def with_key(key, runs):
    return [run for run in runs if key in run]


def results_table(dataset, results):
    usual = usual_settings(results)
    rows = []
    for name, result in results.items():
        own = {key: value for key, value in settings(result).items() if value != usual[key]}
        final = dict(result["final"])
        if not result["epochs"]:  # no target without training
            final["expected_nonzero_fraction"] = None
        numbers = [percent(final.get(key)) for key in COLUMNS]
        rows.append([name, *numbers, minutes(result["final"]["seconds"]), list_settings(own)])
    return table(f"results-{dataset}", ["run", *COLUMNS.values(), "minutes", "differs in"], rows)


def list_settings(some):
    return ", ".join(f"{key} {show(value)}" for key, value in some.items())


def provenance_table(dataset, results):
    rows = []
    for name, result in results.items():
        last = result["provenance"]
        for source in (*last.get("earlier", []), last):  # a run that was finished elsewhere has several
            versions = ", ".join(f"{key} {value}" for key, value in source["versions"].items())
            data = ", ".join(f"{part} {md5[:8]}" for part, md5 in source["data_md5"].items())
            commit = (source["commit"] or "?")[:8]
            rows.append([name, source["date"], commit, source["hardware"], source["precision"], versions, data])
    head = ["run", "date", "commit", "hardware", "precision", "versions", "MD5 of the data"]
    return table(f"provenance-{dataset}", head, rows, "sources")


# Speed


def speed_page():
    """One table for each file of results/bench."""
    lines = [
        "# Speed",
        "`make bench` runs the package beside plain versions of the same thing, in turn and on the same machine: the "
        "sampler, the loss (against the plain loss of the minimal example and against POT), and the whole training "
        "step. *Times* means how many times as long the other one takes. *Its time over the floor* is, for the loss, "
        "its time over that of the matrix products that no way can do without; for the step, over what the arithmetic "
        "of its convolutions and matrix products takes at the measured rate of one large product.",
    ]
    for path in sorted((RESULTS / "bench").glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        source = record["provenance"]
        rows = [
            [
                f"`{name}`" if "--" in name else name,  # options of a command, which are no dashes
                *(f"{row[key]:.2f}" for key in ("median", "low", "high")),
                row["unit"],
            ]
            for name, row in record["rows"].items()
        ]
        versions = ", ".join(f"{key} {value}" for key, value in source["versions"].items())
        lines += [
            f"## {path.stem}",
            table(f"speed-{path.stem}", ["what", "median", "lowest", "highest", "unit"], rows),
            f"`{record['command']}`, {source['date']}, commit {(source['commit'] or '?')[:8]}, {source['hardware']}, "
            f"{source['precision']}; {versions}.",
        ]
    return "\n\n".join(lines) + "\n"


# The module

CHAPTERS = {
    "Chapter 01: spheres": ["spheres"],
    "Chapter 02: the distribution of the target": ["distributions"],
    "Chapter 03: projections": ["projections"],
    "Chapter 04: losses": ["losses"],
    "Chapter 05: network": ["model"],
    "Chapter 05: images and their views": ["data", "augment"],
    "Chapter 05: training and evaluation": ["train", "evaluate", "pretrain"],
    "All chapters: figures": ["figures", "explore"],
}
FOREIGN = "Distribution, Module, Sequential, Exception, tuple"  # base classes whose members are not ours


def api_page():
    """What `rlpjepa` exports, from its docstrings, by chapter."""
    lines = [
        "# The module",
        "`rlpjepa` is the small module that the notebooks import. The names of chapters 01 to 05 can be imported from "
        "`rlpjepa` itself: `from rlpjepa import rdmreg_loss, sample_rgg`; those of the loop, of whole runs and of the "
        "figures from `rlpjepa.train`, `rlpjepa.pretrain` and `rlpjepa.figures`. *[source]* beside a name shows its "
        "code.",
    ]
    for title, modules in CHAPTERS.items():
        there = [module for module in modules if find_spec(f"rlpjepa.{module}")]
        lines += [f"## {title}", *map(module_reference, there)]
    return "\n\n".join(lines) + "\n"


def module_reference(module):
    """A module's docstring, then what it gives to `rlpjepa`, in the order of its source, or else all that is public."""
    public = {name: getattr(rlpjepa, name) for name in rlpjepa.__all__}
    listed = getattr(importlib.import_module(f"rlpjepa.{module}"), "__all__", ())
    names = [name for name, thing in public.items() if thing.__module__ == f"rlpjepa.{module}" or name in listed]
    names.sort(key=lambda name: inspect.getsourcelines(public[name])[1])
    lines = [
        f".. automodule:: rlpjepa.{module}",
        "   :no-index:" if names else "   :members:",
        "",
        ".. currentmodule:: rlpjepa",
        "",
    ]
    for name in names:
        if isinstance(public[name], type):
            lines += [f".. autoclass:: {name}", "   :members:", f"   :inherited-members: {FOREIGN}", ""]
        else:
            lines += [f".. autofunction:: {name}", ""]
    return "\n".join(["```{eval-rst}", *lines, "```"])


# Tables


def percent(fraction):
    return "–" if fraction is None else f"{100 * fraction:.1f}"


def minutes(seconds):
    return f"{seconds / 60:.1f}"


def show(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return "/".join(map(str, value))
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def table(name, head, rows, kind="numbers"):
    """A Markdown table with an anchor."""
    lines = [f"| {' | '.join(map(str, row))} |" for row in (head, ["---"] * len(head), *rows)]
    return f"({name})=\n{{.{kind}}}\n" + "\n".join(lines)
