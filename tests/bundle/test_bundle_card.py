"""The card shows what the configuration holds, no more and no less, and its front matter is what the hub reads."""

import ast
import re

import pytest
import torch
import yaml
from tests.bundle.tiny import DIGEST, NAMES, tiny_bundle

from darktimbre.bundle.bundle import Bundle
from darktimbre.bundle.card import model_card
from darktimbre.bundle.model_folder import ModelFolder
from darktimbre.bundle.where import CARD, shipped_folder


def card_of(**config: object) -> str:
    """The card of the tiny bundle with these entries of the configuration."""
    bundle = tiny_bundle(**config)  # type: ignore[arg-type]
    return model_card(bundle.form.template, bundle.config, bundle.weights, bundle.form.tags)


def _front_matter(card: str) -> dict[str, object]:
    return yaml.safe_load(card.split("---\n")[1])


def test_front_matter() -> None:
    matter = _front_matter(card_of())
    assert matter["license"] == "mit"
    assert matter["library_name"] == "darktimbre"
    assert "darkgan" in matter["tags"]  # type: ignore[operator]


def test_a_licence_the_hub_does_not_list_is_named_as_other() -> None:
    corpus = {"name": "mine", "licence": "ask the author"}
    matter = _front_matter(card_of(provenance={"corpus": corpus}))
    assert (matter["license"], matter["license_name"]) == ("other", "ask the author")


def test_it_tells_data_teacher_notes_seen_metrics_recipe_and_attributes() -> None:
    bundle = tiny_bundle()
    card = card_of()
    parameters = sum(tensor.numel() for tensor in bundle.weights.values())
    figures = (
        "123,456",
        f"{parameters:,} parameters",
        "| pitch accuracy | 0.91 |",
        "| attribute correlation / mean | 0.3 |",
    )
    for part in ("FluidR3_GM", "MIT", DIGEST, *NAMES, *figures):
        assert part in card
    assert yaml.safe_load(re.search(r"```yaml\n(.*?)```", card, re.S)[1]) == bundle.config["recipe"]  # type: ignore[index]


def test_provenance_of_the_corpus_is_told_item_by_item() -> None:
    fonts = [{"file": "a.sf2", "title": "A"}, {"file": "b.sf3", "title": "B"}]
    corpus = {"name": "c", "licence": "MIT", "provenance": {"made_by": "darktimbre render", "soundfonts": fonts}}
    card = card_of(provenance={"corpus": corpus})
    text = re.search(r"## Training data\n\n(.*?)\n\n?## ", card, re.S)[1]  # type: ignore[index]
    for line in ("  - made by: darktimbre render", "    - 2:", "      - file: b.sf3", "      - title: B"):
        assert line in text.splitlines()
    assert "{" not in text


def test_the_code_in_it_is_python_and_names_what_the_instrument_has() -> None:
    code = re.search(r"```python\n(.*?)```", card_of(), re.S)[1]  # type: ignore[index]
    ast.parse(code)
    assert "pitch=60" in code
    assert '"Singing bowl": 0.8' in code
    assert "pitch=" not in card_of(pitched=False).split("```")[1]


def test_equal_configurations_give_equal_text_and_bare_ones_a_card() -> None:
    assert card_of() == card_of()
    bare = card_of(recipe={}, provenance={}, metrics={})
    assert "## Figures" not in bare
    assert "## Training" not in bare


def test_figures_are_told_with_their_errors_and_attributes_best_first() -> None:
    evaluation = {
        "notes": 2964,
        "coverage": {"value": 0.48, "spread": 0.03},
        "attribute_correlation": {"value": 0.37, "from": 0.3, "to": 0.4},
        "attributes": {"Drum": 0.8, "Trumpet": 0.5},
    }
    card = card_of(metrics={"evaluation": evaluation, "losses": {"critic": 0.5}})
    assert "| on held-out notes / coverage | 0.48 ± 0.03 |" in card
    assert "| on held-out notes / attribute correlation | 0.37 [0.3, 0.4] |" in card
    assert "Last losses of training: critic 0.5." in card
    assert "Drum 0.8, Trumpet 0.5." in card


def test_the_card_of_the_starter_is_the_one_it_would_be_written_with() -> None:
    starter = Bundle.from_pretrained(shipped_folder("starter"))
    card = model_card(starter.form.template, starter.config, starter.weights, starter.form.tags)
    assert card == (shipped_folder("starter") / CARD).read_text(encoding="utf-8")


def test_a_kind_without_a_template_has_the_general_card_and_a_missing_template_is_no_failing_disk() -> None:
    config = {"kind": "toy", "recipe": {"name": "mine", "seed": 1}, "metrics": {"valid": {"accuracy": 0.5}}}
    card = model_card(ModelFolder.template, config, {"weight": torch.zeros(3, 2)})
    for line in ("# mine: toy", "A network of 6 parameters, trained with darktimbre.", "| valid / accuracy | 0.5 |"):
        assert line in card.splitlines()
    assert "seed: 1" in card
    with pytest.raises(LookupError, match="no template"):
        model_card("none", config, {})
