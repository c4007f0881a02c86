"""Near duplicates: candidates by MinHash and locality-sensitive hashing, each verified by the exact Jaccard similarity.

Signatures and the choice of bands come from datasketch. Its index takes some 8 KiB per row; ours, sorted arrays of band
hashes, takes some 400 bytes. A band's hash holds what near duplicates must share anyway: domain, answer, numbers and
operators. So 100,000 problems made from a few templates, alike but for their numbers, are no candidates of each other.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from datasketch import MinHash, MinHashLSH

from ringexp.curation.dataset import Row
from ringexp.curation.steps import Arrays, Finding, Judged, Step
from ringexp.curation.text import answer_key, digest, marks, ngrams, tokens
from ringexp.errors import ConfigError

_WEIGHTS = (0.1, 0.9)
"""How much a false candidate counts against a missed one: a candidate costs a comparison, a missed one is lost."""

_REACH = 0.8
"""Bands are chosen for this part of the threshold, so that rows just at it are hardly ever missed."""

_MIX = np.uint64(0xD6E8FEB86659FD93)


class Near(Step):
    """Drops rows whose question is like that of an earlier row that stayed: same domain, answer, numbers, operators.

    Likeness is the Jaccard similarity of the sets of single words and pairs of neighbouring words.

    Args:
        threshold: from this similarity on a row is dropped.
        permutations: length of a MinHash signature.
        seed: of its permutations.
    """

    name = "near_duplicates"

    def __init__(self, threshold: float, permutations: int, seed: int) -> None:
        if not 0 < threshold < 1:
            raise ConfigError(f"curation.near.threshold={threshold}: must lie between 0 and 1; curation.near.enabled="
                              "false switches the step off")  # fmt: skip
        if not 16 <= permutations <= 1024:
            raise ConfigError(f"curation.near.permutations={permutations}: use 16 to 1024, e.g. 128")
        self._threshold = threshold
        chosen = MinHashLSH(threshold=_REACH * threshold, num_perm=permutations, weights=_WEIGHTS)
        self._bands, self._width = chosen.b, chosen.r
        self._empty = MinHash(num_perm=permutations, seed=seed % (1 << 32), hashfunc=int, scheme="affine32")
        self._ids: list[str] = []
        self._shingles: list[np.ndarray] = []
        self._keys, self._rows = np.zeros(0, np.uint64), np.zeros(0, np.int32)

    def judge(self, rows: Sequence[Row]) -> Judged:
        """The next rows."""
        judged, first_new = Judged(), len(self._ids)
        sets = [shingles(row.prompt.question) for row in rows]
        keys = self._band_keys(rows, sets)
        earlier = self._candidates(keys)
        here: dict[int, list[int]] = {}
        kept_keys = []
        for place, row in enumerate(rows):
            own = keys[place].tolist()
            candidates = sorted({*earlier[place], *(known for key in own for known in here.get(key, ()))})
            best, score = self._most_alike(sets[place], candidates)
            if score >= self._threshold:
                judged.drop(row, Finding("near_duplicate", self._ids[best], score=round(score, 4)))
                continue
            for key in own:
                here.setdefault(key, []).append(len(self._ids))
            self._ids.append(row.prompt.id)
            self._shingles.append(sets[place])
            kept_keys.append(keys[place])
            judged.keep(row)
        self._index(np.array(kept_keys, np.uint64).reshape(-1, self._bands), first_new)
        judged.arrays = {"keys": np.array(kept_keys, np.uint64).reshape(-1, self._bands),
                         "shingles": np.concatenate([np.zeros(0, np.uint32), *self._shingles[first_new:]]),
                         "sizes": np.array([len(found) for found in self._shingles[first_new:]], np.int32)}  # fmt: skip
        return judged

    def restore(self, kept: Sequence[Row], arrays: Arrays) -> None:
        """The band keys and shingles of the rows that stayed."""
        first_new = len(self._ids)
        self._ids += [row.prompt.id for row in kept]
        self._shingles += np.split(arrays["shingles"], np.cumsum(arrays["sizes"])[:-1]) if kept else []
        self._index(arrays["keys"], first_new)

    def _band_keys(self, rows: Sequence[Row], sets: Sequence[np.ndarray]) -> np.ndarray:
        """[rows, bands]: hashes of each band of a signature with its number and what must be equal anyway."""
        used = self._bands * self._width
        signatures = np.empty((len(rows), used), np.uint64)
        for place, found in enumerate(sets):
            sketch = self._empty.copy()
            sketch.update_batch(found.tolist())
            signatures[place] = sketch.hashvalues[:used]
        blocks = np.array([_block(row) for row in rows], np.uint64)
        keys = np.repeat(blocks[:, None], self._bands, axis=1) + np.arange(self._bands, dtype=np.uint64)
        for place in range(self._width):
            keys = (keys ^ (keys >> np.uint64(29))) * _MIX + signatures[:, place :: self._width]
        return keys ^ (keys >> np.uint64(32))

    def _candidates(self, keys: np.ndarray) -> list[list[int]]:
        """Rows of earlier chunks that share a band with each row."""
        left, right = (np.searchsorted(self._keys, keys, side) for side in ("left", "right"))
        found: list[list[int]] = [[] for _ in range(len(keys))]
        for place, band in zip(*np.nonzero(right > left)):
            found[place] += self._rows[left[place, band] : right[place, band]].tolist()
        return found

    def _most_alike(self, own: np.ndarray, candidates: Iterable[int]) -> tuple[int, float]:
        """The candidate with the greatest similarity, of several the earliest; (-1, -1) where there is none."""
        best, score = -1, -1.0
        for known in candidates:
            similarity = jaccard(own, self._shingles[known])
            if similarity > score:
                best, score = known, similarity
        return best, score

    def _index(self, keys: np.ndarray, first: int) -> None:
        """Take rows into the index, the first of which has the number `first`."""
        rows = np.repeat(np.arange(first, first + len(keys), dtype=np.int32), self._bands)
        every = np.concatenate([self._keys, keys.ravel()])
        order = np.argsort(every, kind="stable")
        self._keys, self._rows = every[order], np.concatenate([self._rows, rows])[order]


def shingles(question: str) -> np.ndarray:
    """The set of a question's words and pairs of words as sorted 32-bit hashes."""
    found = tokens(question)
    both = np.concatenate([ngrams(found, 1), ngrams(found, 2)])
    return np.unique((both >> np.uint64(32)).astype(np.uint32))


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union, of two sorted arrays without repetition; 0 where both are empty."""
    common = len(np.intersect1d(one, other, assume_unique=True))
    union = len(one) + len(other) - common
    return common / union if union else 0.0


def _block(row: Row) -> int:
    """What near duplicates share, as 64 bits."""
    prompt = row.prompt
    return int.from_bytes(digest(prompt.domain, answer_key(prompt), marks(tokens(prompt.question)))[:8], "little")
