"""The values for other implementations, notebooks/results/reference/, and the page that shows them.

The file's script shares no code with the package. Here the file is compared with POT (the loss), finite differences
(gradients), numpy (SIGReg) and mpmath's quadrature of the densities (sigma, quantiles, Eq. 11), then the package with
the file. Other libraries are compared where they are installed: lightly 1.6.0, stable-pretraining 0.1.8.
"""

import importlib.util
import itertools
import json
import re

import mpmath as mp
import numpy as np
import pytest
import torch

import rlpjepa
from rlpjepa import invariance_loss, objective, rdmreg_loss, sample_rgg, sigreg_loss

from .series import ROOT

FOLDER = ROOT / "notebooks" / "results" / "reference"
FILE = json.loads((FOLDER / "rdmreg.json").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")
cases = pytest.mark.parametrize("name", ["one_view", "two_views"])


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


Z, TARGET, DIRECTIONS = (tensor(FILE["two_views"][key]) for key in ("z", "target", "directions"))


# ---------------------------------------------------------------------------------------------------- the file's values


@pytest.mark.slow
def test_the_script_makes_the_file():
    spec = importlib.util.spec_from_file_location("make", FOLDER / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    with mp.workdps(40):
        content = make.values() | {"provenance": FILE["provenance"]}
    text = (FOLDER / "rdmreg.json").read_text(encoding="utf-8")
    assert make.as_text(content) == text and len(text) < 40_000


def finite_differences(function, x, step=2.0**-12):
    """The gradient of a function of an array; the step is shorter than any two projections are apart."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[index] += sign * step
            ends.append(function(moved))
        gradient[index] = (ends[0] - ends[1]) / (2 * step)
    return gradient


@cases
def test_loss_is_pots_and_gradient_its_finite_difference(name):
    ot = pytest.importorskip("ot")
    case = {key: np.array(value) for key, value in FILE[name].items()}

    def loss(z):
        views = z if z.ndim == 3 else z[None]
        directions = case["directions"].T
        roots = [ot.sliced_wasserstein_distance(v, case["target"], projections=directions, p=2) for v in views]
        return np.mean(np.square(roots))

    assert case["loss"] == pytest.approx(loss(case["z"]), rel=1e-14, abs=0)
    np.testing.assert_allclose(case["gradient"], finite_differences(loss, case["z"]), rtol=0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(case["directions"], axis=1), 1, rtol=1e-15)


def test_invariance_is_a_mean_of_squares():
    first, second = np.array(FILE["two_views"]["z"])
    assert FILE["two_views"]["invariance"] == pytest.approx(np.mean((first - second) ** 2), rel=1e-14, abs=0)


def epps_pulley(z):
    """With complex numbers and both halves of the line."""
    t = np.linspace(-3, 3, 33)
    wanted = np.exp(-(t**2) / 2)
    waves = np.exp(1j * (z @ DIRECTIONS.numpy().T)[..., None] * t).mean(0)  # (N, 33)
    return np.trapezoid(np.abs(waves - wanted) ** 2 * wanted, t).mean()


def test_sigreg():
    z, values = Z.numpy(), FILE["sigreg"]
    b = z.shape[1]
    expected = {
        "one_view": (epps_pulley(z[0]), b),
        "two_views": (np.mean([epps_pulley(view) for view in z]), b),
        "pooled": (epps_pulley(z.reshape(2 * b, -1)), 2 * b),
    }
    for name, (loss, times) in expected.items():
        assert values[name]["loss"] == pytest.approx(loss, rel=1e-13)
        assert values[name]["times_n"] == pytest.approx(times * loss, rel=1e-13)
    numerical = finite_differences(epps_pulley, z[0])
    np.testing.assert_allclose(values["one_view"]["gradient"], numerical, rtol=0, atol=1e-8)


def mean_of(function, p, start=None):
    """E function(t) over t > start for t ~ GN_p(0, 1), by quadrature in v = |t|^p / p."""
    p = mp.mpf(p)

    def half(sign, low, high=mp.inf):
        def integrand(v):
            return function(sign * (p * v) ** (1 / p)) * (p * v) ** (1 / p - 1) * mp.exp(-v)

        if low == high:
            return mp.mpf(0)
        middle = [low + x for x in (mp.mpf("0.01"), 1, 8, 40)] if high == mp.inf else []
        return mp.quad(integrand, [low, *middle, high])

    def depth(t):
        return abs(t) ** p / p

    whole = 2 * p ** (1 / p - 1) * mp.gamma(1 / p)
    if start is None:
        return (half(1, 0) + half(-1, 0)) / whole
    if start >= 0:
        return half(1, depth(start)) / whole
    return (half(1, 0) + half(-1, 0, depth(start))) / whole


def test_sigma_gives_unit_variance():
    for row in FILE["sigma"]:
        sigma = mp.mpf(row["before_rectification"])
        assert float(sigma**2 * mean_of(lambda t: t**2, row["p"])) == pytest.approx(1, rel=1e-11)
        for mu, sigma in zip(FILE["mu"], map(mp.mpf, row["after_rectification"]), strict=True):
            first, second = (mean_of(lambda t: (mu + sigma * t) ** k, row["p"], -mu / sigma) for k in (1, 2))  # noqa: B023
            assert float(second - first**2) == pytest.approx(1, rel=1e-9)


def test_shares_and_quantiles():
    sigmas = {row["p"]: mp.mpf(row["before_rectification"]) for row in FILE["sigma"]}
    assert [(row["p"], row["mu"]) for row in FILE["rgg"]] == list(itertools.product(sigmas, FILE["mu"]))
    for row in FILE["rgg"]:
        p, mu, sigma = row["p"], row["mu"], sigmas[row["p"]]
        nonzero = float(mean_of(lambda t: 1, p, -mu / sigma))
        assert row["nonzero"] == pytest.approx(nonzero, rel=1e-9)
        for level, x in zip(FILE["levels"], row["quantiles"], strict=True):
            above = float(mean_of(lambda t: 1, p, (mp.mpf(x) - mu) / sigma))
            assert above == pytest.approx(1 - level, rel=1e-9) if x > 0 else nonzero <= 1 - level + 1e-12


# ------------------------------------------------------------------------------------------------ the package's values


@cases
def test_package_agrees_on_rdmreg(name):
    z = tensor(FILE[name]["z"]).requires_grad_()
    loss = rdmreg_loss(z, TARGET, directions=DIRECTIONS)
    loss.backward()
    assert loss.item() == pytest.approx(FILE[name]["loss"], rel=1e-15, abs=0)
    torch.testing.assert_close(z.grad, tensor(FILE[name]["gradient"]), rtol=0, atol=1e-16)


def test_package_agrees_on_sigreg_and_invariance():
    z = Z[0].clone().requires_grad_()
    loss = sigreg_loss(z, directions=DIRECTIONS)
    loss.backward()
    assert loss.item() == pytest.approx(FILE["sigreg"]["one_view"]["loss"], rel=1e-13)
    torch.testing.assert_close(z.grad, tensor(FILE["sigreg"]["one_view"]["gradient"]), rtol=0, atol=1e-15)
    for name, z in (("two_views", Z), ("pooled", Z.flatten(0, 1))):
        assert sigreg_loss(z, directions=DIRECTIONS).item() == pytest.approx(FILE["sigreg"][name]["loss"], rel=1e-13)
    assert invariance_loss(Z).item() == pytest.approx(FILE["two_views"]["invariance"], rel=1e-15)


def test_package_agrees_on_the_target():
    for row in FILE["sigma"]:
        assert rlpjepa.unit_variance_scale(row["p"]) == pytest.approx(row["before_rectification"], rel=1e-13)
        for mu, sigma in zip(FILE["mu"], row["after_rectification"]):
            assert rlpjepa.rectified_unit_variance_scale(row["p"], mu) == pytest.approx(sigma, rel=1e-13)
    for row in FILE["rgg"]:
        sigma = tensor(rlpjepa.unit_variance_scale(row["p"]))
        target = rlpjepa.RectifiedGeneralizedGaussian(tensor(row["mu"]), sigma, tensor(row["p"]))
        assert target.prob_active.item() == pytest.approx(row["nonzero"], rel=1e-12)
        torch.testing.assert_close(
            target.icdf(tensor(FILE["levels"])), tensor(row["quantiles"]), rtol=1e-12, atol=1e-13
        )


# ---------------------------------------------------------------------------------------------------------- the page


def blocks():
    return re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


def table(first):
    """The rows of the page's table whose first head is `first`, cell by cell."""
    lines = PAGE[PAGE.index(f"| {first} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def gaps(z, target, directions):
    projected, goal = z @ directions.T, target @ directions.T  # (V, B, N), (B, N)
    return projected.sort(dim=-2).values - goal.sort(dim=-2).values


VARIANTS = {  # what the page says of them, in order
    "added": lambda *case: gaps(*case).square().mean((1, 2)).sum(),
    "over the samples": lambda *case: gaps(*case).square().sum(1).mean(),
    "over the directions": lambda *case: gaps(*case).square().sum(2).mean(),
    "root": lambda *case: gaps(*case).square().mean().sqrt(),
    "each sample's": lambda z, y, c: ((z @ c.T).sort(dim=-1).values - (y @ c.T).sort(dim=-1).values).square().mean(),
    "nothing is sorted": lambda z, y, c: (z @ c.T - y @ c.T).square().mean(),
    "pooled": lambda z, y, c: gaps(z.flatten(0, 1), torch.cat([y, y]), c).square().mean(),
}


@pytest.fixture
def run_block(tmp_path, monkeypatch, capsys):
    (tmp_path / "rdmreg.json").write_bytes((FOLDER / "rdmreg.json").read_bytes())
    monkeypatch.chdir(tmp_path)

    def run(block, **names):
        assert "rlpjepa" not in block
        exec(block, {"json": json, "torch": torch, **names})
        return capsys.readouterr().out

    return run


def test_page_compares_a_loss(run_block):
    right = run_block(blocks()[0], my_rdmreg=lambda *case: gaps(*case).square().mean())
    assert re.fullmatch(r"1\.0000 (0\.0e\+00|\de-1[6-9]|\d\.\de-1[6-9])\n", right)
    assert "prints `1.0000 0.0e+00`" in PAGE
    for (ratio, reason), (key, variant) in zip(table("it prints"), VARIANTS.items(), strict=True):
        assert key in reason and run_block(blocks()[0], my_rdmreg=variant).split()[0] == ratio
    one_view = blocks()[0].replace('["two_views"]', '["one_view"]')
    assert run_block(one_view, my_rdmreg=lambda *case: gaps(*case).square().mean()).startswith("1.0000 ")


def test_page_compares_a_sampler(run_block):
    """Standard errors of a million draws: .00033 and .0070. A fresh seed fails less than once in 10,000 times."""
    limits = [float(number) for number in re.findall(r"within (0\.\d+)", PAGE)]
    generator = torch.Generator().manual_seed(2)

    def numbers(sigma):
        def sampler(n, p, mu):
            return sample_rgg((n,), p, mu, sigma, generator=generator)

        return [float(number) for number in run_block(blocks()[1], my_sampler=sampler).split()]

    right, wrong = numbers(None), numbers(1.0)
    assert all(abs(a - b) < limit for a, b, limit in zip(right[::2], right[1::2], limits, strict=True))
    assert all(abs(a - b) > limit for a, b, limit in zip(wrong[::2], wrong[1::2], limits, strict=True))


def test_page_shows_the_files_sigma():
    shown = [list(map(float, row)) for row in table("p")]
    at = [FILE["mu"].index(mu) for mu in (-1.0, 0.0)]
    expected = [
        [row["p"], round(row["before_rectification"], 4), *(round(row["after_rectification"][k], 4) for k in at)]
        for row in FILE["sigma"]
    ]
    assert shown == expected


def test_page_names_every_key():
    named = {key for row in table("key") for key in re.findall("`(.*?)`", row[0])}
    assert named | {"mu", "levels"} == set(FILE)


# ---------------------------------------------------------------------------------------------- weights between codes

B, D = 256, 512
VIEWS = torch.randn(2, B, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64).relu()


def to_center(z):
    return (z - z.mean(0)).square().mean()


def to_first(z):
    """To the one global view."""
    return (z - z[0]).square().mean()


R = rdmreg_loss(VIEWS, VIEWS[0].flip(1) / 2, 64, generator=torch.Generator().manual_seed(1))
S = sigreg_loss(VIEWS, 64, generator=torch.Generator().manual_seed(1))
I = invariance_loss(VIEWS)  # noqa: E741

# Each code's loss as the page says it, of a weight w and its regularizer r.
LOSSES = {
    "the post": (1280, R, lambda w, r: D * I + w * (r + r)),
    "the authors' first": (125, R, lambda w, r: 25 * I + w * r),
    "the authors' code": (250, R, lambda w, r: 25 * I + w * r),
    "LeJEPA's minimal": (0.02, S, lambda w, r: (1 - w) * to_center(VIEWS) + w * B * r),
    "lightly": (0.05, S, lambda w, r: (1 - w) * to_first(VIEWS) + w * B * r),
    "stable-pretraining": (0.02, S, lambda w, r: to_first(VIEWS) + w * 2 * B * r),  # the largest that S' can be is S
    "ecntu": (0.1, S, lambda w, r: (1 - w) * to_center(VIEWS) + w * len(VIEWS) * r),
    "coulzie031": (125, R, lambda w, r: 25 * to_center(VIEWS) + w * r),
    "fumin0ri": (125, R, lambda w, r: 25 * (VIEWS[1] - VIEWS[0]).square().mean() + w * r),
}


@pytest.mark.parametrize("code", LOSSES)
def test_a_weight_of_another_code_here(code):
    """25 I + w R, or 25 I + w S, is that code's loss times a constant, with the w of the page."""
    weight, regularizer, loss = LOSSES[code]
    (row,) = [row for row in table("code") if row[0].startswith(code)]
    told, w = re.search(r"λ = ([\d.]+): w = ([\d.]+)", row[2]).groups()
    invariance = loss(weight, 0 * regularizer)  # its part alone
    constant = 25 * I / invariance
    exact = (constant * (loss(weight, regularizer) - invariance) / regularizer).item()
    assert float(told) == weight and float(w) == pytest.approx(exact, abs=0.05)
    here = objective(VIEWS, regularizer, regularizer_weight=exact)["loss"]
    torch.testing.assert_close(here, constant * loss(weight, regularizer))


def test_every_row_is_tested_or_holds_no_weight():
    for row in table("code"):
        assert [code for code in LOSSES if row[0].startswith(code)] or row[2] == ""


def test_links_of_the_rows_name_a_commit_and_lines():
    for row in table("code"):
        links = re.findall(r"\]\((.*?)\)", row[0])
        assert links and all(
            re.search(r"github\.com/[^/]+/[^/]+/blob/[0-9a-f]{40}/\S+#L\d+(-L\d+)?$", x) for x in links
        )


def test_distance_to_the_center_and_between_pairs():
    """(V - 1)/(2V) of the mean over pairs: I/4 for two views."""
    z = torch.randn(5, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for v in range(2, 6):
        pairs = torch.stack([(a - b).square().mean() for a, b in itertools.combinations(z[:v], 2)]).mean()
        torch.testing.assert_close(to_center(z[:v]), (v - 1) / (2 * v) * pairs)


def test_pooled_views():
    alike = torch.stack([Z[0], Z[0]])
    pooled = sigreg_loss(alike.flatten(0, 1), directions=DIRECTIONS)
    torch.testing.assert_close(pooled, sigreg_loss(alike, directions=DIRECTIONS))
    share = FILE["sigreg"]["pooled"]["loss"] / FILE["sigreg"]["two_views"]["loss"]
    assert f"it is {share:.3f} S" in PAGE and share < 1


def test_back_to_lambda():
    lambdas = [w / (w + 100) for w in (125, 250)]
    assert "{:.3f} for\nw = 125 and {:.3f} for w = 250".format(*lambdas) in PAGE
    for w, x in zip((125, 250), lambdas):
        theirs = (1 - x) * to_center(VIEWS) + x * R
        ours = objective(VIEWS, R, regularizer_weight=w)["loss"]
        assert (ours / theirs).item() == pytest.approx(w + 100)


def draw(*shape, dtype=torch.float32, **options):
    """In torch.randn's place, where another library draws its directions, (D, N)."""
    return DIRECTIONS.T.to(dtype).clone()


def test_lightly(monkeypatch):
    loss = pytest.importorskip("lightly.loss", exc_type=ImportError)
    if not hasattr(loss, "LeJEPALoss"):
        pytest.skip("this lightly has no LeJEPALoss")
    criterion = loss.LeJEPALoss(lambda_param=0.05, sigreg_num_vectors=8).double()
    monkeypatch.setattr(torch, "randn", draw)
    value = criterion(global_proj=Z[:1], local_proj=Z[1:]).item()
    expected = 0.95 * FILE["two_views"]["invariance"] / 2 + 0.05 * FILE["sigreg"]["two_views"]["times_n"]
    assert value == pytest.approx(expected, rel=1e-6)  # its knots are rounded to single precision


def test_stable_pretraining(monkeypatch):
    lejepa = pytest.importorskip("stable_pretraining.methods.lejepa", exc_type=ImportError)
    sigreg = lejepa.SlicedEppsPulley(num_slices=8)
    monkeypatch.setattr(torch, "randn", draw)
    values = [value.item() for value in lejepa.LeJEPA._compute_loss(Z.float(), 1, sigreg, 0.02)]
    invariance, pooled = FILE["two_views"]["invariance"] / 2, FILE["sigreg"]["pooled"]["times_n"]
    assert values == pytest.approx([invariance + 0.02 * pooled, invariance, pooled], rel=1e-5)
