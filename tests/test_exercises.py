"""The exercises: right answers pass their check however they are written, wrong ones hear what is wrong with them.

To add an exercise, add its entry to ANSWERS, or to that of the chapter's own module.
"""

import ast
import functools
import importlib
import math
import re
import sys

import jupytext
import numpy as np
import pytest
import torch
from scipy import stats

from rlpjepa import sample_rgg, spheres

from . import answers03, answers04, answers05
from .series import NOTEBOOKS, names

sys.path.insert(0, str(NOTEBOOKS / "exercises"))
from checks import CHECKS, check  # noqa: E402

PARTS = ("exercise", "hint", "stub", "solution", "check")


# Other right answers and wrong ones, where a line does not hold them.


def radius_by_simulation(d, p, sigma):
    generator = torch.Generator().manual_seed(1)
    n = 50_000 if d < 50 else 1000
    power = torch._standard_gamma(torch.full((n, d), 1 / p, dtype=torch.float64), generator=generator).sum(1)
    return (sigma * (p * power) ** (1 / p)).mean()


def radius_by_log_gamma(d, p, sigma, scale=lambda p: p):
    return np.exp(math.lgamma((d + 1) / p) - math.lgamma(d / p)) * scale(p) ** (1 / p) * sigma


def spread_by_newton(phi, v, z):
    phi, lam = np.asarray(phi), 0.0
    for _ in range(200):
        share = np.exp(-lam * phi - np.max(-lam * phi))
        share /= share.sum()
        mean = (share * phi).sum()
        lam += np.clip((mean - v) / max((share * phi**2).sum() - mean**2, 1e-12), -0.2, 0.2)
    return share / np.trapezoid(share, np.asarray(z))


def laplace_with_mean(phi, v, z):
    """Right mass and right mean of φ, found by bisection over the scale, but always a Laplace density."""
    low, high = 1e-2, 1e2
    for _ in range(60):
        middle = math.sqrt(low * high)
        share = torch.softmax(-z.abs() / middle, 0)
        low, high = (middle, high) if (share * phi).sum() < v else (low, middle)
    return share / (z[1] - z[0])


def elastic_net_of_one_number(w_hat, s, b, tau):
    if w_hat < 0:
        return -elastic_net_of_one_number(-w_hat, s, b, tau)
    return max(float(w_hat) - s**2 / b, 0.0) / (1 + s**2 / tau**2)


def elastic_net_by_search(w_hat, s, b, tau):
    grid = torch.arange(-4500, 4501, dtype=torch.float64) / 1000
    return grid[((grid - w_hat[:, None]) ** 2 / (2 * s**2) + grid.abs() / b + grid**2 / (2 * tau**2)).argmin(1)]


def soft(w_hat, threshold):
    return w_hat.sign() * (w_hat.abs() - threshold).clamp(min=0)


def distance_by_two_samples(d, p, n=6000):
    def slopes(sample, seed):
        u = sample(n, d, p, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).abs()
        return torch.logsumexp((2 * p - 2) * u.log(), 1).numpy().round(6)

    return stats.ks_2samp(slopes(spheres.sample_cone, 1), slopes(spheres.sample_surface, 2)).statistic


def ratio(d, p):
    u = spheres.sample_cone(20_000, d, p, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).abs()
    slope = u.pow(2 * p - 2).sum(1).sqrt()
    return slope / slope.mean()


def draw_in_a_loop(n, mu, sigma, generator):
    draws = []
    for _ in range(n):
        u, coin = torch.rand(2, generator=generator).tolist()
        z = -sigma * math.log(1 - u)
        draws.append(max(0.0, mu + z if coin < 0.5 else mu - z))
    return draws


def draw(n, mu, sigma, generator, gate=lambda a: a, scale=lambda sigma: sigma, size=None, least=lambda mu: 0):
    """The recipe of exercise 02.2, with places to break it."""
    active = torch.rand(n, generator=generator) < gate(0.5 * math.exp(mu / sigma))
    size = torch.rand(n if size is None else size, generator=generator)
    return active * (least(mu) - scale(sigma) * torch.log1p(-size))


