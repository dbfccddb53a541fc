"""The lab: its functions beside Python's, and its instruments driven in a browser, on the page and in JupyterLab."""

import base64
import contextlib
import importlib.util
import itertools
import json
import math
import os
import random
import re
import subprocess
import sys
import time
import warnings
from pathlib import Path

import nbformat
import numpy
import pytest
import torch
from scipy import stats

from rlpjepa import (
    RectifiedGeneralizedGaussian,
    explore,
    mu_for_l0,
    projected_marginal,
    rdmreg_loss,
    rectified_unit_variance_scale,
    sigreg_loss,
    unit_variance_scale,
)
from rlpjepa.figures import COLORS
from rlpjepa.pretrain import PretrainConfig
from tests.browser import answers, chromium, console_errors, free_port, resize, wait_until

ROOT = Path(__file__).parents[1]
RIGHT, LEFT, HOME, TAB, ENTER = "\ue014", "\ue012", "\ue011", "\ue004", "\ue007"
RESULTS = ROOT / "notebooks" / "results"
instruments = pytest.mark.parametrize("name", explore.INSTRUMENTS)
on_the_page = pytest.mark.parametrize("name", [*explore.INSTRUMENTS, "networks"])  # that one needs results: page alone


def share(mu, p, sigma=None):
    """P(x > 0) of the target, by scipy."""
    scale = 1 / stats.gennorm(p).std() if sigma is None else sigma * p ** (1 / p)
    return stats.gennorm(p, loc=mu, scale=scale).sf(0)


# ---- in Python ----


def test_settings_are_attributes_within_limits():
    lab = explore.target(mu=-1)
    lab.p, lab.axis = 0.5, "log"
    assert (lab.mu, lab.p, lab.axis, lab.keep, lab.d) == (-1.0, 0.5, "log", False, 512)
    for name, value, taken in [
        ("p", 99, 4.0), ("mu", -1e9, -4.0), ("d", 77.5, 78), ("axis", "cubic", "log"), ("mu", math.nan, -4.0),
        ("mu", "left", -4.0), ("keep", "perhaps", False),
    ]:  # fmt: skip
        with pytest.warns(UserWarning, match=f"{name} = .* is not allowed; taken is"):
            setattr(lab, name, value)
        assert getattr(lab, name) == taken, name
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lab.keep, lab.d = True, 100
    with pytest.raises(TypeError, match="target has no setting nu; it has mu, p"):
        explore.target(nu=1)


@instruments
def test_docstrings_name_every_setting(name):
    function = explore.target if name == "target" else explore.moving_points
    described = function.__doc__.split("Returns:")[0].replace(",", " ").replace(":", " ").split()
    assert set(explore.INSTRUMENTS[name]) <= set(described)


def test_importing_the_lab_loads_torch_alone():
    heavy = "{'matplotlib', 'plotly', 'ipywidgets', 'IPython', 'anywidget', 'traitlets'}"
    code = f"import sys, rlpjepa.explore; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@instruments
def test_without_a_reader_the_cell_leaves_a_picture(name):
    """Run as nbconvert does: no widget whose model nobody has, and no state of one in the notebook."""
    nbclient = pytest.importorskip("nbclient")
    call = {"target": "target(mu=-1)", "points": "moving_points()"}[name]
    cell = nbformat.v4.new_code_cell(f"from rlpjepa import explore\n\nlab = explore.{call}\nlab.p = 0.5\nlab")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    (output,) = notebook.cells[0].outputs
    assert set(output.data) == {"image/png", "text/plain"} and output.data["text/plain"] == explore.OPENS
    assert "lab.html" in explore.OPENS and len(output.metadata["image/png"]["alt"]) > 200
    assert len(base64.b64decode(output.data["image/png"])) <= 40_000
    assert "widgets" not in notebook.metadata


@pytest.mark.parametrize("chapter", ["02_rectified_generalized_gaussian", "03_projected_marginals"])
def test_chapters_hold_the_lab_as_a_picture(chapter):
    notebook = nbformat.read(ROOT / f"notebooks/{chapter}.ipynb", as_version=4)
    (cell,) = (cell for cell in notebook.cells if cell.cell_type == "code" and "explore.target(" in cell.source)
    assert [set(output.data) for output in cell.outputs] == [{"image/png", "text/plain"}]


def test_no_notebook_keeps_a_widget():
    for path in (ROOT / "notebooks").rglob("*.ipynb"):
        text = path.read_text(encoding="utf-8")
        assert "widget-view" not in text and "widgets" not in json.loads(text)["metadata"], path


def test_colours_are_those_of_the_figures():
    css = (explore.FOLDER / "lab.css").read_text(encoding="utf-8")
    for name, color in COLORS.items():
        assert f"--{name}: {color};" in css


