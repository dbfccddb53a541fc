"""A claim's cell stops when the claim is wrong: the test changes one formula and sees it fail.

It does so for a sample of the claims, and for all of chapters 01, 03 and 04.

A cell is run after the definitions before it, and not after the cells before it: no network is trained on the way.
"""

import ast

import matplotlib
import pytest
import torch

from .test_claims import CHAPTERS, CLAIMS, NOTEBOOKS, read_notebooks, tagged_cells

pytestmark = pytest.mark.slow

# {claim: (what the notebook says, something wrong in its place)}; the text stands once in the cell or before it.
CHANGES = {
    "S1": (
        "target_weight * rdmreg_loss(z, target",
        "target_weight * rdmreg_loss(z, 0 * target",
    ),  # the target is a point
    "S2": ("torch.special.entr(shares)", "-torch.special.entr(shares)"),
    "T1": ("p_value(r, scipy.stats.chi(d))", "p_value(r, scipy.stats.chi(d + 1))"),
    "T2": ("(-2 * r / gaussian_norm)", "(-3 * r / gaussian_norm)"),
    "T3": ("scipy.stats.gamma(d, scale=sigma)", "scipy.stats.gamma(d + 1, scale=sigma)"),
    "T4": ("- moment.log() / p).item()", "- moment.log()).item()"),
    "T5": ("lasso, w_hat.sign() * (w_hat.abs() - s**2 / b)", "lasso, w_hat.sign() * (w_hat.abs() - s / b)"),
    "T6": ("return p ** (1 - 1 / p) / (2 * sigma", "return p ** (1 / p - 1) / (2 * sigma"),
    "T7": ("scipy.stats.gamma(d / p, scale=p * sigma**p)", "scipy.stats.gamma(d / p, scale=sigma**p)"),
    "T8": ("length = (end - start).norm(dim=1)", "length = (end - start).abs().sum(dim=1)"),
    "T10": ("atom, rest = cdf_gn(-mu / sigma, p)", "atom, rest = cdf_gn(mu / sigma, p)"),
    "T12": ("return (1 + t.sign() *", "return (1 - t.sign() *"),
    "S3": ("delta**2 / (2 * d), delta**2 / d]", "delta**2 / (2 * d), delta**2]"),
    "P1": ("((C @ covariance) * C).sum(1).sqrt()", "((C @ covariance) * C).sum(1)"),
    "S4": ("math.sin(4 * math.radians(degrees))", "math.sin(2 * math.radians(degrees))"),
    "P2": ("np.where(on_axis, zero, zero**2)", "np.where(on_axis, zero, zero)"),
    "P4": ("C.shape[1], dist.mean, dist.stddev", "C.shape[1], dist.mean, dist.scale"),
    "P3": ("scale = c.abs().sum().item()", "scale = 1.1 * c.abs().sum().item()"),
    "S5": ("- math.sqrt(2) * torch.exp(-(x**2) / 4)", "- 2 * torch.exp(-(x**2) / 4)"),
    "R1": ("(a.sort(0).values - b.sort(0).values).square()", "(a.sort(0).values - b.sort(0).values).abs()"),
    "R2": ("math.sqrt(2 * math.pi) * (1 - 1 / math.sqrt(3))", "math.sqrt(2 * math.pi) * (1 + 1 / math.sqrt(3))"),
    "R3": ("2 / a.numel() * (a - partner.gather(0, rank))", "2 / a.numel() * (partner.gather(0, rank) - a)"),
    "R4": ("draw(w.shape, generator, mu)", "draw(w.shape, generator, mu + 0.5)"),  # towards another target
    "R5": ("(c @ delta).square()", "(c @ delta).abs()"),
    "R6": ("return (w.relu() if rectify else w).detach()", "return w.relu().detach()"),  # both are cut at zero
    "R7": ('final("nonzero", d=512, **of)', 'final("nonzero", d=2, **of)'),  # where the loss sees the entries
    "R8": ("return phi.prod(dim=1)", "return phi.mean(dim=1)"),
    "F2": ('expected = [final["expected', 'expected = [1 - final["expected'),
    "F4": ("GeneralizedGaussian(0.0, unit_variance_scale(2.0), 2.0)", "GeneralizedGaussian(0.0, 2.0, 2.0)"),
}
# Variables of earlier cells that a cell uses, beside imports, functions and CONSTANTS.
VARIABLES = {
    "S4": {"u", "step", "density", "gap", "largest_gap"},
    "T10": {"settings"},
    "F2": {"shapes"},
    "F4": {"shapes", "worth", "trained_runs", "baseline"},
}


def is_definition(statement, variables):
    """Whether a statement imports, defines a function, a CONSTANT or a given variable, or sets an option of torch."""
    if isinstance(statement, ast.Assign):
        names = {node.id for target in statement.targets for node in ast.walk(target) if isinstance(node, ast.Name)}
        return any(name.isupper() and len(name) > 1 or name in variables for name in names)
    return isinstance(statement, (ast.Import, ast.ImportFrom, ast.FunctionDef)) or ast.unparse(statement).startswith(
        "torch.set_"
    )


def before_and_cell(claim):
    """The definitions before a claim's cell, and the cell: two sources."""
    ((chapter, _, cell),) = (found for found in tagged_cells(read_notebooks()) if found[1] == claim)
    cells = [cell for cell in read_notebooks()[chapter]["cells"] if cell["cell_type"] == "code"]
    before = []
    for earlier in cells[: cells.index(cell)]:
        source = "".join(earlier["source"])
        statements = [part for part in ast.parse(source).body if is_definition(part, VARIABLES.get(claim, ()))]
        before += [ast.get_source_segment(source, statement) for statement in statements]
    return "\n".join(before), "".join(cell["source"])


@pytest.fixture(autouse=True)
def kernel(monkeypatch):
    """The evidence's folder, as a kernel has it, and torch's options as they were afterwards."""
    monkeypatch.chdir(NOTEBOOKS / "evidence")
    matplotlib.use("Agg")
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    with torch.random.fork_rng():
        yield
    torch.set_default_dtype(dtype)
    torch.set_num_threads(threads)


@pytest.mark.parametrize("claim", CHANGES)
def test_cell_stops_at_a_wrong_claim(claim):
    before, cell = before_and_cell(claim)
    exec(f"{before}\n{cell}", {})  # as it stands, it runs through

    right, wrong = CHANGES[claim]
    assert f"{before}\n{cell}".count(right) == 1
    namespace = {}
    exec(before.replace(right, wrong), namespace)
    with pytest.raises(AssertionError):
        exec(cell.replace(right, wrong), namespace)


def test_every_chapter_is_in_the_sample_and_some_with_all_claims():
    assert {claim["chapter"] for claim in CLAIMS if claim["id"] in CHANGES} == set(CHAPTERS)
    whole = ("01_lp_spheres", "03_projected_marginals", "04_rdmreg")
    assert {claim["id"] for claim in CLAIMS if claim["chapter"] in whole} <= CHANGES.keys()
