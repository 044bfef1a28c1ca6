"""Settings: presets, overrides, and one clear line for each mistake."""

import pytest

from training.build import count_parameters
from training.config import AugmentConfig, Config, FitConfig
from training.errors import ConfigError
from training.model_card import shipped_models
from training.presets import PRESETS, load_config


def test_the_paper_presets_have_the_papers_values():
    paper = load_config("paper-128")
    assert count_parameters(paper) == 6_891_905
    assert (paper.diffusion.prediction, paper.diffusion.weighting, paper.diffusion.input_scale) == (
        "x",
        "truncated-snr",
        0.1,
    )
    assert (paper.sampling.sampler, paper.sampling.steps) == ("ddim", 10)
    assert (paper.fit.steps, paper.fit.decay_steps, paper.fit.batch_size) == (400_000, 100_000, 8)
    assert (paper.fit.learning_rate, paper.fit.weight_decay, paper.fit.clip_norm) == (1e-4, 0.01, 1.0)
    small = load_config("paper-64")
    assert (small.image_size, small.sampling.sampler) == (64, "ddpm")
    assert small.network == paper.network
    for name in ("paper-128", "paper-64", "recommended"):
        augment = load_config(name).fit.augment
        assert (augment.dihedral, augment.probability, augment.degrees) == (True, 0.3, 20)
        assert (augment.scale, augment.shift, augment.gamma) == (0.1, 0.0625, 0.2)
        assert (augment.brightness, augment.contrast) == (0.2, 0.2)


@pytest.mark.parametrize("name", ["demo", "tiny"])
def test_the_small_presets_leave_slices_as_they_are(name):
    assert load_config(name).fit.augment.changes_nothing


def test_a_card_from_before_there_was_augmentation_means_none():
    settings = load_config("demo").model_dump(mode="json")
    del settings["fit"]["augment"]
    assert Config.model_validate(settings) == load_config("demo")
    assert shipped_models()["demo"].config.fit.augment == FitConfig().augment == AugmentConfig()
    assert AugmentConfig().changes_nothing


@pytest.mark.parametrize("changes", [{"dihedral": True}, {"probability": 0.1}])
def test_augmentation_is_on_as_soon_as_one_part_of_it_is(changes):
    assert not AugmentConfig(**changes).changes_nothing


def test_augmentation_is_set_like_everything_else(tmp_path):
    config = load_config("tiny", ["fit.augment.probability=0.3", "fit.augment.degrees=5"])
    assert (config.fit.augment.probability, config.fit.augment.degrees) == (0.3, 5)
    file = tmp_path / "mine.toml"
    file.write_text('preset = "paper-64"\n[fit.augment]\ndihedral = false\n')
    assert load_config(str(file)).fit.augment == AugmentConfig(probability=0.3)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_survives_json(name):
    config = load_config(name)
    assert config.preset == name
    assert Config.model_validate_json(config.model_dump_json()) == config


def test_overrides_are_dotted_and_typed():
    config = load_config(
        "tiny", ["fit.steps=500", "diffusion.prediction=x", "network.multipliers=[1, 3]", "fit.learning_rate=5e-4"]
    )
    assert config.fit.steps == 500
    assert config.diffusion.prediction == "x"
    assert config.network.multipliers == (1, 3)
    assert config.fit.learning_rate == 5e-4
    assert config.fit.decay_steps == load_config("tiny").fit.decay_steps