# ---- the page ----


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page, made as `make site` makes it, in the file system."""
    spec = importlib.util.spec_from_file_location("lab", ROOT / "docs" / "lab.py")
    lab = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lab)
    target = tmp_path_factory.mktemp("site") / "lab.html"
    lab.write(target)
    assert target.stat().st_size <= 300_000
    return target.as_uri()


@pytest.fixture(scope="module")
def browser():
    with chromium() as driver:
        yield driver


@pytest.fixture
def page(browser, address):
    """A function that opens the page in a state, as if from a link; at the end the console must hold no error."""

    def open_page(state="", width=1280, height=800, **media):
        resize(browser, width, height)
        features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get("about:blank")
        browser.get(address + state)
        return browser

    yield open_page
    assert console_errors(browser) == []


def run(page, script, *arguments):
    return page.execute_script(script, *arguments)


def state(page, name):
    return run(page, "return lab.state[arguments[0]]", name)


def slider(page, name, kind="range"):
    return page.find_element("css selector", f"[data-part='{name}'] input[type='{kind}']")


def headline(page):
    """The large numbers as texts, once what is pending has been drawn."""
    run(page, "lab.draw()")
    return [node.text for node in page.find_elements("css selector", ".rl-headline output")]


def hash_of(page):
    return run(page, "return location.hash")


def button(page, text):
    return page.find_element("xpath", f"//button[text()='{text}']")


def test_closed_forms_agree_with_python(page):
    """Over the whole range of the sliders, with their ends."""
    mus, sigmas = (-4, -3.1, -1, -0.05, 0, 0.35, 2, 4), (None, 0.1, 0.45, 1, 4)
    states = list(itertools.product(mus, sigmas, (0.25, 0.3, 0.5, 0.75, 1, 1.5, 2, 3.05, 4)))
    x = [-3.7, -1, -0.01, 0.01, 0.4, 1.9, 4, 7.5]
    pages = run(
        page(),
        "const [states, x] = arguments;"
        "return states.map(([mu, sigma, p]) => { const law = maths.rectified(mu, sigma, p);"
        "return { ...law, density: x.map(law.density), after: maths.rectifiedUnitVarianceScale(p, mu) }; })",
        states, x,
    )  # fmt: skip
    mu, p = (torch.tensor([state[k] for state in states], dtype=torch.float64) for k in (0, 2))
    sigma = torch.tensor([state[1] or math.nan for state in states], dtype=torch.float64)
    sigma = torch.where(sigma.isnan(), unit_variance_scale(p), sigma)
    law = RectifiedGeneralizedGaussian(mu, sigma, p)
    exact = {"sigma": sigma, "active": law.prob_active, "atom": law.cdf(mu * 0), "entropy": law.entropy()}
    exact |= {"mean": law.mean, "variance": law.variance, "after": rectified_unit_variance_scale(p, mu)}
    for name, values in exact.items():
        ours = mu.new_tensor([page[name] for page in pages])
        assert ((ours - values).abs() <= 1e-9 * values.abs().clamp_min(1)).all(), name
    active = mu.new_tensor([page["active"] for page in pages])
    assert torch.allclose(active, law.prob_active, rtol=1e-9, atol=1e-280)  # however rare
    for k, page_law in enumerate(pages):
        density = stats.gennorm.pdf(x, p[k], loc=mu[k], scale=sigma[k] * p[k] ** (1 / p[k]))
        assert page_law["density"] == pytest.approx(density.tolist(), rel=1e-9, abs=1e-250), states[k]


def test_mu_for_a_share_agrees_with_python(page):
    cases = list(itertools.product((0.001, 0.1, 0.5, 0.87, 0.999), (0.25, 0.5, 1, 1.7, 4), (None, 0.3)))
    ours = run(page(), "return arguments[0].map(([f, p, s]) => maths.muForL0(f, p, s))", cases)
    assert ours == pytest.approx([mu_for_l0(*case) for case in cases], rel=1e-9, abs=1e-9)


def test_shadows_agree_with_python(page):
    """At the points that the page draws: within 1e-3 of the density's peak, in all its parts."""
    drawn = random.Random(1)
    ends = itertools.product((-4, 4), (0.1, 4), (0.25, 4), (1, 45, 90, 135, 179))
    inside = [
        (drawn.uniform(-4, 4), drawn.choice([None, 0.3, 2]), drawn.uniform(0.25, 4), drawn.randint(0, 180))
        for _ in range(40)
    ]
    states = [*ends, *inside, (0, None, 0.5, 30), (2, None, 0.25, 178), (1, 0.1, 0.25, 1), (0.05, 0.1, 0.3, 135)]
    pages = run(
        page(),
        "return arguments[0].map(([mu, sigma, p, angle]) => {"
        "const state = { ...lab.state, mu, p, angle, sigma, variance: sigma === null ? 'before' : 'free' };"
        "const { c, shadow } = INSTRUMENTS.target.compute(state, {}); return [c, shadow.y, shadow]; })",
        states,
    )  # fmt: skip
    for (mu, sigma, p, angle), (c, y, ours) in zip(states, pages, strict=True):
        sigma = unit_variance_scale(p) if sigma is None else sigma
        law = RectifiedGeneralizedGaussian(*(torch.tensor(v, dtype=torch.float64) for v in (mu, sigma, p)))
        assert c == pytest.approx([math.cos(math.radians(angle)), math.sin(math.radians(angle))], abs=1e-15)
        # with the page's own c: at p < 1 the peak is so sharp that its last digit counts
        exact = projected_marginal(law, c, torch.tensor(y, dtype=torch.float64))
        assert ours["atom"] == pytest.approx(exact.atom.item(), rel=1e-9)
        peak = exact.density.max()
        for name, part in (("density", exact.density), ("interior", exact.interior), ("ridges", exact.ridges.sum(0))):
            assert (part.new_tensor(ours[name]) - part).abs().max() <= 1e-3 * peak, (name, mu, sigma, p, angle)


def test_draws_of_the_page_follow_the_distribution(page):
    """Each of these true statements fails once in 1000, the seeds are fixed."""
    driver = page()
    for p in (0.25, 1, 2.6, 4):
        draws = run(driver, "return Array.from(maths.draws(4000, arguments[0], 7))", p)
        assert stats.kstest(draws, stats.gennorm(p, scale=p ** (1 / p)).cdf).pvalue > 1e-3, p