def choose_by_search(a):
    """μ and σ of unit variance after rectification by bisection over σ, as arrays."""
    low, high = 0.1, 100.0
    for _ in range(60):
        sigma = (low + high) / 2
        low, high = (sigma, high) if a * sigma**2 * (2 - a) < 1 else (low, sigma)
    return np.array([sigma * np.log(2 * a), sigma])


def fraction_by_grid(m, h=lambda a, m: a * (1 + np.log(m / a)) - a * np.log(a) - (1 - a) * np.log(1 - a), size=20_001):
    a = np.arange(1, size + 1) / (size + 1)
    return a[np.argmax(h(a, m))]


def tie_by_grid(p, q, unit_variance=True, sign=-1):
    mu = sign * torch.linspace(0.3, 4.0, 2001, dtype=torch.float64)

    def fraction(shape):
        s = math.sqrt(math.gamma(1 / shape) / math.gamma(3 / shape)) / shape ** (1 / shape) if unit_variance else 1
        inside = torch.special.gammainc(torch.tensor(1 / shape).double(), (mu / s).abs() ** shape / shape)
        return (1 + mu.sign() * inside) / 2

    return mu[(fraction(p).log() - fraction(q).log()).abs().argmin()]


def groups_in_a_loop(n, d, g, mu, sigma, generator):
    x = np.zeros((n, d))
    for start in range(0, d, g):
        active = torch.rand(n, generator=generator).numpy() < 0.5 * np.exp(mu / sigma)
        x[active, start : start + g] = torch.empty(active.sum(), g).exponential_(1 / sigma, generator=generator).numpy()
    return x