def test_a_toml_file_starts_from_the_preset_it_names(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('preset = "paper-64"\n[fit]\nsteps = 200000\n')
    config = load_config(str(file))
    assert (config.image_size, config.fit.steps, config.sampling.sampler) == (64, 200_000, "ddpm")


@pytest.mark.parametrize(
    ("preset", "overrides", "says"),
    [
        ("papr-128", [], "unknown preset 'papr-128'; choose one of: paper-128"),
        ("tiny", ["fit.stepz=5"], "unknown setting 'fit.stepz'; known here: steps, batch_size"),
        ("tiny", ["nonsense=5"], "unknown setting 'nonsense'; known here: preset, image_size"),
        ("tiny", ["fit.steps"], "write it as key=value"),
        ("tiny", ["fit.steps=many"], "fit.steps.*got 'many'"),
        ("tiny", ["fit.steps=true"], "fit.steps.*valid integer, got True"),
        ("tiny", ["fit.seed=true"], "fit.seed.*valid integer, got True"),
        ("tiny", ["fit.learning_rate=true"], "fit.learning_rate.*valid number, got True"),
        ("tiny", ["fit.clip_norm='1'"], "fit.clip_norm.*valid number, got '1'"),
        ("tiny", ["diffusion.self_conditioning=yes"], "self_conditioning.*valid boolean, got 'yes'"),
        ("tiny", ['fit.steps="3"'], "fit.steps.*valid integer, got '3'"),
        ("tiny", ["fit.learning_rate=1e300"], "fit.learning_rate.*less than or equal to 1, got 1e.300"),
        ("tiny", ["diffusion.log_snr_limit=1e-9"], "log_snr_limit.*greater than or equal to 0.1, got 1e-09"),
        ("tiny", ["fit.steps=-3"], "fit.steps.*greater than 0.*-3"),
        ("tiny", ["diffusion.prediction=y"], "diffusion.prediction.*'x', 'eps' or 'v'.*got 'y'"),
        ("tiny", ["fit.steps=10"], "20 \\+ 100 exceeds fit.steps = 10"),
        ("tiny", ["network.res_blocks=[1]"], "2 levels and network.res_blocks has 1"),
        ("tiny", ["network.heads=3"], "network.heads = 3 must divide the 16 channels"),
        ("tiny", ["network.groups=3"], "network.groups = 3 must divide network.base_channels = 8"),
        ("tiny", ["diffusion.weight_log_snr_limit=300"], "weight_log_snr_limit.*less than or equal to 30, got 300"),
        ("tiny", ["diffusion.weight_log_snr_limit=nan"], "weight_log_snr_limit.*finite number"),
        ("tiny", ["network.multipliers=[]", "network.res_blocks=[]"], "network.multipliers.*at least 1 item"),
        ("tiny", ["preset=demo"], "choose a preset with --preset"),
        ("tiny", ["fit.augment.flip=true"], "unknown setting 'fit.augment.flip'; known here: dihedral, probability"),
        ("tiny", ["fit.augment.probability=30"], "fit.augment.probability.*less than or equal to 1.*30"),
        ("tiny", ["fit.augment.scale=1"], "fit.augment.scale.*less than 1, got 1"),
        ("tiny", ["fit.augment.gamma=nan"], "fit.augment.gamma.*finite number"),
        ("tiny", ["fit.augment=paper"], "fit.augment.*got 'paper'"),
        ("tiny", ["diffusion.schedule=quadratic"], "diffusion.schedule.*'cosine', 'linear' or 'sigmoid'.*'quadratic'"),
        ("tiny", ["sampling.sampler=dpmpp2m", "sampling.eta=0.5"], "eta = 0.5 means nothing to the sampler 'dpmpp2m'"),
        ("tiny", ["sampling.eta=1.5"], "sampling.eta.*less than or equal to 1, got 1.5"),
        ("tiny", ["sampling.guidance=2"], "guidance = 2 needs a model that was also trained without images"),
        ("tiny", ["diffusion.image_dropout=1"], "diffusion.image_dropout.*less than 1, got 1"),
        ("tiny", ["fit.ema_decay=1"], "fit.ema_decay.*less than 1, got 1"),
        ("tiny", ["fit.validation_samples=1"], "fit.validation_samples.*greater than or equal to 2, got 1"),
        ("tiny", ["fit.determinism=portable", "fit.precision=bf16"], "fit.precision = 'bf16' is not portable"),
        ("tiny", ["image_size=33"], "image_size = 33 must be a multiple of 4"),
        ("no/such.toml", [], "cannot read the configuration no/such.toml: No such file"),
    ],
)
def test_mistakes_are_told_in_one_line(preset, overrides, says):
    with pytest.raises(ConfigError, match=says) as error:
        load_config(preset, overrides)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ['"recomended"', '["x"]', "3"])
def test_a_toml_file_cannot_start_from_an_unknown_preset(tmp_path, name):
    file = tmp_path / "mine.toml"
    file.write_text(f"preset = {name}")
    with pytest.raises(ConfigError, match=r"unknown preset .* choose one of: custom, paper-128"):
        load_config(str(file))


def test_a_broken_toml_file_is_named(tmp_path):
    file = tmp_path / "broken.toml"
    file.write_text("fit = [")
    with pytest.raises(ConfigError, match=r"broken.toml is not valid TOML"):
        load_config(str(file))


@pytest.mark.parametrize("name", PRESETS)
def test_no_preset_needs_a_caution(name):
    assert load_config(name).cautions == ()


@pytest.mark.parametrize("weighting", ["truncated-snr", "snr+1", "uniform"])
def test_a_weighting_that_diverges_for_eps_is_allowed_with_its_reason(weighting):
    """The paper's Table 3 has these cells, so they can be trained; e^15 = 3.3e6 is where the weight is clamped."""
    config = load_config("paper-128", ["diffusion.prediction=eps", f"diffusion.weighting={weighting}"])
    weight, first_step = config.cautions
    assert "3.3e+06" in weight
    assert repr(weighting) in weight
    assert "2.2e+04 at t = 1" in first_step


@pytest.mark.parametrize(("weighting", "bias"), [("sigmoid", -30), ("sigmoid-as-printed", 30)])
def test_a_sigmoid_weight_that_ends_as_large_as_the_uniform_one_is_cautioned_for_eps(weighting, bias):
    settings = ["diffusion.prediction=eps", "diffusion.log_snr_limit=10", f"diffusion.weighting={weighting}"]
    (caution,) = load_config("paper-128", [*settings, f"diffusion.sigmoid_bias={bias}"]).cautions
    assert "2.2e+04" in caution  # e^10, at the clamp
    assert load_config("paper-128", [*settings, "diffusion.sigmoid_bias=-2"]).cautions == ()


def test_an_x_space_weight_that_is_hardly_clamped_is_allowed_with_its_reason():
    (caution,) = load_config("paper-128", ["diffusion.weight_log_snr_limit=18", "diffusion.weighting=snr"]).cautions
    assert "SNR = 6.6e+07" in caution


def test_plain_eps_prediction_with_a_low_limit_needs_no_caution():
    changes = ["diffusion.prediction=eps", "diffusion.weighting=snr", "diffusion.log_snr_limit=10"]
    assert load_config("paper-128", changes).cautions == ()


def test_a_card_from_before_the_method_was_complete_means_what_it_meant():
    settings = load_config("demo").model_dump(mode="json")
    for section, keys in {
        "diffusion": ["sigmoid_steepness", "weight_derivative", "self_conditioning", "image_dropout"],
        "sampling": ["grid", "eta", "guidance"],
        "fit": ["precision", "ema_decay"],
    }.items():
        for key in keys:
            del settings[section][key]
    assert Config.model_validate(settings) == load_config("demo")


def test_guidance_is_open_to_a_model_that_was_trained_for_it():
    config = load_config("tiny", ["diffusion.image_dropout=0.1", "sampling.guidance=2"])
    assert config.sampling.guidance == 2