@pytest.mark.parametrize("name", ["rdmreg", "sigreg"])
def test_value_and_gradient_are_those_of_python(page, name):
    """On the same points, directions and target, ties at zero among the points."""
    generator = torch.Generator().manual_seed(3)
    z, target = (torch.randn(2, 256, 2, generator=generator, dtype=torch.float64) - 0.4).relu()
    directions = torch.nn.functional.normalize(torch.randn(33, 2, generator=generator, dtype=torch.float64))
    arrays = [z.flatten().tolist(), *([target.flatten().tolist()] if name == "rdmreg" else [])]
    call = f"const r = maths.{name}(...arguments[0].map((a) => Float64Array.from(a))); return [r.loss, [...r.gradient]]"
    value, gradient = run(page(), call, [*arrays, directions.flatten().tolist()])
    z.requires_grad_()
    loss = rdmreg_loss(z, target, directions=directions) if name == "rdmreg" else sigreg_loss(z, directions=directions)
    loss.backward()
    assert value == pytest.approx(loss.item(), rel=1e-6)
    # among tied points it is open which gets which share of the pull: compare the points that stand alone, and the sum
    ours = torch.tensor(gradient, dtype=torch.float64).reshape(-1, 2)
    alone = (z > 0).all(1) if name == "rdmreg" else slice(None)
    assert torch.allclose(ours[alone], z.grad[alone], atol=1e-6 * z.grad.abs().max())
    assert torch.allclose(ours.sum(0), z.grad.sum(0), atol=1e-6)


def test_moving_points_arrive(page):
    """After 400 steps of the default, for ten seeds: the share of zeros within 6 points of the asked one."""
    seen = run(
        page("#points"),
        "return [...Array(10).keys()].map((k) => { const state = { ...lab.state, seed: k + 1 }, own = {};"
        "while (INSTRUMENTS.points.tick(state, own)); const r = INSTRUMENTS.points.compute(state, own);"
        "return [r.step, r.seen]; })",
    )
    assert [step for step, _ in seen] == [400] * 10
    assert all(abs(zeros - (1 - share(-1, 1))) < 0.06 for _, zeros in seen), seen


@instruments
def test_each_slider_answers_to_the_keyboard(page, name):
    """An arrow key moves the setting, the picture and the address."""
    driver = page(f"#{name}&{'variance=free' if name == 'target' else ''}")
    run(driver, "document.querySelector('.rl-controls details').open = true")
    for key, limits in explore.INSTRUMENTS[name].items():
        if "step" in limits:
            before = state(driver, key)
            slider(driver, key).send_keys(LEFT if before == limits["most"] else RIGHT)
            after = state(driver, key)
            assert after != before and float(slider(driver, key, "number").get_attribute("value")) == after, key
            wait_until(lambda key=key, after=after: f"&{key}={after:g}" in hash_of(driver), message=key)
    if name == "target":
        active = share(state(driver, "mu"), state(driver, "p"), state(driver, "sigma"))
        assert headline(driver) == [f"{1024 * active:.3g}", f"{100 - 100 * active:.1f} %"]


@on_the_page
def test_every_control_is_reached_by_tab_and_has_a_name(page, name):
    driver = page(f"#{name}")
    driver.find_element("css selector", "summary").click()
    run(driver, "document.querySelector('#tabs a').focus()")
    reached = set()
    for _ in range(70):
        driver.switch_to.active_element.send_keys(TAB)
        element = driver.switch_to.active_element
        if element.tag_name == "body":
            break
        assert element.accessible_name or element.tag_name == "summary"
        reached.add(element.id)
    wanted = driver.find_elements("css selector", ".rlab input, .rlab select, .rlab button, .rl-handle")
    assert {element.id for element in wanted if element.is_displayed()} <= reached
    for canvas in driver.find_elements("css selector", "canvas"):
        wait_until(lambda canvas=canvas: len(canvas.accessible_name) > 40)


