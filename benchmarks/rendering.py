"""Playing one note on one thread: the paper's network against its plain form, and `darktimbre-small` in real time.

Network and inversion together, from condition and latent to the wave.
"""

import statistics
import sys
from typing import Any

from benchmarks.child import Answer, Child, serve
from benchmarks.report import Row
from benchmarks.turns import in_turns

SPEED, REAL_TIME = 2.5, 0.03  # targets
PITCHES = tuple(range(44, 70))


def run(quick: bool) -> list[Row]:
    """The paper's network in both ways, each in a process of its own; then the small one."""
    repeats = 3 if quick else 12
    ways = ("fast", "plain")
    children = {way: Child("benchmarks.rendering", way) for way in ways}
    small = Child("benchmarks.rendering", "small")
    try:
        for child in (*children.values(), small):
            child.ready()
            child.go()  # the first note pays for everything that is set up once
        takes: dict[str, list[Answer]] = {way: [] for way in ways}
        for _ in range(repeats):
            for way in ways:
                takes[way].append(children[way].go())
        notes = [small.go() for _ in range(3 * repeats)]
    finally:
        for child in (*children.values(), small):
            child.close()

    def median(answers: list[Answer], part: str) -> float:
        return statistics.median(answer[part] for answer in answers)

    seconds = {way: [answer["network"] + answer["inversion"] for answer in takes[way]] for way in ways}
    parts = {way: f"{1e3 * median(takes[way], 'inversion'):.1f} ms" for way in ways}
    paper = Row(
        "one note of the paper's network, 1 thread",
        1e3 * statistics.median(seconds["fast"]),
        1e3 * statistics.median(seconds["plain"]),
        "ms",
        target=SPEED,
        note=f"by {'bfloat16' if takes['fast'][0]['bf16'] else 'float32'}; of which the inversion: {parts['fast']} "
        f"(plain: {parts['plain']})",
        takes=seconds,
    )
    factors = [(note["network"] + note["inversion"]) / note["seconds"] for note in notes]
    small_row = Row(
        "real-time factor of darktimbre-small, 1 thread",
        statistics.median(factors),
        None,
        "RTF",
        target=REAL_TIME,
        limit=True,
        note=f"network {1e3 * median(notes, 'network'):.1f} ms, inversion {1e3 * median(notes, 'inversion'):.1f} ms "
        f"a note; weights: {'the starter' if notes[0]['starter'] else 'random (this checkout has no starter)'}",
        takes={"fast": factors},
    )
    return [paper, small_row]


# ----------------------------------------------------------------------------
# In the variant's process


def bundle_of(recipe_name: str) -> Any:
    """A bundle of a recipe with random weights."""
    import torch

    from darktimbre.bundle.bundle import Bundle
    from darktimbre.models.progressive import Generator
    from darktimbre.notes.attributes import Attributes
    from darktimbre.representation.codec import codec_from_config
    from darktimbre.training.recipe import load_recipe
    from darktimbre.training.tasks.gan import network_config

    recipe = load_recipe(recipe_name)
    assert isinstance(recipe.data.attributes, int)
    names = tuple(f"attribute {number}" for number in range(recipe.data.attributes))
    attributes = Attributes(pitches=PITCHES, names=names, teacher="none", teacher_digest="0" * 64, temperature=1.0)
    codec = codec_from_config({**recipe.data.codec, "low": -6.9, "high": 6.9})
    network = network_config(recipe, attributes, codec)
    torch.manual_seed(0)
    config = {
        "network": network.model_dump(mode="json"),
        "attributes": attributes.to_json(),
        "codec": codec.to_config(),
    }
    return Bundle(config, Generator(network).state_dict())


def _main(way: str) -> None:
    import torch

    from darktimbre.bundle.bundle import Bundle
    from darktimbre.bundle.where import has_starter
    from darktimbre.cli import allocator
    from darktimbre.models.convolution import computes_bf16
    from darktimbre.synthesizer.synthesizer import Synthesizer

    if way != "plain":
        allocator.tune()
    torch.set_num_threads(1)
    starter = way == "small" and has_starter()
    if starter:
        bundle = Bundle.from_pretrained("starter")
    else:
        bundle = bundle_of("darkgan-small" if way == "small" else "darkgan")
    latent, condition = torch.randn(1, bundle.network.latent), torch.rand(1, bundle.network.condition)
    condition[:, : len(PITCHES)] = 0
    condition[:, 16] = 1
    codec, picture = bundle.codec(), None
    bf16 = way == "fast" and computes_bf16(torch.device("cpu"))  # the runtime that `auto` takes there
    if way == "plain":
        from benchmarks.plain import PlainGenerator, plain_waves

        network: Any = PlainGenerator(bundle.generator())
        invert: Any = lambda picture: plain_waves(picture, codec)  # noqa: E731
    else:
        synthesizer = Synthesizer(bundle, bf16=bf16)
        network, invert = synthesizer.network, synthesizer.codec.decode

    def paint() -> None:
        nonlocal picture
        picture = network(latent, condition)

    def measure() -> Answer:
        with torch.inference_mode():
            takes = in_turns({"network": paint, "inversion": lambda: invert(picture)}, 1)
        seconds = codec.samples / codec.sample_rate
        return {
            **{name: take[0] for name, take in takes.items()},
            "seconds": seconds,
            "starter": float(starter),
            "bf16": float(bf16),
        }

    serve(measure)


if __name__ == "__main__":
    _main(sys.argv[1])