def groups(n, d, g, mu, sigma, generator, repeat=torch.repeat_interleave, coins=None, members=None):
    """The recipe of exercise 02.6, with places to break it."""
    active = torch.rand(n, coins or d // g, generator=generator) < 0.5 * math.exp(mu / sigma)
    active = repeat(active, d // active.shape[1], 1)
    size = -sigma * torch.log1p(-torch.rand(n, d // (members or 1), generator=generator))
    return active * size.repeat_interleave(members or 1, 1)


def groups_of_like_sizes(n, d, g, mu, sigma, generator, change=0.0):
    """As if the sizes of one group were drawn and given to all groups; or, with a ``change``, nearly these."""
    share = torch.rand(n, 1, g, generator=generator) + change * torch.rand(n, d // g, g, generator=generator)
    sizes = -sigma * torch.log1p(-share.remainder(1)).expand(n, d // g, g).reshape(n, d)
    return (groups(n, d, g, mu, sigma, generator) > 0) * sizes


# {exercise: ([other right answers], [(wrong answer, phrase of the message)])}; an answer is one value, or a tuple of
# all arguments of `check`.
ANSWERS = {
    "01.1": (
        [torch.tensor(3.464), np.float32(3.46)],
        [
            (4, "varied equally"),
            (2.31, "variances"),
            (1.2425, "one more step"),
            (6.0, "cannot be"),
            (3.0, "not 3.000"),
            (3.5, "3.5 is near, but three significant digits"),
        ],
    ),
    "01.2": (
        [
            lambda p: ([0, 0, 3], (-3.0, 0, 0)),
            lambda p: np.eye(4)[1:3],
            lambda p: (torch.tensor([1e-9, 0], requires_grad=True), torch.tensor([0, -1e-9])),
        ],
        [
            (lambda p: ([1.0, 1.0], [1.0, 1.0]), "holds for your vectors"),
            (lambda p: ([1.0, 0.0], [-1.0, 0.0]), "holds for your vectors"),
            (lambda p: ([1.0, 0.0], [0.0, 3.0]), "others break it more"),
            (lambda p: ([1.0, 0.0], [0.0, 0.0]), "is zero"),
            (lambda p: ([1.0, 0.0], [0.0, 1.0, 0.0]), "one length"),
            (lambda p: 2.0, "two vectors"),
            (lambda p: (1.0, 2.0), "should be vectors"),
            (2.0, "should be a function"),
        ],
    ),
    "01.3": (
        [radius_by_simulation, radius_by_log_gamma],
        [
            (lambda d, p, sigma: d ** (1 / p) * sigma, "mean of a root"),
            (lambda d, p, sigma: d * sigma**p, "p-th power of the radius"),
            (functools.partial(radius_by_log_gamma, scale=lambda p: 1), "which scale does the Gamma distribution"),
            (lambda d, p, sigma: radius_by_log_gamma(d, p, sigma**p), "not for σ"),
            (lambda d, p, sigma: radius_by_log_gamma(d, p, 1), "not for σ"),
            (lambda d, p, sigma: radius_by_log_gamma(d + 1, p, sigma), "times the right one"),
            (lambda d, p, sigma: radius_by_log_gamma(min(d, 100), p, sigma), "right for small d"),
            (
                lambda d, p, sigma: sigma * math.gamma((d + 1) / p) / math.gamma(d / p) * p ** (1 / p),
                "right for small d, but at d = 256, p = 0.5 it stops",
            ),
            (lambda d, p, sigma: -1.0, "positive"),
        ],
    ),
    "01.4": (
        [spread_by_newton],
        [
            (lambda phi, v, z: (-phi / v).exp(), "the integral of your density is 2"),
            (lambda phi, v, z: torch.softmax(-phi / v, 0), "add up to 1"),
            (lambda phi, v, z: torch.softmax(-phi / v, 0) / (z[1] - z[0]), "mean of φ under your density"),
            (laplace_with_mean, "less entropy"),
            (lambda phi, v, z: torch.ones_like(z) / 40, "mean of φ under your density"),
            (lambda phi, v, z: 1.0, "of shape (4001,)"),
        ],
    ),
    "01.5": (
        [elastic_net_of_one_number, elastic_net_by_search],
        [
            (lambda w, s, b, tau: soft(w, s**2 / b), "the ridge is left"),
            (lambda w, s, b, tau: w * tau**2 / (tau**2 + s**2), "the lasso is left"),
            (lambda w, s, b, tau: soft(w * tau**2 / (tau**2 + s**2), s**2 / b), "is too small"),
            (lambda w, s, b, tau: (w - s**2 / b).clamp(min=0) / (1 + s**2 / tau**2), "the lasso is left"),
            (lambda w, s, b, tau: soft(w, s**2 / b) / (1 + s**2 / tau**2) + 1e-6, "not nearly zero"),
        ],
    ),
    "01.6": (
        [distance_by_two_samples, lambda d, p: (1 - ratio(d, p)).clamp(min=0).mean().numpy()],
        [
            (lambda d, p: (ratio(d, p) - 1).abs().mean(), "factor 1/2"),
            (lambda d, p: ratio(d, p).mean(), "the distance is not 1.000"),
            (lambda d, p: (ratio(2, p) - 1).abs().mean() / 2, "too large"),
            (lambda d, p: 1.5, "between 0 and 1"),
        ],
    ),
    "02.1": (
        [(0.0296, 0.8784, 0.1216), (torch.tensor(0.02956), np.float64(0.87844), 0.12156)],
        [
            ((0.1216**2, 0.8784, 0.1216), "square of the given fraction"),
            ((0.0608, 0.8784, 0.1216), "half of the given fraction"),
            ((0.9704, 0.8784, 0.1216), "fraction of zeros"),
            ((0.0296, 0.1216, 0.1216), "μ = 1: 0.1216 is the fraction of zeros"),
            ((0.0296, 0.8784, 0.0296), "combination of μ and σ"),
            ((2.96, 87.8, 12.16), "between 0 and 1"),
            ((0.0296, 0.5, 0.1216), "μ = 1: not 0.5"),
        ],
    ),
    "02.2": (
        [draw_in_a_loop, lambda n, mu, sigma, g: sample_rgg((n,), 1.0, mu, sigma, generator=g), draw],
        [
            (functools.partial(draw, gate=lambda a: 1 - a), "exchanged"),
            (functools.partial(draw, gate=lambda a: 2 * a), "are non-zero. By Eq. 11"),
            (functools.partial(draw, scale=lambda sigma: 1 / sigma), "a rate for a scale"),
            (functools.partial(draw, scale=lambda sigma: 1.0), "mean of your non-zero draws"),
            (functools.partial(draw, least=lambda mu: -mu), "which is σ + |μ|"),
            (functools.partial(draw, size=1), "one size drawn for all"),
            (functools.partial(draw, gate=lambda a: 1), "exactly zero"),
            (functools.partial(draw, scale=lambda sigma: -sigma), "negative"),
            (lambda n, mu, sigma, g: draw(n, mu, sigma, None), "equal generators give different"),
            (lambda n, mu, sigma, g: draw(n, mu, sigma, torch.Generator().manual_seed(3)), "different generators"),
            (lambda n, mu, sigma, g: draw(n // 2, mu, sigma, g).repeat_interleave(2), "the next one is zero"),
            (lambda n, mu, sigma, g: sample_rgg((n,), 2.0, 0.0, sigma, generator=g), "By Eq. 11"),
            (lambda *rest: draw(*rest).sign() * rest[2] * 2 * torch.rand(rest[0], generator=rest[3]), "mean square"),
        ],
    ),
    "02.3": (
        [choose_by_search, lambda a: [torch.tensor(math.log(2 * a)) / (a * (2 - a)) ** 0.5, (a * (2 - a)) ** -0.5]],
        [
            (lambda a: (math.log(2 * a) / 2**0.5, 0.5**0.5), "*before* rectification"),
            (lambda a: (math.log(2 * a) * (2 * a) ** -0.5, (2 * a) ** -0.5), "mean *square*"),
            (lambda a: (-math.log(2 * a), 1.0), "a fraction a of zeros"),
            (lambda a: (math.log(a), 1.0), "give a non-zero fraction of"),
            (lambda a: (math.log(2 * a), 1.0), "the right fraction, but a variance of"),
            (lambda a: choose_by_search(a)[::-1].copy(), "first μ, then σ"),
            (lambda a: 1.0, "two numbers"),
        ],
    ),
    "02.4": (
        [
            fraction_by_grid,
            lambda m: fraction_by_grid(m, size=99),
            lambda m: torch.tensor(2 / (1 + math.sqrt(1 + 4 / m))),
        ],
        [
            (lambda m: math.e * m / (1 + math.e * m), "*non-zero* entries fixed"),
            (lambda m: min(m, 1.0), "of the coin"),
            (lambda m: 0.618, "for every m"),
            (lambda m: (math.sqrt(m**2 + 4 * m) + m) / 2, "between 0 and 1"),
            (lambda m: m / (1 + m), "less than the best one"),
            (lambda m: math.nan, "nan"),
        ],
    ),
    "02.5": (
        [tie_by_grid, lambda p, q: {(0.5, 2.0): -1.89, (1, 2): -1.68, (0.5, 1): -2.24, (4, 1): -1.58}[p, q]],
        [
            (lambda p, q: 0.0, "another tie"),
            (functools.partial(tie_by_grid, sign=1), "a negative μ is wanted"),
            (functools.partial(tie_by_grid, unit_variance=False), "no tie. Has each shape its own σ?"),
            (lambda p, q: -2.0, "which is no tie"),
        ],
    ),
    "02.6": (
        [groups_in_a_loop, groups],
        [
            (functools.partial(groups, repeat=lambda x, g, dim: x.repeat(1, g)), "neither all zero nor all non-zero"),
            (lambda n, d, g, *rest: groups(n, d, 1, *rest), "neither all zero nor all non-zero"),
            (functools.partial(groups, coins=1), "one group tells whether another is zero"),
            (lambda n, d, g, *rest: groups(n, d, g, *rest, members=g), "entries of a group are equal"),
            (functools.partial(groups, members=3), "entries of different groups are equal"),
            (groups_of_like_sizes, "entries of different groups are equal"),
            (functools.partial(groups_of_like_sizes, change=0.3), "sizes in different groups are correlated"),
            (lambda n, d, g, mu, sigma, r: groups(n, d, g, 2 * mu, sigma, r), "non-zero. By Eq. 11"),
            (lambda n, d, g, mu, sigma, r: groups(n, d, g, mu, sigma, r) * 2, "mean of your non-zero draws"),
            (lambda n, d, g, mu, sigma, r: groups(n, d, g, mu, sigma, r).T, "should be of shape (4000, 12)"),
        ],
    ),
}
# Those of chapters 03 to 05 stand in modules of their own.
ANSWERS |= answers03.ANSWERS | answers04.ANSWERS | answers05.ANSWERS
RIGHT = [(name, answer) for name, (rights, _) in ANSWERS.items() for answer in rights]
WRONG = [(name, answer, phrase) for name, (_, wrongs) in ANSWERS.items() for answer, phrase in wrongs]


def tags(cell):
    return set(cell.metadata.get("tags", [])) & set(PARTS)


@pytest.fixture(autouse=True)
def torch_as_it_was():
    """What the set-up of a notebook changes, a float64 default for one, is of that notebook."""
    before = torch.get_default_dtype(), torch.get_num_threads()
    yield
    torch.set_default_dtype(before[0])
    torch.set_num_threads(before[1])


@functools.cache
def read(name):
    """(source of a notebook's set-up, its cells from the first part of an exercise on)."""
    cells = jupytext.read(NOTEBOOKS / f"{name}.py").cells
    start = next(k for k, cell in enumerate(cells) if tags(cell))
    setup = [c.source for c in cells[:start] if c.cell_type == "code" and "install" not in c.metadata.get("tags", [])]
    return "\n".join(setup), cells[start:]


def checked_names(source):
    """The names in all calls check("01.1", …) of a cell."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return [ast.literal_eval(call.args[0]) for call in calls if getattr(call.func, "id", "") == "check"]


@functools.cache
def exercise_cells():
    """{exercise: {"setup": …, "stub": …, "check": …, "solution": …, "solution setup": source}}, from the notebooks."""
    found = {}
    for kind in ("Exercises", "Solutions"):
        for notebook in names(kind):
            setup, cells = read(notebook)
            parts = {"setup": setup} if kind == "Exercises" else {"solution setup": setup}
            for cell in cells:
                if cell.cell_type == "code" and len(tags(cell)) == 1:
                    (tag,) = tags(cell)
                    if tag == "check":
                        (name,) = checked_names(cell.source)
                        found.setdefault(name, {}).update(parts | {"check": cell.source})
                        parts = {key: value for key, value in parts.items() if "setup" in key}
                    else:
                        parts[tag] = cell.source  # of several, the one before the check
    return found


def run(name, *parts):
    """Runs cells of an exercise after the set-up of its notebook, as a kernel would."""
    namespace = {}
    for part in ("solution setup" if "solution" in parts else "setup", *parts):
        exec(exercise_cells()[name][part], namespace)


def said(capsys):
    """What was printed, which has to be one line."""
    text = capsys.readouterr().out
    assert text.count("\n") == 1, text
    return text.strip()


def describe(value):
    """The name of an answer in the list of tests."""
    value = getattr(value, "func", value)
    return value.__name__ if callable(value) else None


@pytest.mark.parametrize("name", ANSWERS)
def test_solution_of_the_notebook_is_right(name, capsys):
    run(name, "solution", "check")
    assert said(capsys) == f"✓ {name}: right."


@pytest.mark.parametrize("name", ANSWERS)
def test_untouched_stub_is_no_answer_yet(name, capsys):
    run(name, "stub", "check")
    assert said(capsys).startswith(f"✗ {name}: no answer yet.")


def give(name, answer):
    check(name, *(answer if isinstance(answer, tuple) else (answer,)))


@pytest.mark.parametrize(("name", "answer"), RIGHT, ids=describe)
def test_other_right_answers_pass(name, answer, capsys):
    give(name, answer)
    assert said(capsys) == f"✓ {name}: right."


@pytest.mark.parametrize(("name", "answer", "phrase"), WRONG, ids=describe)
def test_wrong_answers_hear_what_is_wrong(name, answer, phrase, capsys):
    give(name, answer)
    line = said(capsys)
    assert line.startswith(f"✗ {name}: ")
    assert phrase.lower() in line.lower()


@pytest.mark.parametrize("name", ["02.1", "03.1", "04.1", "05.1"])
def test_the_one_blank_of_several_is_named(name, capsys):
    blanks = re.findall(r"^(\w+) = \.\.\.$", exercise_cells()[name]["stub"], re.M)
    for k, blank in enumerate(blanks):
        answer = list(ANSWERS[name][0][0])
        answer[k] = ...
        check(name, *answer)
        assert said(capsys) == f"✗ {name}: no answer yet for {blank}."


@pytest.mark.parametrize("name", ANSWERS)
def test_every_exercise_has_alternatives_and_mistakes(name):
    rights, wrongs = ANSWERS[name]
    assert len(rights) >= 1 and len({phrase for _, phrase in wrongs}) >= 2


def functions_only():
    """Exercises whose answer is a function, and how many arguments it takes."""
    stubs = {name: re.search(r"^def \w+\((.*)\):", cells["stub"], re.M) for name, cells in exercise_cells().items()}
    return [(name, stub.group(1).count(",") + 1) for name, stub in stubs.items() if stub]


@pytest.mark.parametrize(("name", "arity"), functions_only())
def test_answer_that_raises_or_forgets_its_return_is_told(name, arity, capsys):
    def fails(*arguments):
        assert len(arguments) == arity, "the stub has other arguments"
        raise ZeroDivisionError("by zero")

    def forgets(*arguments):
        result = list(arguments)  # noqa: F841

    check(name, fails)
    assert said(capsys) == f"✗ {name}: your code stopped with ZeroDivisionError: by zero"
    check(name, forgets)
    assert "returned None: is there a `return`" in said(capsys)


@pytest.mark.parametrize(
    ("answer", "phrase"),
    [
        ("3.46", "made of real numbers, got str"),
        (3 + 1j, "made of real numbers, got complex"),
        ([3.4, 3.5], "should be one number, got shape (2,)"),
        (torch.inf, "contains infinity"),
        (None, "no answer yet"),
    ],
)
def test_values_that_are_no_number_are_refused(answer, phrase, capsys):
    check("01.1", answer)
    assert phrase in said(capsys)


@pytest.mark.parametrize("name", ["01.99", "99.1", "nonsense"])
def test_unknown_exercise_is_refused(name):
    with pytest.raises(ValueError, match="no exercise"):
        check(name, 1)


def checks_in(notebook):
    """The exercises whose checks a notebook runs, in order."""
    return [name for cell in read(notebook)[1] if cell.cell_type == "code" for name in checked_names(cell.source)]


def test_notebooks_and_checks_have_the_same_exercises():
    for notebook in names("Exercises"):
        importlib.import_module(f"checks.chapter{notebook.rpartition('/')[2][:2]}")
    everywhere = [name for notebook in names("Exercises") for name in checks_in(notebook)]
    assert len(set(everywhere)) == len(everywhere) and set(everywhere) == set(CHECKS) == set(ANSWERS)
    for notebook, solutions in zip(names("Exercises"), names("Solutions"), strict=True):
        assert checks_in(notebook) == checks_in(solutions)
        assert all(name.startswith(notebook.rpartition("/")[2][:2]) for name in checks_in(notebook))


def parts_of(notebook):
    """The parts of the exercises in a notebook, a letter each; capitals are code. Each cell has one part."""
    _, cells = read(notebook)
    assert all(len(tags(cell)) == 1 for cell in cells), "a cell between the exercises has no part in them"
    sequence = [(*tags(cell), cell.cell_type) for cell in cells]
    return "".join({"code": tag[:2].upper(), "markdown": tag[:2].lower()}[kind] for tag, kind in sequence)


@pytest.mark.parametrize("notebook", names("Exercises"))
def test_cells_of_an_exercise_stand_in_order(notebook):
    assert re.fullmatch("(exhiSTCH)+(exhi)?", parts_of(notebook)), parts_of(notebook)  # the last may be for talking
    for cell in read(notebook)[1]:
        if "hint" in tags(cell):
            assert re.fullmatch(r"<details><summary>Hint</summary>\n\n.*\n\n</details>", cell.source, re.S)
        if "check" in tags(cell):
            assert re.fullmatch(r'check\("\d\d\.\d", [\w, ]+\)', cell.source)
        if "exercise" in tags(cell):
            assert re.match(r"##+ \d\d\.\d · ", cell.source)


@pytest.mark.parametrize("notebook", names("Solutions"))
def test_cells_of_a_solution_stand_in_order(notebook):
    assert re.fullmatch("((so)+SO(so|SO)*CH(so|SO)*)+(so)*", parts_of(notebook)), parts_of(notebook)
    headings = re.findall(r"^## (\d\d\.\d) · ", "\n".join(cell.source for cell in read(notebook)[1]), re.M)
    assert headings[: len(checks_in(notebook))] == checks_in(notebook)