def drag(driver, element, x, y):
    from selenium.webdriver import ActionChains

    chain = ActionChains(driver, duration=50).move_to_element(element).click_and_hold()
    for _ in range(4):
        chain.move_by_offset(x // 4, y // 4)
    chain.release().perform()


def test_the_target_answers_to_the_mouse(page):
    driver = page()
    bell, arrow = driver.find_elements("css selector", ".rl-handle")
    drag(driver, bell, 120, 0)
    moved = state(driver, "mu")
    assert 0 < moved < 0.4 and headline(driver)[0] == f"{512 * share(moved, 1):.3g}"
    drag(driver, driver.find_element("css selector", ".rl-density canvas"), -100, 0)  # the curve itself
    assert state(driver, "mu") < moved - 0.3
    drag(driver, arrow, -130, -20)
    assert 60 < state(driver, "angle") < 150
    arrow.send_keys(HOME)
    assert state(driver, "angle") == 0
    atom = run(driver, "lab.draw(); return lab.view.result.shadow.atom")
    assert atom == pytest.approx(1 - share(state(driver, "mu"), 1))


def test_the_share_of_zeros_is_kept(page):
    driver = page("#target&mu=-0.5&p=1&keep=true")
    wanted = share(-0.5, 1)
    for name, value in [("p", 2), ("p", 0.5), ("variance", "after"), ("p", 1.7), ("variance", "free"), ("sigma", 0.4)]:
        run(driver, "lab.change({ [arguments[0]]: arguments[1] }); lab.draw()", name, value)
        assert run(driver, "return lab.view.result.law.active") == pytest.approx(wanted, rel=1e-6), (name, value)
    run(driver, "lab.change({ variance: 'after', p: 1.2 }); lab.draw()")
    assert run(driver, "return lab.view.result.law.variance") == pytest.approx(1, rel=1e-6)


def test_freeze_and_compare(page):
    driver = page("#target&mu=-1")
    button(driver, "Freeze").click()
    run(driver, "lab.change({ p: 0.5 })")
    assert headline(driver)[0] == f"{512 * share(-1, 0.5):.3g}"
    frozen = f"frozen: {512 * share(-1, 1):.3g} of 512"
    assert driver.find_element("css selector", ".rl-headline small").text == frozen
    wait_until(lambda: "freeze=1" in hash_of(driver) and "p=0.5" in hash_of(driver))
    driver = page(hash_of(driver))  # a link holds both
    assert driver.find_element("css selector", ".rl-headline small").text == frozen
    button(driver, "Unfreeze").click()
    wait_until(lambda: "freeze" not in hash_of(driver))


def test_points_play_pause_and_stop_by_themselves(page):
    driver = page("#points&steps=2000", prefers_reduced_motion="no-preference")  # time to press, on a busy machine
    assert headline(driver) == ["0.0 %", f"{100 - 100 * share(-1, 1):.1f} %"]
    button(driver, "Step").click()
    assert run(driver, "lab.draw(); return lab.view.result.step") == 1
    button(driver, "Play").click()
    wait_until(lambda: run(driver, "return lab.view.result.step > 5"))
    button(driver, "Pause").click()
    end = 60 + run(driver, "return lab.view.result.step")
    run(driver, f"lab.change({{ mu: 0, steps: {end} }})")
    button(driver, "Play").click()
    wait_until(lambda: run(driver, "return lab.view.result.step") == end)
    wait_until(lambda: not state(driver, "playing"))
    assert float(headline(driver)[0].split()[0]) > 10 and headline(driver)[1] == "50.0 %"
    button(driver, "Restart").click()
    assert run(driver, "lab.draw(); return [lab.view.result.step, lab.view.result.seen]") == [0, 0]


def test_a_link_holds_frozen_points(page):
    """They are trained once more; what a hand has changed on the way no link can hold."""
    frozen = "return lab.frozen && [...lab.frozen.result.z]"
    driver = page("#points&mu=0&batch=64&steps=40")
    run(driver, "for (let k = 0; k < 25; k++) INSTRUMENTS.points.tick(lab.state, lab.own); lab.draw()")
    button(driver, "Freeze").click()
    kept = run(driver, frozen)
    wait_until(lambda: "freeze.steps=25" in hash_of(driver))
    driver = page(hash_of(driver))
    assert wait_until(lambda: run(driver, frozen)) == kept and max(kept) > 0
    assert state(driver, "steps") == 40 and "freeze.mu=0&freeze.batch=64&freeze.steps=25" in hash_of(driver)
    moving = "INSTRUMENTS.points.tick({ ...lab.state, mu: k / 20 }, lab.own)"
    run(driver, f"for (let k = 0; k < 20; k++) {moving}; lab.draw()")
    button(driver, "Unfreeze").click()
    wait_until(lambda: "freeze" not in hash_of(driver))
    button(driver, "Freeze").click()
    time.sleep(0.5)
    assert run(driver, frozen) and "freeze" not in hash_of(driver)


def test_points_with_reduced_motion_move_seldom(page):
    driver = page("#points&steps=40", prefers_reduced_motion="reduce")
    button(driver, "Play").click()
    steps = set()
    wait_until(lambda: steps.add(run(driver, "return lab.view.result.step")) or 40 in steps, pause=0.02)
    assert steps <= {0, 20, 40}


def test_points_are_drawn_by_hand(page):
    driver = page("#points&start=hand")
    drag(driver, driver.find_element("css selector", ".rl-plane canvas"), 60, -60)
    started = run(driver, "lab.draw(); return [lab.own.hand.length, ...lab.own.run.w]")
    assert started[0] > 1
    near = run(driver, "return lab.own.hand.flat()")
    assert started[1] == pytest.approx(near[0], abs=0.2) and started[2] == pytest.approx(near[1], abs=0.2)


@pytest.mark.parametrize(
    "state, said, holds",
    [
        ("#target&mu=99", "μ = 99 is outside −4 to 4; shown is μ = 4.", {"mu": 4}),
        ("#target&mu=-1e9&p=2", "μ = −1e9 is outside −4 to 4; shown is μ = −4.", {"mu": -4, "p": 2}),
        ("#mu=2", "", {"mu": 2}),
        ("#target&p=Infinity", "p = Infinity is outside 0.25 to 4; shown is p = 4.", {"p": 4}),
        ("#target&p=half", "p = half is not a number; shown is p = 1.", {"p": 1}),
        ("#target&variance=", "σ =  is not one of before, after, free; shown is σ = before.", {"variance": "before"}),
        ("#target&d=77.5", "d = 77.5 is not a whole number; shown is d = 78.", {"d": 78}),
        ("#points&lr=9&output=tanh", "What makes zeros = tanh is not one of relu, clamp, none; shown is What makes "
         "zeros = relu.", {"lr": 0.5, "output": "relu"}),
        ("#points&pull=perhaps", "is neither yes nor no", {"pull": False}),
        ("#target&nu=3&mu=1", "“nu=3” is no setting of this instrument and is left out.", {"mu": 1}),
        ("#points&playing=true", "“playing=true” is no setting of this instrument", {"playing": False}),
        ("#%E0%A4%A&&==<b>", "is no setting of this instrument", {"mu": -1}),
        ("#constructor&toString=1", "“toString=1” is no setting of this instrument", {"mu": -1}),
        ("#networks&run=cifar100/mine&measure=valueOf", "Run = cifar100/mine is not there; shown is Run = cifar100/"
         "quarter_rdmreg_p1_mu-1_100epochs_seed0. Accuracy = valueOf is not one of", {"measure": "encoder_probe"}),
    ],
)  # fmt: skip
def test_a_bad_address_falls_back_and_says_so(page, state, said, holds):
    driver = page(state)
    notice = driver.find_element("css selector", ".rl-notice")
    assert notice.is_displayed() == bool(said) and notice.get_attribute("role") == "alert"
    assert " ".join(said.split()) in " ".join(notice.text.split())
    for name, value in holds.items():
        assert run(driver, "return lab.state[arguments[0]]", name) == value


def test_a_typed_number_falls_back_and_says_so(page):
    driver = page()
    slider(driver, "p", "number").send_keys("\ue009a\ue000", f"99{ENTER}")
    notice = driver.find_element("css selector", ".rl-notice")
    assert notice.text == "p = 99 is outside 0.25 to 4; shown is p = 4." and state(driver, "p") == 4
    slider(driver, "p", "number").send_keys("\ue009a\ue000", f"0.333{ENTER}")
    assert state(driver, "p") == 0.333 and not notice.is_displayed()
    slider(driver, "p", "number").send_keys("\ue009a\ue000", f"1e{ENTER}")  # the browser hands out no value for it
    assert notice.text == "p = what was typed is not a number; shown is p = 0.333."


def test_a_link_leaves_controls_out(page):
    driver = page("#target&mu=-2&hide=p,tools,more,points,tabs")
    shown = lambda what: [node for node in driver.find_elements("css selector", what) if node.is_displayed()]
    assert not shown("[data-part='p'], .rl-tools, details, .rl-points, #tabs") and shown("[data-part='mu']")
    slider(driver, "mu").send_keys(RIGHT)
    wait_until(lambda: "hide=p,tools,more,points,tabs" in hash_of(driver))


@on_the_page
def test_presets_say_what_to_see(page, name):
    driver = page(f"#{name}")
    for preset in driver.find_elements("css selector", ".rl-presets button"):
        preset.click()
        assert len(driver.find_element("css selector", ".rl-story").text) > 60
        assert not driver.find_element("css selector", ".rl-notice").is_displayed()


def test_what_is_kept_holds_the_numbers(page):
    driver = page("#target&mu=-1")
    rows = dict(row.split(",") for row in run(driver, "return lab.csv()").split())
    assert float(rows["expected_l0"]) == pytest.approx(512 * share(-1, 1)) and rows["mu"] == "-1"
    size = run(driver, "const c = lab.picture(); return [c.width, c.height, c.toDataURL().length]")
    assert size[0] == 2200 and size[2] > 50_000
    driver = page("#points&steps=10")
    run(driver, "while (INSTRUMENTS.points.tick(lab.state, lab.own)); lab.draw()")
    steps = run(driver, "return lab.csv()").strip().split("\r\n")[-10:]
    assert [row.split(",")[0] for row in steps] == [str(k) for k in range(1, 11)]


@on_the_page
@pytest.mark.parametrize("width, height", [(360, 740), (640, 400), (1280, 800), (1920, 1080)])
def test_it_fits_the_screen_and_needs_no_network(page, name, width, height):
    """From a phone to a projector; 640 by 400 is a laptop at 200 % zoom: number and figure are in view together."""
    hash_ = {"target": "#target&mu=-4&variance=free&sigma=0.1&p=0.25&angle=179&d=2048", "points": "#points",
             "networks": "#networks&run=shapes/rdmreg_p1_mu-2_alpha0.1_seed0"}[name]  # fmt: skip
    driver = page(hash_, width, height)
    wide, resources = run(
        driver,
        "return [document.documentElement.scrollWidth, performance.getEntriesByType('resource').map((e) => e.name)]",
    )
    assert wide <= width and resources == []
    for element in driver.find_elements("css selector", ".rlab input, .rlab button, canvas, dd, .rl-handle"):
        if element.is_displayed():
            assert element.rect["x"] >= 0 and element.rect["x"] + element.rect["width"] <= width
    number = driver.find_element("css selector", ".rl-headline output").rect
    figure = driver.find_element("css selector", "canvas").rect
    assert 0 <= number["y"] and figure["y"] + figure["height"] <= height
    run(driver, "scrollTo(0, 500)")
    top = run(driver, "return document.querySelector('.rl-headline').getBoundingClientRect().top")
    assert top >= 0  # always in sight


@on_the_page
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page, name, scheme):
    axe = pytest.importorskip("axe_core_python").__path__[0]
    driver = page(f"#{name}", prefers_color_scheme=scheme)
    run(driver, "document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    button(driver, "Freeze").click()
    driver.find_element("css selector", ".rl-presets button").click()
    run(driver, Path(axe, "axe.min.js").read_text(encoding="utf-8"))
    found = driver.execute_async_script("axe.run().then(arguments[0])")
    assert found["passes"]
    assert [(v["id"], [node["html"][:120] for node in v["nodes"]]) for v in found["violations"]] == []
    paper = driver.find_element("css selector", ".rlab").value_of_css_property("background-color")
    assert (paper == "rgba(255, 255, 255, 1)") == (scheme == "light")


def test_colours_follow_the_system_and_the_printer(page):
    inks = lambda: run(
        driver, "return getComputedStyle(document.querySelector('.rlab')).getPropertyValue('--ink').trim()"
    )
    driver = page(prefers_color_scheme="dark")
    dark = inks()
    run(driver, "dispatchEvent(new Event('beforeprint'))")
    light = inks()
    run(driver, "dispatchEvent(new Event('afterprint'))")
    assert inks() == dark != light
    driver = page(forced_colors="active")
    assert inks() == "CanvasText"


@pytest.mark.parametrize("name", explore.INSTRUMENTS)
def test_points_are_seen_where_a_line_of_no_length_is_not_drawn(page, name):
    """As in WebKit, the browser of Safari and iPhones."""
    as_webkit = """
    const { moveTo, lineTo } = CanvasRenderingContext2D.prototype;
    let last = [];
    CanvasRenderingContext2D.prototype.moveTo = function (x, y) { last = [x, y]; moveTo.call(this, x, y); };
    CanvasRenderingContext2D.prototype.lineTo = function (x, y) {
      if (x !== last[0] || y !== last[1]) lineTo.call(this, x, y);
      last = [x, y];
    };"""
    pixels = """return [...document.querySelectorAll('.rl-canvas canvas')].flatMap((c) =>
      [...new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)]);"""
    seen = []
    for before in ("", as_webkit):
        added = page("").execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": before})
        driver = page(f"#{name}&seed=3")
        wait_until(
            lambda driver=driver: run(driver, "return document.querySelectorAll('.rl-canvas canvas').length > 1")
        )
        time.sleep(0.5)
        seen.append(numpy.array(run(driver, pixels)))
        driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    assert (seen[0] != seen[1]).mean() < 1e-3


def test_without_javascript_a_sentence_and_a_picture(address):
    with chromium(360, 740, scripts=False) as driver:
        driver.get(address)
        assert "needs JavaScript" in driver.find_element("css selector", "noscript p").text
        picture = driver.find_element("css selector", "noscript img")
        assert picture.is_displayed() and picture.rect["width"] > 250 and picture.rect["height"] > 80
        assert picture.get_attribute("alt") == explore.ALT["target"]


# ---- trained networks ----


def result(path):
    return json.loads((RESULTS / path).read_text(encoding="utf-8"))


def drop(page, files):
    """Drop files {name: text} on the page, as a hand does; back once they are read."""
    run(
        page,
        "const data = new DataTransfer();"
        "for (const [name, text] of arguments[0]) data.items.add(new File([text], name));"
        "document.querySelector('.rl-notice').textContent = '';"
        "document.body.dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));",
        list(files.items()),
    )
    return wait_until(lambda: page.find_element("css selector", ".rl-notice").text)


def choose(page, name, value):
    """Choose in a list by its value, as a hand does, and give the run that is then shown."""
    page.find_element("css selector", f"[data-part='{name}'] option[value='{value}']").click()
    return state(page, "run")


def test_networks_hold_every_result(page):
    """Numbers and configuration are the files'; what the page takes for the target is what the run aimed at."""
    shown = run(
        page("#networks"),
        "return Object.keys(INSTRUMENTS.networks.table.run.choices).map((run) => {"
        "const r = INSTRUMENTS.networks.compute({ run }, {}), { config, provenance, final, asked } = r.run;"
        "return [run, { config, provenance, final, asked, x: r.x, density: r.density }]; })",
    )
    files = {f"{d}/{path.stem}": path for d in ("cifar100", "shapes") for path in (RESULTS / d).glob("*.json")}
    assert dict(shown).keys() == files.keys()
    for name, ours in shown:
        theirs = json.loads(files[name].read_text(encoding="utf-8"))
        config = PretrainConfig(**theirs["config"])
        assert PretrainConfig(**ours["config"]) == config and ours["provenance"] == theirs["provenance"], name
        asked = config.expected_nonzero_fraction() if config.epochs else None
        assert ours["asked"] == (asked if asked is None else pytest.approx(asked, rel=1e-9)), name
        final = theirs["final"]
        for key in ("encoder_probe", "encoder_knn", "projector_probe", "projector_knn", "nonzero_fraction"):
            assert ours["final"][key] == pytest.approx(final[key], rel=1e-3), (name, key)
        if shares := sorted(final.get("active_share", []), reverse=True):
            assert [ours["final"]["active_share"][k] for k in (0, 64, 128)] == pytest.approx(
                [shares[0], shares[round((len(shares) - 1) / 2)], shares[-1]], abs=6e-4
            ), name
        if histogram := final.get("histogram"):
            edges = torch.tensor(histogram["edges"], dtype=torch.float64)
            centers = ((edges[1:] + edges[:-1]) / 2).tolist()
            kept = ours["final"]["histogram"]
            assert kept["edges"] == pytest.approx([histogram["edges"][0], histogram["edges"][-1]])
            assert kept["density"] == pytest.approx(histogram["density"], rel=6e-3, abs=1e-9)
            if asked is not None:
                drawn = numpy.interp(centers, ours["x"], ours["density"])
                assert drawn == pytest.approx(histogram["target"], abs=0.01 * max(histogram["target"])), name


def test_a_network_is_chosen_by_list_slider_click_and_address(page):
    driver = page("#networks")
    first = result("cifar100/quarter_rdmreg_p1_mu-1_100epochs_seed0.json")["final"]["nonzero_fraction"]
    assert headline(driver) == [f"{100 * first:.1f} %", f"{100 * share(-1, 1):.1f} %"]
    assert choose(driver, "run", "cifar100/rdmreg_p1_mu0_5epochs_seed1") == "cifar100/rdmreg_p1_mu0_5epochs_seed1"
    assert choose(driver, "p", "2") == "cifar100/rdmreg_p2_mu0_5epochs_seed0"  # what changes is p alone
    mu = slider(driver, "mu")
    mu.send_keys(LEFT, LEFT)
    assert state(driver, "run") == "cifar100/rdmreg_p2_mu-2_5epochs_seed0"
    assert mu.get_attribute("aria-valuetext") == "−2"
    wait_until(lambda: "run=cifar100/rdmreg_p2_mu-2_5epochs_seed0" in hash_of(driver))
    assert choose(driver, "dataset", "shapes") == "shapes/rdmreg_p2_mu-2_seed0"
    wanted = result("shapes/rdmreg_p2_mu0_seed0.json")["final"]
    driver.execute_script("lab.draw(); scrollTo(0, 0)")
    canvas = driver.find_element("css selector", ".rl-tradeoff canvas")
    x, y = run(
        driver,
        "const { plot } = lab.panels[0], [zeros, accuracy] = arguments;"
        "return [plot.X(Math.log(zeros / (1 - zeros))), plot.Y(accuracy)]",
        1 - wanted["nonzero_fraction"], wanted["encoder_probe"],
    )  # fmt: skip
    from selenium.webdriver import ActionChains

    middle = canvas.rect["width"] / 2, canvas.rect["height"] / 2
    ActionChains(driver).move_to_element_with_offset(canvas, x - middle[0], y - middle[1]).click().perform()
    assert state(driver, "run") == "shapes/rdmreg_p2_mu0_seed0"
    wait_until(lambda: "run=shapes/rdmreg_p2_mu0_seed0" in hash_of(driver))
    driver = page(hash_of(driver))
    assert headline(driver)[0] == f"{100 * wanted['nonzero_fraction']:.1f} %"


def test_the_name_of_a_budget_stands_below_its_point_with_most_zeros(page):
    driver = page("#networks")
    said = run(
        driver,
        "const said = {}, kind = Object.getPrototypeOf(lab.panels[0].plot), { words } = kind;"
        "kind.words = function (text, x, y, ...more) { said[text] = [x, y]; words.call(this, text, x, y, ...more); };"
        "lab.panels[0].drawn = ''; lab.draw();"
        "kind.words = words;"
        "const { plot } = lab.panels[0];"
        "const at = (zeros, accuracy) => [plot.X(Math.log(zeros / (1 - zeros))), plot.Y(accuracy)];"
        "return [said, arguments[0].map(([zeros, accuracy]) => at(zeros, accuracy))]",
        [(1 - final["nonzero_fraction"], final["encoder_probe"]) for final in (
            result(f"cifar100/{name}.json")["final"]
            for name in ("quarter_rdmreg_p2_mu-3_100epochs_seed0", "rdmreg_p2_mu-3_5epochs_seed0")
        )],
    )  # fmt: skip
    names, places = said
    for name, (x, y) in zip(("100 epochs, 16 to 128 wide", "5 epochs"), places, strict=True):
        assert names[name] == pytest.approx([x, y + 8], abs=1)


def test_networks_without_a_target_or_an_older_result_say_what_is_missing(page):
    driver = page("#networks&run=cifar100/random_seed0")
    assert headline(driver)[1] == "–" and not slider(driver, "mu").is_enabled()
    below = driver.find_element("css selector", ".rl-below")
    assert "Written by an older version" not in below.text
    below.find_element("css selector", "summary").click()
    wait_until(lambda: ("regularizer", "rdmreg") in itertools.pairwise(below.text.split()))  # its configuration
    driver = page("#networks&run=shapes/lejepa_seed0")
    missing = "this result keeps no histogram, no share of each feature, no effective rank"
    assert missing in driver.find_element("css selector", ".rl-below").text
    described = [canvas for canvas in driver.find_elements("css selector", "canvas")][1]
    wait_until(lambda: "This result keeps no histogram" in described.accessible_name)


def test_own_results_join_and_stay(page):
    """A class's files, one with NaN, are on one trade-off; what is no result is refused by name; no link holds them."""
    theirs = result("cifar100/quarter_rdmreg_p1_mu-1_100epochs_seed0.json")
    anna = theirs | {"final": theirs["final"] | {"encoder_probe": 0.42, "nonzero_fraction": 0.05}}
    bert = theirs | {"final": theirs["final"] | {"encoder_probe": math.nan}}
    old = result("cifar100/rdmreg_p2_mu-1_5epochs_seed0.json")
    driver = page("#target")  # dropped there, they open the instrument
    files = {"result.json": json.dumps(anna), "bert.json": json.dumps(bert), "old.json": json.dumps(old)}
    bad = {"notes.json": "[1, 2]", "photo.png": "no JSON", "config.json": json.dumps(theirs["config"])}
    driver.execute_script("lab.change({ mu: 1 })")
    said = drop(driver, files | bad)
    assert "3 runs of your own have joined the comparison. They stay on this machine, and out of the link." in said
    assert all(f"“{name}” is no result of rlpjepa.pretrain and is left out." in said for name in bad)
    assert headline(driver)[0] == "5.0 %"
    names = [node.text for node in driver.find_elements("css selector", "optgroup[label='Your own'] option")]
    assert [name.split(":")[0] for name in names] == ["own run 1", "bert", "old"]
    rows = [row.split(",") for row in run(driver, "return lab.csv()").split("\r\n")]
    assert [row[-4] for row in rows if row[0] in ("own run 1", "bert")] == ["0.42", ""]  # NaN is no accuracy
    time.sleep(0.5)
    assert hash_of(driver) == "#networks"
    button(driver, "Freeze").click()
    choose(driver, "run", "cifar100/rdmreg_p1_mu-3_5epochs_seed0")
    wait_until(lambda: hash_of(driver) == "#networks&run=cifar100/rdmreg_p1_mu-3_5epochs_seed0")
    assert driver.find_element("css selector", ".rl-headline small").text == "frozen: 5.0 %"
    driver.execute_script("location.hash = '#points'")
    wait_until(lambda: run(driver, "return lab.name") == "points")
    driver.execute_script("location.hash = '#networks'")
    wait_until(lambda: driver.find_elements("css selector", "optgroup[label='Your own']"))  # another tab loses nothing
    assert "A run of your own has joined" in drop(driver, {"again.json": json.dumps(bert)})
    assert len(driver.find_elements("css selector", "optgroup[label='Your own'] option")) == 3  # the same file
    button(driver, "Remove mine").click()
    assert not driver.find_elements("css selector", "optgroup[label='Your own']")


def test_own_results_are_opened_with_a_button_and_compared_within_their_data(page, tmp_path):
    """Images of another checksum are another data set, whatever its name."""
    theirs = result("shapes/rdmreg_p1_mu-1_seed0.json")
    theirs["provenance"]["data_md5"]["test"] = "abcdef" + "0" * 26
    (tmp_path / "mine.json").write_text("\ufeff" + json.dumps(theirs), encoding="utf-8")
    driver = page("#networks")
    driver.find_element("css selector", "input[type='file']").send_keys(str(tmp_path / "mine.json"))
    wait_until(lambda: "joined" in driver.find_element("css selector", ".rl-notice").text)
    assert driver.find_element("css selector", "[data-part='dataset'] select").get_attribute("value") == "shapes abcdef"
    rows = run(driver, "return lab.csv()").strip().split("\r\n")
    assert rows[-2].startswith("run,budget") and rows[-1].startswith("mine,")  # alone on its trade-off
    assert choose(driver, "dataset", "shapes") == "shapes/rdmreg_p1_mu-1_seed0"


def test_a_sheet_of_images_lies_beside_the_page(page, address):
    hash_ = "#networks&run=cifar100/quarter_rdmreg_p1_mu-1_100epochs_seed0"
    driver = page(hash_)
    driver.execute_script("scrollTo(0, document.body.scrollHeight)")
    wait_until(lambda: run(driver, "return document.querySelector('.rl-below img').naturalWidth > 500"))
    alone = Path(address.removeprefix("file://")).parent / "alone" / "lab.html"
    alone.parent.mkdir()
    alone.write_bytes(alone.parents[1].joinpath("lab.html").read_bytes())
    driver.get(alone.as_uri() + hash_)
    driver.execute_script("scrollTo(0, document.body.scrollHeight)")
    wait_until(lambda: "it lies beside the page" in driver.find_element("css selector", ".rl-below figure").text)
    assert [error for error in console_errors(driver) if "ERR_FILE_NOT_FOUND" not in error] == []


# ---- in JupyterLab ----


@contextlib.contextmanager
def jupyter_lab(folder, notebooks):
    """A server as `make lab` starts it, with no settings but that it asks nobody for news; gives its address."""
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    news = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(news), encoding="utf-8")
    own = {"JUPYTERLAB_SETTINGS_DIR": settings.parents[1], "JUPYTERLAB_WORKSPACES_DIR": folder / "workspaces"}
    own |= {f"JUPYTER_{kind}_DIR": folder / kind.lower() for kind in ("CONFIG", "DATA", "RUNTIME")}
    make = re.search(r"^lab:.*\n\t(.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert make == "$(BIN)/jupyter lab --notebook-dir=notebooks $(ARGS)"
    port = free_port()
    command = [sys.executable, "-m", "jupyter", "lab", f"--notebook-dir={notebooks}", "--no-browser", "--allow-root"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token="]
    with open(folder / "log.txt", "w", encoding="utf-8") as log:
        environment = os.environ | {name: str(path) for name, path in own.items()}
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until(
            lambda: server.poll() is not None or answers(f"{address}/api"), 120, "JupyterLab did not start", pause=0.5
        )
        assert server.poll() is None, (folder / "log.txt").read_text(encoding="utf-8")
        yield address
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.slow
def test_in_jupyterlab_page_and_python_answer_each_other(tmp_path):
    """Run all cells; a slider's move reaches Python, which sets another setting, which the page shows."""
    cells = [
        "from pathlib import Path\nfrom rlpjepa import explore\nlab = explore.target(mu=-1)\n"
        "def heard(change):\n    Path('heard.txt').write_text(str(change.new))\n    lab.p = 2.0\n"
        "lab.observe(heard, 'mu')\nlab",
        "points = explore.moving_points(steps=50)\n"
        "points.observe(lambda change: Path('seen.txt').write_text(str(change.new)), 'numbers')\npoints",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    nbformat.write(notebook, notebooks / "lab.ipynb")
    with chromium(1280, 1400) as driver, jupyter_lab(tmp_path, notebooks) as address:
        find = lambda what: driver.find_elements("css selector", what)
        driver.get(f"{address}/lab/tree/lab.ipynb")
        wait_until(lambda: find(".jp-Notebook .jp-Cell"), 120, "no notebook opened", pause=0.5)
        wait_until(lambda: find(".jp-Notebook-ExecutionIndicator[data-status='idle']"), 120, "no kernel", pause=0.5)

        untouched = "return [...document.querySelectorAll('.jp-InputPrompt')].every(p => p.textContent === '[ ]:')"

        def opened():
            # An older JupyterLab may ask which kernel, the right one being marked. And while the page still connects to
            # its kernel, a command is lost.
            driver.execute_script("document.querySelector('.jp-Dialog .jp-mod-accept')?.click()")
            if driver.execute_script(untouched):
                driver.find_element("xpath", "//div[contains(@class, 'MenuBar-itemLabel') and text()='Run']").click()
                run_all = "li[data-command='runmenu:run-all']"
                wait_until(lambda: find(run_all), message="no menu")[0].click()
            return len(find(".rlab .rl-headline output")) == 4

        wait_until(opened, 240, "the labs did not open", pause=3)
        assert find(".rl-headline output")[0].text == f"{512 * share(-1, 1):.3g}"

        find(".rl-handle")[0].send_keys(RIGHT * 4)
        wait_until(
            lambda: (
                (notebooks / "heard.txt").exists() and (notebooks / "heard.txt").read_text(encoding="utf-8") == "-0.8"
            ),
            30,
        )
        shown = "input[aria-label='p, shape, as a number']"
        wait_until(lambda: find(shown)[0].get_attribute("value") == "2", 30, "the page did not follow Python")
        wait_until(lambda: find(".rl-headline output")[0].text == f"{512 * share(-0.8, 2):.3g}", 30)
        find("input[type=range]")[0].send_keys(RIGHT * 4)  # JupyterLab has uses of its own for these keys
        wait_until(lambda: find(".rl-headline output")[0].text != f"{512 * share(-0.8, 2):.3g}", 30, "a key is lost")

        find(".rl-play")[0].click()
        seen = notebooks / "seen.txt"
        wait_until(
            lambda: seen.exists() and "'step': 50" in seen.read_text(encoding="utf-8"),
            60,
            "Python did not hear of 50 steps",
        )
        driver.execute_script("document.querySelector('.jp-Notebook').scrollTop = 0")
        assert "Error displaying widget" not in driver.find_element("tag name", "body").text
