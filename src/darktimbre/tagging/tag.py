"""A teacher tags a corpus; a shard's logits appear whole or not at all, so a killed run goes on at its shard."""

import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darktimbre.audio.atomic import atomic_file, write_json
from darktimbre.corpus.corpus import Corpus
from darktimbre.notes.errors import UserError
from darktimbre.tagging.store import FORMAT, Tags, folder, load_shard, read_meta, shard_file
from darktimbre.teachers.tagger import Tagger

LARGEST = 15.0e3  # float16 holds 65504; a teacher's logits beyond this are broken, not loud


def logits_of(waves: NDArray[np.float32], rate: int, tagger: Tagger) -> NDArray[np.float32]:
    """Logits (row, label) float32 of waves (row, sample) at `rate` Hz, resampled to the teacher's where they differ."""
    import torch

    if rate != tagger.sample_rate:
        import soxr

        # soxr takes (sample, channel): one call resamples a whole batch.
        resampled = soxr.resample(np.ascontiguousarray(waves.T), rate, tagger.sample_rate, quality="HQ")
        waves = np.ascontiguousarray(resampled.T, dtype=np.float32)
    return np.asarray(tagger.logits(torch.from_numpy(waves)).float().cpu().numpy())


def tag_corpus(
    corpus: Corpus,
    tagger: Tagger,
    progress: Callable[[int, int], None] | None = None,
    *,
    batch: int = 64,
    force: bool = False,
) -> Tags:
    """Stores the teacher's logits of every note beside the corpus; goes on where an earlier run was cut off.

    Args:
        corpus: what is tagged.
        tagger: the teacher.
        progress: called with (notes done, notes in all), first with what is there already, then after every batch.
        batch: notes of one call.
        force: drop tags made by other weights, or of an earlier state of the corpus, instead of refusing.

    Raises:
        UserError: such tags are there and `force` is not given, or the teacher answers with what is not a number.
    """
    tags = folder(corpus.path, tagger.name)
    meta: dict[str, Any] = {
        "format": FORMAT,
        "teacher": tagger.name,
        "digest": tagger.digest,
        "sample_rate": tagger.sample_rate,
        "corpus": corpus.digest,
        "rows": [stop - first for first, stop in corpus.shards],
        "labels": list(tagger.labels),
    }
    try:
        before = read_meta(tags)
        if before is not None and before != meta and not force:
            raise UserError(_difference(before, meta, tags) + " Give --force to tag again.")
    except UserError:
        if not force:
            raise
        before = {}
    if before != meta:
        if tags.exists():
            shutil.rmtree(tags)
        write_json(tags / "tags.json", meta)

    todo = [i for i, rows in enumerate(meta["rows"]) if load_shard(tags, i, rows, len(tagger.labels)) is None]
    done = len(corpus) - sum(meta["rows"][i] for i in todo)
    if progress is not None:
        progress(done, len(corpus))
    for index in todo:
        first, stop = corpus.shards[index]
        logits = np.empty((stop - first, len(tagger.labels)), dtype=np.float16)
        for start in range(first, stop, batch):
            end = min(start + batch, stop)
            answer = logits_of(corpus.waves(np.arange(start, end)), corpus.sample_rate, tagger)
            if not np.all(np.abs(answer) < LARGEST):  # NaN fails this too
                bad = start + int(np.flatnonzero(~(np.abs(answer) < LARGEST).all(axis=1))[0])
                raise UserError(
                    f"{tagger.name} gives no finite answer for note {corpus.note(bad).id!r} (row {bad}); "
                    "its weights are damaged: run `darktimbre weights verify`."
                )
            logits[start - first : end - first] = answer
            done += end - start
            if progress is not None:
                progress(done, len(corpus))
        with atomic_file(shard_file(tags, index)) as temporary, temporary.open("wb") as file:
            np.save(file, logits)
    return Tags.open(corpus.path, tagger.name)


def _difference(before: dict[str, Any], now: dict[str, Any], tags: object) -> str:
    """What keeps older tags from being continued, in a sentence."""
    if before.get("digest") != now["digest"]:
        return (
            f"The tags in {tags} were made by {before.get('teacher')} with weights {str(before.get('digest'))[:12]}…, "
            f"not {str(now['digest'])[:12]}…."
        )
    if before.get("corpus") != now["corpus"]:
        return f"The tags in {tags} belong to an earlier state of this corpus."
    keys = sorted(key for key in now if before.get(key) != now[key])
    return f"The tags in {tags} differ from this run in {', '.join(keys)}."
